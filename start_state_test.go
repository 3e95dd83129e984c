package websocket

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/mempipe"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestShutdownLeavesTheLimit: while Shutdown waits for the peer's close frame, a started
// connection that has more messages does not count under its CallLimit.
func TestShutdownLeavesTheLimit(t *testing.T) {
	needsRawSockets(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // Shutdown gets the lock before it can go on
	limit, begun, got := NewCallLimit(1), make(chan struct{}), make(chan struct{})
	start := func(prepare func(*Conn), message func(*Conn, Message)) (*Conn, net.Conn) {
		a, peer := socketPair(t)
		c := newConn(a, connConfig{})
		prepare(c)
		require.NoError(t, c.Start(Events{Message: message, Limit: limit}))
		t.Cleanup(func() { c.Close() })
		return c, peer
	}
	c, peer := start(func(c *Conn) {
		c.SetPingHandler(func(string) error {
			close(begun)
			for !c.closing.has(closeSent) && !c.closing.hasEnded() {
				runtime.Gosched()
			}
			time.Sleep(20 * time.Millisecond) // until Shutdown waits to read
			return nil
		})
	}, func(*Conn, Message) {})
	_, other := start(func(*Conn) {}, func(*Conn, Message) { close(got) })
	const message = "\x81\x81\x00\x00\x00\x00x"
	io.WriteString(peer, "\x89\x80\x00\x00\x00\x00"+message) // a ping first, and no close frame
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Shutdown(ctx, CloseNormalClosure, "")
	}()
	io.WriteString(other, message)
	select {
	case <-got:
	case <-time.After(20 * time.Second):
		t.Error("the other connection has to wait")
	}
	cancel()
	<-ended
}

// A fetchingConn has a goroutine that reads its socket.
type fetchingConn struct {
	net.Conn
	socket net.Conn
}

func (c fetchingConn) NetConn() net.Conn { return c.socket }

func newFetchingConn(socket net.Conn) fetchingConn {
	c, fetched := net.Pipe()
	go func() {
		defer fetched.Close()
		buf := make([]byte, 100)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
			fetched.Write(buf[:n])
		}
	}()
	return fetchingConn{c, socket}
}

// TestStartWhereOthersRead: a stream that is not TLS may read its socket itself, also if it
// tells which that is.
func TestStartWhereOthersRead(t *testing.T) {
	a, peer := socketPair(t)
	c := newConn(newFetchingConn(a), connConfig{})
	got := make(chan string, 3)
	require.NoError(t, c.Start(Events{Message: func(_ *Conn, m Message) { got <- string(m.Data) }}))
	defer c.Close()
	for _, want := range []string{"a", "b", "c"} {
		io.WriteString(peer, "\x81\x81\x00\x00\x00\x00"+want)
		select {
		case m := <-got:
			require.Equal(t, want, m)
		case <-time.After(20 * time.Second):
			t.Fatal("no message")
		}
	}
}

// TestStartWithReadDeadlines: of two that are set at the same time the last counts.
func TestStartWithReadDeadlines(t *testing.T) {
	for i := range 500 {
		a, b := mempipe.New(1000, mempipe.Whole)
		c := newConn(a, connConfig{})
		ended := make(chan error, 1)
		require.NoError(t, c.Start(Events{Error: func(_ *Conn, err error) { ended <- err }}))
		near, far := time.Now().Add(time.Millisecond), time.Now().Add(time.Hour)
		var both atomic.Int32
		meet := func() {
			for both.Add(1); both.Load() < 2; {
				runtime.Gosched()
			}
		}
		set := make(chan struct{})
		first, second := near, far
		if i%2 > 0 {
			first, second = far, near
		}
		go func() { meet(); c.SetReadDeadline(first); close(set) }()
		meet()
		c.SetReadDeadline(second)
		<-set
		if c.read.frames.deadline.get().Equal(near) {
			select {
			case err := <-ended:
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			case <-time.After(10 * time.Second):
				t.Fatal("the deadline does not pass")
			}
		}
		c.Close()
		b.Close()
	}
}

// TestReadDeadlineAfterTheEnd: it has no timer, which would keep the connection.
func TestReadDeadlineAfterTheEnd(t *testing.T) {
	a, b := mempipe.New(1000, mempipe.Whole)
	defer b.Close()
	c := newConn(a, connConfig{})
	ended := make(chan struct{})
	require.NoError(t, c.Start(Events{Close: func(*Conn, CloseInfo) { close(ended) }}))
	c.SetReadDeadline(time.Now().Add(time.Hour))
	ready := c.read.frames.ready.Load()
	timer := func() *time.Timer {
		ready.mu.Lock()
		defer ready.mu.Unlock()
		return ready.timer
	}
	require.NotNil(t, timer())
	c.Close()
	<-ended
	require.Nil(t, timer())
	c.SetReadDeadline(time.Now().Add(time.Hour))
	require.Nil(t, timer())
}

// TestStartPanicsAfterTheEnd: Close is called although Open, which panics, is called when
// the connection has ended.
func TestStartPanicsAfterTheEnd(t *testing.T) {
	limit, entered, release := NewCallLimit(1), make(chan struct{}), make(chan struct{})
	busy, other := mempipe.New(1000, mempipe.Whole)
	defer other.Close()
	require.NoError(t, newConn(busy, connConfig{}).Start(Events{Limit: limit, Open: func(c *Conn) {
		close(entered)
		<-release
		c.Close()
	}}))
	<-entered
	pipe, peer := mempipe.New(1000, mempipe.Whole)
	defer peer.Close()
	tcp, _ := socketPair(t)
	closed := make(chan struct{})
	for _, stream := range []stream{pipe, tcp} {
		c := newConn(stream, connConfig{})
		require.NoError(t, c.Start(Events{
			Limit: limit,
			Open:  func(*Conn) { panic(http.ErrAbortHandler) },
			Close: func(*Conn, CloseInfo) { closed <- struct{}{} },
		}))
		c.Close() // while Open waits for its turn
	}
	close(release)
	for range 2 {
		awaitClosed(t, closed)
	}
}

func awaitClosed(t *testing.T, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("there is no Close event")
	}
}

// TestShutdownPanics: a handler that panics in the application's own Shutdown leaves no
// connection that nobody reads.
func TestShutdownPanics(t *testing.T) {
	a, peer := mempipe.New(1000, mempipe.Whole)
	defer peer.Close()
	c, closed, limit := newConn(a, connConfig{}), make(chan struct{}), NewCallLimit(1)
	limit.limit.Enter() // so that Shutdown reads the ping
	c.SetPingHandler(func(string) error {
		for !c.closing.has(closeSent) {
			runtime.Gosched()
		}
		panic(http.ErrAbortHandler)
	})
	require.NoError(t, c.Start(Events{Limit: limit, Close: func(*Conn, CloseInfo) { close(closed) }}))
	io.WriteString(peer, "\x89\x80\x00\x00\x00\x00")
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { c.Shutdown(t.Context(), CloseNormalClosure, "") })
	limit.limit.Leave()
	awaitClosed(t, closed)
}

// TestTraceReadPanics: also a second time, when the connection is being closed because of
// the first.
func TestTraceReadPanics(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	a, peer := mempipe.New(1000, mempipe.Whole)
	defer peer.Close()
	c, closed := newConn(a, connConfig{}), make(chan struct{})
	c.startTrace(&Trace{FrameRead: func(*Conn, FrameInfo) { panic("in FrameRead") }})
	require.NoError(t, c.Start(Events{Close: func(*Conn, CloseInfo) { close(closed) }}))
	io.WriteString(peer, "\x89\x80\x00\x00\x00\x00")
	wstest.Settle(t, "Shutdown reads", func() bool { return c.closing.has(drained) })
	io.WriteString(peer, "\x89\x80\x00\x00\x00\x00")
	awaitClosed(t, closed)
}

// TestTwoStartsDuringShutdown: one of them succeeds.
func TestTwoStartsDuringShutdown(t *testing.T) {
	for range 2000 {
		a, b := mempipe.New(1000, mempipe.Whole)
		c := newConn(a, connConfig{})
		c.read.lock.TryAcquire() // as Shutdown does
		c.closing.add(drained)
		var started atomic.Int32
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				if c.Start(Events{}) == nil {
					started.Add(1)
				}
			})
		}
		calls.Wait()
		c.read.lock.Release()
		c.Close()
		b.Close()
		require.EqualValues(t, 1, started.Load())
	}
}

// TestStartWhileLingering: it does not wait for the peer.
func TestStartWhileLingering(t *testing.T) {
	a, peer := socketPair(t)
	c := newConn(a, connConfig{client: true, head: a})
	go c.closeAsSlow()
	<-c.Done()
	wstest.Settle(t, "the connection lingers", func() bool {
		d := &c.read.frames.deadline
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.suspended > 0
	})
	started := make(chan error, 1)
	closed := make(chan struct{})
	go func() { started <- c.Start(Events{Close: func(*Conn, CloseInfo) { close(closed) }}) }()
	awaitClosed(t, closed)
	require.NoError(t, <-started)
	require.False(t, c.transport.closed.Load(), "the peer is still waited for")
	peer.Close()
}
