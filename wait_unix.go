//go:build unix

package websocket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// An idleSocket is what it takes to read from a socket without holding a
// buffer while there is nothing to read: most connections of a server wait,
// most of the time.
type idleSocket struct {
	ready func(fd uintptr) bool // tryRead, bound once
	err   error                 // of tryRead
}

// rawConn returns what a socket can be waited on with, nil where s is none.
func rawConn(s stream) syscall.RawConn {
	if !isSocket(s) {
		return nil
	}
	raw, err := s.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// waitsIdle makes r wait without a buffer if it can.
func (r *readSide) waitsIdle() {
	if r.raw != nil {
		r.idle.ready = r.tryRead
	}
}

// readIdle waits for bytes and takes a buffer for them. If there is an error
// there are no bytes and no buffer.
func (r *readSide) readIdle() error {
	err := r.raw.Read(r.idle.ready)
	if err == nil {
		err, r.idle.err = r.idle.err, nil
	}
	// Whoever reads the error need not know how the reading was done.
	if e, ok := err.(*net.OpError); ok && e.Op == "raw-read" {
		e.Op = "read"
	}
	return err
}

// tryRead reads once and reports whether there is an outcome: bytes, the end
// or an error. Otherwise the runtime calls it again when the socket is ready.
func (r *readSide) tryRead(fd uintptr) bool {
	buf := getBuffer(r.burst)
	n, err := syscall.Read(int(fd), buf.b)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), buf.b)
	}
	if n > 0 {
		r.buf, r.end = buf, n
		r.adapt(n, len(buf.b))
		return true
	}
	putBuffer(buf)
	if err == syscall.EAGAIN {
		return false
	}
	r.idle.err = r.readError(err)
	return true
}

// adapt chooses the size of the next buffer: what fills one is followed by
// more, and system calls are what many short messages cost most.
func (r *readSide) adapt(n, size int) {
	switch {
	case n == size:
		r.burst = min(2*size, maxBuffer)
	case n < size/4:
		r.burst = max(size/2, r.size)
	}
}

// readError returns the error that net would have for err, which is nil at the
// end.
func (r *readSide) readError(err error) error {
	if err == nil {
		return io.EOF
	}
	conn := r.stream.(net.Conn)
	return &net.OpError{
		Op: "read", Net: conn.LocalAddr().Network(), Source: conn.LocalAddr(), Addr: conn.RemoteAddr(),
		Err: os.NewSyscallError("read", err),
	}
}

// A directSocket writes to a socket without ever waiting.
type directSocket struct {
	raw   syscall.RawConn
	ready func(fd uintptr) bool // tryWrite, bound once

	p   []byte
	n   int
	err error
}

func newDirectSocket(raw syscall.RawConn) *directSocket {
	s := &directSocket{raw: raw}
	s.ready = s.tryWrite
	return s
}

// write writes as much of p as the kernel takes at once.
func (s *directSocket) write(p []byte) (int, error) {
	s.p = p
	err := s.raw.Write(s.ready)
	n := s.n
	if err == nil {
		err = s.err
	}
	s.p, s.n, s.err = nil, 0, nil
	return n, err
}

// tryWrite writes once. It always has an outcome.
func (s *directSocket) tryWrite(fd uintptr) bool {
	n, err := syscall.Write(int(fd), s.p)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(fd), s.p)
	}
	s.n = max(n, 0)
	if err != syscall.EAGAIN {
		s.err = os.NewSyscallError("write", err)
	}
	return true
}
