//go:build unix

package socket

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unique"
)

// A Conn is a TCP or Unix socket that the runtime does not wait for. It has less
// than half the memory of the net.Conn that it stands for, and the kernel tells one
// poller less of its bytes. A call that has to wait makes a net.Conn for the same
// socket, which is kept until Close. While the process has no descriptor left for that,
// the call looks again every few milliseconds.
type Conn struct {
	fd    int
	users atomic.Int32 // calls that use fd, and closedBit

	multipath bool // it may consist of several TCP connections

	local  unique.Handle[netip.AddrPort] // most connections of a program have the same
	remote netip.AddrPort
	unix   *[2]net.Addr // local and remote of a Unix socket, or nil

	waits atomic.Pointer[waits] // nil until there is a deadline or a call had to wait
}

// closedBit is set when Close has been called. fd is closed when nobody uses it.
const closedBit = 1 << 30

// waits is what calls that wait need.
type waits struct {
	mu          sync.Mutex
	conn        net.Conn // for the same socket; nil until a call has to wait
	closed      bool
	read, write time.Time // the deadlines
}

// Detach returns a Conn for the socket of conn, which it closes. If that is not
// possible it returns conn as it is.
func Detach(conn net.Conn) net.Conn {
	raw := Raw(conn)
	if _, ok := conn.(*Conn); ok || raw == nil {
		return conn
	}
	c := new(Conn)
	switch local := conn.LocalAddr().(type) {
	case *net.TCPAddr:
		remote, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok {
			return conn
		}
		c.local, c.remote = unique.Make(local.AddrPort()), remote.AddrPort()
		c.multipath, _ = conn.(*net.TCPConn).MultipathTCP()
	default:
		c.unix = &[2]net.Addr{local, conn.RemoteAddr()}
	}
	var err error
	if raw.Control(func(fd uintptr) { c.fd, err = duplicate(int(fd)) }) != nil || err != nil {
		return conn
	}
	conn.Close() // not the socket, which has another descriptor now
	return c
}

// duplicate returns another descriptor for a socket.
func duplicate(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(fd)
	if err != nil {
		return 0, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	return fd, nil
}

// use keeps fd from being closed until release. It reports false after Close.
func (c *Conn) use() bool {
	if c.users.Add(1)&closedBit == 0 {
		return true
	}
	c.release()
	return false
}

func (c *Conn) release() {
	if c.users.Add(-1) == closedBit && c.users.CompareAndSwap(closedBit, -closedBit) {
		syscall.Close(c.fd)
	}
}

// Close closes the socket. Calls under way return.
func (c *Conn) Close() error {
	if !c.use() {
		return net.ErrClosed
	}
	if c.users.Or(closedBit)&closedBit != 0 {
		c.release()
		return net.ErrClosed
	}
	if w := c.waits.Load(); w != nil {
		w.close()
	}
	c.release()
	return nil
}

func (w *waits) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.conn != nil {
		w.conn.Close()
	}
}

// tryRead reads without waiting.
func (c *Conn) tryRead(p []byte) (int, error) {
	if !c.use() {
		return 0, net.ErrClosed
	}
	n, err := tryRead(c.fd, p, 0)
	c.release()
	return n, err
}

// Read reads some bytes.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	var result error
	err = c.wait("read", func(fd uintptr) bool {
		n, result = tryRead(int(fd), p, 0)
		return result != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case result != nil:
		return 0, c.failure("read", os.NewSyscallError("read", result))
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes p.
func (c *Conn) Write(p []byte) (n int, err error) {
	n, err = c.tryWrite(func() (int, error) { return write(c.fd, p) })
	if err != nil || n == len(p) {
		return n, err
	}
	var result error
	err = c.wait("write", func(fd uintptr) bool {
		m, err := write(int(fd), p[n:])
		n += max(m, 0)
		switch {
		case n == len(p):
			return true
		case err != nil && err != syscall.EINTR && err != syscall.EAGAIN:
			result = c.failure("write", os.NewSyscallError("write", err))
		}
		return result != nil
	})
	return n, cmp.Or(err, result)
}

// WriteVector writes two slices, neither of which is empty, in one call if it can.
func (c *Conn) WriteVector(slices *[2][]byte) (int, error) {
	n, err := c.tryWrite(func() (int, error) { return writev(c.fd, slices) })
	first := len(slices[0])
	switch {
	case err != nil || n == first+len(slices[1]):
		return n, err
	case n < first:
		m, err := c.Write(slices[0][n:])
		if n += m; err != nil {
			return n, err
		}
	}
	m, err := c.Write(slices[1][n-first:])
	return n + m, err
}

// tryWrite calls write, which writes what can be written without waiting.
func (c *Conn) tryWrite(write func() (int, error)) (n int, err error) {
	if c.passed("write") {
		return 0, c.failure("write", os.ErrDeadlineExceeded)
	}
	if !c.use() {
		return 0, c.failure("write", net.ErrClosed)
	}
	defer c.release()
	for {
		n, err = write()
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, c.failure("write", os.NewSyscallError("write", err))
		}
	}
}

// passed reports whether the deadline of an operation has passed.
func (c *Conn) passed(op string) bool {
	w := c.waits.Load()
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.write
	if op == "read" {
		t = w.read
	}
	return !t.IsZero() && !time.Now().Before(t)
}

func (c *Conn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *Conn) ownWaits() *waits {
	if w := c.waits.Load(); w != nil {
		return w
	}
	c.waits.CompareAndSwap(nil, &waits{})
	return c.waits.Load()
}

// attach returns a net.Conn for the socket, for calls that wait.
func (c *Conn) attach() (net.Conn, error) {
	w := c.ownWaits()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		return w.conn, nil
	}
	if w.closed || !c.use() {
		return nil, net.ErrClosed
	}
	defer c.release()
	fd, err := duplicate(c.fd)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	conn.SetReadDeadline(w.read)
	conn.SetWriteDeadline(w.write)
	w.conn = conn
	return conn, nil
}

// CloseWrite closes the writing side.
func (c *Conn) CloseWrite() error {
	if !c.use() {
		return c.failure("close", net.ErrClosed)
	}
	defer c.release()
	return os.NewSyscallError("shutdown", syscall.Shutdown(c.fd, syscall.SHUT_WR))
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(t, func(w *waits) { w.read = t }, net.Conn.SetReadDeadline)
}

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(t, func(w *waits) { w.write = t }, net.Conn.SetWriteDeadline)
}

func (c *Conn) setDeadline(t time.Time, store func(*waits), set func(net.Conn, time.Time) error) error {
	if t.IsZero() && c.waits.Load() == nil {
		return nil
	}
	w := c.ownWaits()
	w.mu.Lock()
	defer w.mu.Unlock()
	store(w)
	if w.conn == nil {
		return nil
	}
	return set(w.conn, t)
}

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr {
	if c.unix != nil {
		return c.unix[0]
	}
	return net.TCPAddrFromAddrPort(c.local.Value())
}

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr {
	if c.unix != nil {
		return c.unix[1]
	}
	return net.TCPAddrFromAddrPort(c.remote)
}

// isMultipath reports whether there may be several TCP connections.
func (c *Conn) isMultipath() bool { return c.multipath }

// SyscallConn returns access to the socket. It does not fail.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return (*rawConn)(c), nil }

// A rawConn is the syscall.RawConn of a Conn.
type rawConn Conn

// Control calls f with the socket.
func (r *rawConn) Control(f func(fd uintptr)) error {
	c := (*Conn)(r)
	if !c.use() {
		return c.failure("raw-control", net.ErrClosed)
	}
	defer c.release()
	f(uintptr(c.fd))
	return nil
}

// Read calls f until it returns true, whenever the socket is readable.
func (r *rawConn) Read(f func(fd uintptr) (done bool)) error { return (*Conn)(r).wait("read", f) }

// Write calls f until it returns true, whenever the socket is writable.
func (r *rawConn) Write(f func(fd uintptr) (done bool)) error { return (*Conn)(r).wait("write", f) }

// longestPause is the longest time between two calls of wait's function where there is no
// descriptor for a net.Conn.
const longestPause = 20 * time.Millisecond

// wait calls f until it returns true, whenever the socket is ready for op.
func (c *Conn) wait(op string, f func(fd uintptr) (done bool)) error {
	for pause := time.Millisecond; ; pause = min(2*pause, longestPause) {
		if c.passed(op) {
			return c.failure(op, os.ErrDeadlineExceeded)
		}
		if !c.use() {
			return c.failure(op, net.ErrClosed)
		}
		done := f(uintptr(c.fd))
		c.release()
		if done {
			return nil
		}
		switch conn, err := c.attach(); {
		case err == nil:
			return waitWith(conn, op, f)
		case !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE):
			return c.failure(op, err)
		}
		time.Sleep(pause)
	}
}

// waitWith is wait with a net.Conn for the socket.
func waitWith(conn net.Conn, op string, f func(fd uintptr) (done bool)) error {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	if op == "read" {
		err = raw.Read(f)
	} else {
		err = raw.Write(f)
	}
	if e, ok := err.(*net.OpError); ok {
		e.Op = op
	}
	return err
}
