//go:build unix

package websocket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// An idleSocket reads from a socket without holding a buffer while there is
// nothing to read: most connections of a server wait, most of the time.
type idleSocket struct {
	conn  net.Conn
	raw   syscall.RawConn
	ready func(fd uintptr) bool // tryRead, bound once

	size int
	buf  *buffer // what tryRead read into
	n    int
	err  error
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

// init makes s ready for use, with buffers of the given size.
func (s *idleSocket) init(t *transport, size int) {
	s.conn, _ = t.stream.(net.Conn)
	s.raw, s.size = t.raw, size
	s.ready = s.tryRead
}

// read waits for bytes and returns them at the start of a buffer, which is
// the caller's to give back. Without bytes there is an error and no buffer.
func (s *idleSocket) read() (*buffer, int, error) {
	err := s.raw.Read(s.ready)
	buf, n := s.buf, s.n
	if err == nil {
		err = s.err
	}
	s.buf, s.n, s.err = nil, 0, nil
	// Whoever reads the error need not know how the reading was done.
	if e, ok := err.(*net.OpError); ok && e.Op == "raw-read" {
		e.Op = "read"
	}
	return buf, n, err
}

// tryRead reads once and reports whether there is an outcome: bytes, the end
// or an error. Otherwise the runtime calls it again when the socket is ready.
func (s *idleSocket) tryRead(fd uintptr) bool {
	buf := getBuffer(s.size)
	n, err := syscall.Read(int(fd), buf.b)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), buf.b)
	}
	if n > 0 {
		s.buf, s.n = buf, n
		return true
	}
	putBuffer(buf)
	switch err {
	case nil:
		s.err = io.EOF
	case syscall.EAGAIN:
		return false
	default:
		s.err = &net.OpError{
			Op: "read", Net: s.conn.LocalAddr().Network(), Source: s.conn.LocalAddr(), Addr: s.conn.RemoteAddr(),
			Err: os.NewSyscallError("read", err),
		}
	}
	return true
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
