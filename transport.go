package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A stream is all that a connection asks of what carries it: a net.Conn has
// it, and so has an HTTP/2 stream. Its deadlines also end the calls that are
// under way.
type stream interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// A transport is a stream and how far its closing has come: what the two
// directions of a connection share.
type transport struct {
	stream
	closing closeState
	done    lazyChannel // closed with the stream
	hooks   hooks       // called after that

	// How it ended. peer is the peer's close frame, recorded before the step
	// closeReceived is; cause is the first error that ended the connection.
	// last is the steps that were taken when the stream was closed; it may be
	// read when done is closed.
	peer  atomic.Pointer[CloseError]
	cause atomic.Pointer[error]
	last  uint32

	// socket: the stream is a socket of the kernel's and nothing in between,
	// so that it can be waited on without a buffer, written to without waiting
	// or from several slices at once, and a write that timed out before its first byte has
	// changed nothing.
	socket bool

	// raw is how to do that, nil where the system does not let us.
	raw syscall.RawConn
}

// isSocket reports whether s is a socket of the kernel's. It goes by the types
// and not by an interface: what embeds one of them has its methods, and may do
// more in Read and Write.
func isSocket(s stream) bool {
	switch s.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// over returns a channel that is closed with the stream.
func (t *transport) over() <-chan struct{} { return t.done.get(0) }

// close closes the stream, once.
func (t *transport) close() error {
	before := t.closing.finish()
	if before&transportClosed != 0 {
		return nil
	}
	t.last = before
	defer func() {
		t.done.close()
		t.hooks.run()
	}()
	return t.stream.Close()
}

// atClose arranges for f to be called when the stream has been closed, by
// whoever closes it, or now if that has happened.
func (t *transport) atClose(f func()) {
	if !t.hooks.add(nil, f) {
		f()
	}
}

// hooks are functions to be called once, the last that was added first.
type hooks struct{ last atomic.Pointer[hook] }

// A hook does not change. Its owner, if it has one, can take it back.
type hook struct {
	call   func()
	owner  any
	before *hook
}

// called stands for hooks that have been called.
var called hook

// add adds a hook, or returns false if they have been called.
func (h *hooks) add(owner any, f func()) bool {
	for {
		last := h.last.Load()
		if last == &called {
			return false
		}
		if h.last.CompareAndSwap(last, &hook{f, owner, last}) {
			return true
		}
	}
}

// remove takes back the hooks of an owner, unless they have been called.
func (h *hooks) remove(owner any) {
	for {
		last := h.last.Load()
		if last == &called || h.last.CompareAndSwap(last, last.without(owner)) {
			return
		}
	}
}

// without returns k and those before it but for the ones of an owner. What
// has to change is copied.
func (k *hook) without(owner any) *hook {
	if k == nil {
		return nil
	}
	before := k.before.without(owner)
	switch {
	case k.owner == owner:
		return before
	case before == k.before:
		return k
	}
	return &hook{k.call, k.owner, before}
}

func (h *hooks) run() {
	for last := h.last.Swap(&called); last != nil && last != &called; last = last.before {
		last.call()
	}
}

// note records err as the cause of the end, unless there was one before.
func (t *transport) note(err error) { t.cause.CompareAndSwap(nil, &err) }

// closeFor closes the stream because of err, which is what reads return from
// then on if nothing else has ended them before.
func (t *transport) closeFor(err error) error {
	t.note(err)
	return t.close()
}

// why returns the error that ended the connection, once the stream is closed.
func (t *transport) why() error {
	if cause := t.cause.Load(); cause != nil {
		return *cause
	}
	return net.ErrClosed
}

// lingerTime and lingerSize bound how long the end of a connection waits for
// the peer, and how much of what the peer still sends it reads meanwhile.
const (
	lingerTime = time.Second
	lingerSize = 1 << 20
)

// linger waits until the peer has closed its side, discarding what it sends,
// and then closes the stream. Closing a socket with unread bytes in it resets
// the connection, and the reset can overtake the close frame that was written
// last. A server, which is to close first (RFC 6455, Section 7.1.1), tells
// the peer so by closing its own half before it waits.
func (t *transport) linger(halfClose bool) {
	defer t.close()
	// Not a deadline: the application may change that one, or it may have
	// passed. It covers CloseWrite too, which under TLS waits for a Write that
	// is stuck.
	stop := time.AfterFunc(lingerTime, func() { t.close() })
	defer stop.Stop()
	if halfClose {
		half, ok := t.stream.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			return
		}
	}
	t.SetReadDeadline(time.Time{})
	buf := getBuffer(minBuffer)
	defer putBuffer(buf)
	for size := 0; size < lingerSize; {
		n, err := t.Read(buf.b)
		if err != nil {
			return
		}
		size += n
	}
}

// A deadline is one of a stream's two, with what it takes to cut the call
// under way short and to go on afterwards as if nothing had happened.
type deadline struct {
	mu     sync.Mutex
	owner  *transport
	value  time.Time // as the application wants it
	cut    bool      // the stream has one in the past instead
	writes bool      // it is that of writes
}

// set makes t the stream's deadline.
func (d *deadline) set(t time.Time) error {
	if d.writes {
		return d.owner.SetWriteDeadline(t)
	}
	return d.owner.SetReadDeadline(t)
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// apply makes t the deadline.
func (d *deadline) apply(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.value = t
	if d.cut {
		return nil
	}
	return d.set(t)
}

// interrupt ends the call under way, and those that follow, until resume.
func (d *deadline) interrupt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	d.set(longAgo)
}

// passed reports whether calls fail because of d.
func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cut || !d.value.IsZero() && !time.Now().Before(d.value)
}

func (d *deadline) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = false
	d.set(d.value)
}

// watch interrupts the calls under d when ctx ends. The function it returns
// puts an end to that and makes the deadline what it was. A context that
// cannot end costs nothing.
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

// isTimeout reports whether err is the end of a deadline.
func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() && !errors.Is(err, syscall.ETIMEDOUT) // the kernel gave the peer up: an end
}
