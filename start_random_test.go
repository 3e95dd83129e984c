package websocket

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed23105783/websocket/internal/mempipe"
	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestStartRandomly does anything to connections while they are started: whatever happens,
// Open and Close are called once, Error no more than that, and no place of a CallLimit is lost.
func TestStartRandomly(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	pipe := func() (net.Conn, io.ReadWriteCloser) { return mempipe.New(1000, mempipe.Whole) }
	streams := map[string]func() (net.Conn, io.ReadWriteCloser){"pipe": pipe}
	if runtime.GOOS != "js" {
		streams["tcp"] = func() (net.Conn, io.ReadWriteCloser) { return socketPair(t) }
		streams["detached"] = func() (net.Conn, io.ReadWriteCloser) {
			a, b := socketPair(t)
			return socket.Detach(a), b
		}
		streams["tls"] = func() (net.Conn, io.ReadWriteCloser) {
			a, b := socketPair(t)
			server, client := tls.Server(a, s.TLS), tls.Client(b, &tls.Config{InsecureSkipVerify: true})
			go client.Handshake()
			server.Handshake()
			return server, client
		}
		streams["goroutine"] = func() (net.Conn, io.ReadWriteCloser) { // without a poller
			near, far := net.Pipe()
			socket, peer := socketPair(t)
			go func() { io.Copy(socket, far); socket.CloseWrite() }()
			go func() { io.Copy(far, socket); far.Close() }()
			return near, peer
		}
	}
	for name, connect := range streams {
		t.Run(name, func(t *testing.T) {
			limit := NewCallLimit(2)
			var workers sync.WaitGroup
			for range 8 {
				workers.Go(func() {
					for range 40 {
						startRandomly(t, connect, limit)
					}
				})
			}
			workers.Wait()
			entered := make(chan struct{}, 2)
			for range 2 {
				go func() { limit.limit.Enter(); entered <- struct{}{} }()
			}
			wstest.Settle(t, "both places are free", func() bool { return len(entered) == 2 })
		})
	}
}

// startRandomly starts one connection and waits for its end.
func startRandomly(t *testing.T, connect func() (net.Conn, io.ReadWriteCloser), limit *CallLimit) {
	stream, peer := connect()
	defer peer.Close()
	go io.Copy(io.Discard, peer)
	c := newConn(stream, connConfig{})
	operations := randomOperations(c, peer)
	do := func() { operations[rand.IntN(len(operations))]() }
	var opened, failed, closed atomic.Int32
	ended := make(chan struct{})
	events := Events{
		Limit:     limit,
		ReuseData: rand.IntN(2) == 0,
		Open:      func(*Conn) { opened.Add(1); failSometimes(20) },
		Message: func(*Conn, Message) {
			failSometimes(10)
			if rand.IntN(10) == 0 {
				do()
			}
		},
		Error: func(*Conn, error) { failed.Add(1); failSometimes(4) },
		Close: func(*Conn, CloseInfo) {
			if closed.Add(1) == 1 {
				close(ended)
			}
			failSometimes(4)
		},
	}
	c.SetPingHandler(func(string) error { failSometimes(10); return nil })
	var all sync.WaitGroup
	all.Go(func() { assert.NoError(t, c.Start(events)) })
	for range 3 {
		all.Go(func() {
			for range 1 + rand.IntN(6) {
				var operation sync.WaitGroup
				operation.Go(do) // which may end its goroutine
				operation.Wait()
				time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			}
		})
	}
	all.Wait()
	peer.Close() // or Shutdown waits for it after a panic
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Errorf("no Close event after %d Open events; ended: %t (%v)", opened.Load(), c.closing.hasEnded(), c.closing.cause())
		c.Close()
		return
	}
	<-c.Done()
	assert.EqualValues(t, 1, opened.Load())
	assert.EqualValues(t, 1, closed.Load())
	assert.LessOrEqual(t, failed.Load(), int32(1))
}

// failSometimes does not return in two of n cases.
func failSometimes(n int) {
	switch rand.IntN(n) {
	case 0:
		panic(http.ErrAbortHandler)
	case 1:
		runtime.Goexit()
	}
}

func randomOperations(c *Conn, peer io.Writer) []func() {
	within := func(longest time.Duration) (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), rand.N(longest))
	}
	operations := []func(){
		func() { c.SetReadDeadline(time.Now().Add(rand.N(2 * time.Millisecond))) },
		func() { c.SetReadDeadline(time.Now().Add(time.Hour)) },
		func() { c.SetReadDeadline(time.Time{}) },
		func() { c.Close() },
		func() { c.WriteMessage(TextMessage, []byte("hello")) },
		func() { c.Send(TextMessage, []byte("hello")) },
		func() {
			ctx, cancel := within(2 * time.Millisecond)
			defer cancel()
			c.Ping(ctx)
		},
		func() {
			defer func() { recover() }() // of the ping handler
			ctx, cancel := within(3 * time.Millisecond)
			defer cancel()
			c.Shutdown(ctx, CloseNormalClosure, "")
		},
	}
	for _, frame := range []string{
		"\x81\x81\x00\x00\x00\x00x",
		"\x01\x85\x00\x00\x00\x00xx", // and no more
		"\x89\x80\x00\x00\x00\x00",
		"\x88\x82\x00\x00\x00\x00\x03\xe8",
	} {
		operations = append(operations, func() { io.WriteString(peer, frame) })
	}
	return operations
}
