package websocket

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/socket"
)

// A stream is all that a connection asks of what carries it: a net.Conn has
// it, and so has an HTTP/2 stream. A deadline also ends the calls under way.
type stream interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// A transport is the stream that carries a connection: what both directions
// share.
type transport struct {
	stream

	// raw leads to the socket, if the stream is one and the system lets us wait
	// on it without a buffer and write to it without waiting. Otherwise it is nil.
	raw syscall.RawConn

	// socket is whether the stream is a socket, with nothing in between. A write
	// to one that timed out before its first byte has changed nothing, and one
	// of several slices is one system call. The browser's WebSocket is like one.
	socket bool

	closed   atomic.Bool // close has been called
	released hooks       // called when the stream has been closed
}

func newTransport(s stream) transport {
	_, browser := s.(*browserStream)
	return transport{stream: s, socket: browser || socket.Is(s), raw: socket.Raw(s)}
}

// closeTimeout is how long closing a stream may take that is no socket: TLS
// sends an alert, for which crypto/tls itself allows five seconds.
const closeTimeout = 100 * time.Millisecond

// close closes the stream. Only the first call has an effect.
func (t *transport) close() error {
	if t.closed.Swap(true) {
		return nil
	}
	defer t.released.run()
	if inner := t.inner(); inner != nil {
		stop := time.AfterFunc(closeTimeout, func() { inner.Close() })
		defer stop.Stop()
	}
	return t.stream.Close()
}

// abort closes the stream at once, also where it is being closed and that
// takes its time.
func (t *transport) abort() {
	if inner := t.inner(); inner != nil {
		inner.Close()
	}
	t.close()
}

// whenReleased returns a channel that is closed when the stream has been closed.
func (t *transport) whenReleased() <-chan struct{} {
	released := make(chan struct{})
	if !t.released.add(nil, func() { close(released) }) {
		close(released)
	}
	return released
}

// conn returns the stream as a net.Conn, nil if it is none.
func (t *transport) conn() net.Conn {
	conn, _ := t.stream.(net.Conn)
	return conn
}

// An addressed stream has addresses.
type addressed interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// wrapped returns the stream, or what it gives deadlines to.
func (t *transport) wrapped() io.ReadWriteCloser {
	if u, ok := t.stream.(interface{ Unwrap() io.ReadWriteCloser }); ok {
		return u.Unwrap()
	}
	return t.stream
}

// addresses returns what has the stream's addresses, nil if nothing has.
func (t *transport) addresses() addressed {
	a, _ := t.wrapped().(addressed)
	return a
}

// isTLS reports whether the stream is a TLS connection.
func (t *transport) isTLS() bool {
	_, ok := t.stream.(*tls.Conn)
	return ok
}

// inner returns what carries the stream where that is TLS, nil otherwise.
func (t *transport) inner() net.Conn {
	if s, ok := t.stream.(interface{ NetConn() net.Conn }); ok {
		return s.NetConn()
	}
	return nil
}

// lingerTime and lingerSize bound how long the end of a connection waits for
// the peer, and how many bytes that the peer still sends it reads meanwhile.
const (
	lingerTime = time.Second
	lingerSize = 1 << 20

	// streamLingerTime is lingerTime for a server's HTTP/2 stream.
	streamLingerTime = 100 * time.Millisecond
)

// linger waits until the peer has closed its side, discarding what it sends,
// and then closes the stream. Closing a socket with unread bytes in it resets
// the connection, and the reset can overtake the close frame that was written
// last. A server, which is to close first (RFC 6455, Section 7.1.1), tells
// the peer so by closing its own half before it waits.
func (t *transport) linger(halfClose bool) {
	defer t.close()
	// Not a deadline: CloseWrite under TLS waits for a Write that is stuck.
	stop := time.AfterFunc(lingerTime, t.abort)
	defer stop.Stop()
	switch s := t.wrapped().(type) {
	case *serverStream:
		// The stream ends when the handler returns, together with what the client has
		// not read yet if it has not ended its side, which it may be about to.
		stop.Reset(streamLingerTime)
	case *clientStream:
		s.CloseWrite() // there is no TIME_WAIT to leave to the server
	default:
		if half, ok := t.stream.(interface{ CloseWrite() error }); halfClose && (!ok || half.CloseWrite() != nil) {
			return
		}
	}
	buf := bufpool.Get(bufpool.Min)
	defer bufpool.Put(buf)
	for size := 0; size < lingerSize; {
		n, err := t.Read(buf.B)
		if err != nil {
			return
		}
		size += n
	}
}

// A deadline is one of a stream's two. It can be made to pass at once, for a
// while or for good, and it can be suspended.
type deadline struct {
	mu        sync.Mutex
	owner     *transport
	value     time.Time // as it was set last
	passes    int8      // how many want it to have passed
	suspended int8      // how many want there to be none, whatever else is wanted
	writes    bool      // it is that of writes
	detached  bool      // the stream is not told
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// apply tells the stream, with mu held.
func (d *deadline) apply() error {
	t := d.value
	switch {
	case d.detached:
		return nil
	case d.suspended > 0:
		t = time.Time{}
	case d.passes > 0:
		t = longAgo
	}
	if d.writes {
		return d.owner.SetWriteDeadline(t)
	}
	return d.owner.SetReadDeadline(t)
}

// set sets the deadline.
func (d *deadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.value = t
	if d.suspended > 0 || d.passes > 0 {
		return nil
	}
	return d.apply()
}

// get returns the deadline as it was set last.
func (d *deadline) get() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.value
}

// detach leaves the stream's deadline to somebody else, who looks at passed, or undoes
// that: then the stream is told at the next change.
func (d *deadline) detach(detached bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.detached = detached
}

// interrupt ends the call under way and those that follow, until resume is
// called as many times.
func (d *deadline) interrupt() { d.change(&d.passes, 1) }

// resume undoes one interrupt.
func (d *deadline) resume() { d.change(&d.passes, -1) }

// suspend takes the effect from the deadline and from interrupt, until restore
// is called as many times.
func (d *deadline) suspend() { d.change(&d.suspended, 1) }

// restore undoes one suspend.
func (d *deadline) restore() { d.change(&d.suspended, -1) }

func (d *deadline) change(count *int8, by int8) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*count += by
	d.apply()
}

// passed reports whether calls fail because of d.
func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.suspended == 0 && (d.passes > 0 || !d.value.IsZero() && !time.Now().Before(d.value))
}

// watch interrupts the calls under d when ctx ends. The function that it
// returns puts an end to that and undoes it. A context that cannot end costs
// nothing.
func (d *deadline) watch(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	interrupted := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		d.interrupt()
	})
	return func() {
		if !cancel() {
			<-interrupted
			d.resume()
		}
	}
}
