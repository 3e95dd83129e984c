package websocket

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"

	"github.com/seed23105783/websocket/internal/wstest"
)

// soakClients are what clients do after they have connected, at random: among
// them the ways in which networks and processes end connections.
var soakClients = []func(c *Conn, r *rand.Rand){
	func(c *Conn, r *rand.Rand) { // a goodbye
		c.WriteMessage(CloseMessage, FormatCloseMessage(CloseNormalClosure, ""))
		for err := error(nil); err == nil; {
			_, _, err = c.ReadMessage()
		}
	},
	func(c *Conn, r *rand.Rand) {}, // Close, at once
	func(c *Conn, r *rand.Rand) { // a reset
		c.NetConn().(*net.TCPConn).SetLinger(0)
	},
	func(c *Conn, r *rand.Rand) { // a message and its echo
		c.WriteMessage(TextMessage, []byte(longText[:r.IntN(len(longText))]))
		c.ReadMessage()
	},
	func(c *Conn, r *rand.Rand) { // half a message
		w, err := c.NextWriter(BinaryMessage)
		if err == nil {
			w.Write([]byte(longText[:r.IntN(len(longText))]))
		}
	},
	func(c *Conn, r *rand.Rand) { // half a frame
		frame := (&peer{masked: true}).text(longText[:1+r.IntN(1000)])
		c.NetConn().Write(frame[:r.IntN(len(frame))])
	},
	func(c *Conn, r *rand.Rand) { // a violation, and no patience
		c.NetConn().Write([]byte("no frame"))
	},
	func(c *Conn, r *rand.Rand) { // half a close
		c.NetConn().(*net.TCPConn).CloseWrite()
		c.ReadMessage()
	},
	func(c *Conn, r *rand.Rand) { // a read that Close has to end
		go c.Close()
		c.ReadMessage()
	},
	func(c *Conn, r *rand.Rand) { // the server shall end it
		c.WriteMessage(TextMessage, []byte("go"))
		c.ReadMessage()
	},
}

// TestSoak connects and disconnects over loopback with random kills, SOAK times
// or 300. What is left of it, goroutines, file descriptors and whatever else
// keeps a connection from the garbage collector, such as a timer, is what there
// was before: nothing.
func TestSoak(t *testing.T) {
	s := &soak{}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	address := server.Listener.Addr().String()
	soakOnce(t, s, address, 0) // what is made once is made now
	s.handlers.Wait()
	goroutines, descriptors := runtime.NumGoroutine(), openFiles()

	n := oracleNumber(t, "SOAK", 300)
	next := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for seed := range next {
				soakOnce(t, s, address, seed)
			}
		})
	}
	for seed := range n {
		next <- seed
	}
	close(next)
	workers.Wait()
	s.handlers.Wait()
	assert.Greater(t, len(s.conns), n, "both ends of most")
	wstest.Settle(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	wstest.Settle(t, "file descriptors", func() bool { return openFiles() <= descriptors })
	for range 5 { // a finalizer may take two
		runtime.GC()
	}
	assert.Zero(t, s.alive(), "connections that something holds")
	t.Log(len(s.conns), "connections")
	server.Close()
}

// A soak knows all connections.
type soak struct {
	mu       sync.Mutex
	conns    []weak.Pointer[closing]
	handlers sync.WaitGroup
}

// note remembers a connection without holding it. Its transport is what a
// timer or a goroutine would hold.
func (s *soak) track(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, weak.Make(&c.closing))
}

// held returns how many connections are still there.
func (s *soak) alive() (n int) {
	for _, c := range s.conns {
		if c.Value() != nil {
			n++
		}
	}
	return n
}

// serve echoes, and ends a connection when it is told to.
func (s *soak) serve(w http.ResponseWriter, r *http.Request) {
	s.handlers.Add(1)
	defer s.handlers.Done()
	c, err := (&Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
	if err != nil {
		return // a client that has gone
	}
	s.track(c)
	defer c.Close()
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || string(p) == "go" || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

// soakOnce has a client connect, or nearly, and disconnect.
func soakOnce(t *testing.T, s *soak, address string, seed int) {
	r := rand.New(rand.NewPCG(uint64(seed), 17))
	if r.IntN(10) == 0 { // half a handshake, and perhaps a reset
		conn, err := net.Dial("tcp", address)
		if !assert.NoError(t, err) {
			return
		}
		io.WriteString(conn, sampleRequest[:r.IntN(len(sampleRequest)+1)])
		if r.IntN(2) == 0 {
			conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
		return
	}
	c, _, err := (&Dialer{EnableCompression: r.IntN(2) == 0}).Dial("ws://"+address+"/", nil)
	if !assert.NoError(t, err) {
		return
	}
	s.track(c)
	soakClients[r.IntN(len(soakClients))](c, r)
	err = c.Close()
	assert.True(t, err == nil || errors.Is(err, net.ErrClosed), err)
}

// openFiles returns the number of file descriptors, zero where /proc does not
// tell.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
