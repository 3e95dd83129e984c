//go:build unix

package socket

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/seed23105783/websocket/internal/bufpool"
)

const supported = true

// A Reader reads from a socket without holding a buffer while there is nothing
// to read: most connections of a server wait, most of the time.
type Reader struct {
	ready func(fd uintptr) bool // tryRead, bound once

	// The arguments of tryRead and its results: a buffer and how many bytes were
	// read, or an error, which is zero at the end.
	size    int32
	n       int32
	buf     *bufpool.Buffer
	scatter *scatter // nil if all goes into the buffer
	errno   syscall.Errno
}

// A scatter says which of the bytes do not go into the buffer: those after the first
// head, up to the length of p, go into p. It is lent for the time of a call.
type scatter struct {
	head int
	p    []byte
}

var scatters = sync.Pool{New: func() any { return new(scatter) }}

// NewReader returns a Reader, for one socket at a time.
func NewReader() *Reader {
	r := &Reader{}
	r.ready = r.tryRead
	return r
}

// Read waits for bytes, takes a buffer of at least size bytes from the pool
// and reads into it: the buffer and how many bytes are in it. On error, io.EOF
// included, there is no buffer. conn is the socket that raw belongs to.
func (r *Reader) Read(raw syscall.RawConn, conn any, size int) (*bufpool.Buffer, int, error) {
	r.size = int32(size)
	err := raw.Read(r.ready)
	buf, n := r.buf, int(r.n)
	r.buf = nil
	if err == nil && buf != nil {
		return buf, n, nil
	}
	return nil, 0, r.failure(err, conn)
}

// ReadAround is Read, but what comes after the first head bytes goes into p until p
// is full, and the rest into the buffer behind the first. It returns how many bytes
// were read altogether. head is less than size, and p is not empty. See CanScatter.
func (r *Reader) ReadAround(raw syscall.RawConn, conn any, size, head int, p []byte) (*bufpool.Buffer, int, error) {
	r.scatter = scatters.Get().(*scatter)
	*r.scatter = scatter{head, p}
	buf, n, err := r.Read(raw, conn, size)
	*r.scatter = scatter{}
	scatters.Put(r.scatter)
	r.scatter = nil
	return buf, n, err
}

// tryRead reads once and reports whether there is a result: bytes, the end or
// an error. Otherwise the runtime calls it again when the socket is ready.
func (r *Reader) tryRead(fd uintptr) bool {
	buf := bufpool.Get(int(r.size))
	n, err := r.readOnce(int(fd), buf.B)
	for err == syscall.EINTR {
		n, err = r.readOnce(int(fd), buf.B)
	}
	if n > 0 {
		r.buf, r.n = buf, int32(n)
		return true
	}
	bufpool.Put(buf)
	if err == syscall.EAGAIN {
		return false
	}
	r.errno, _ = err.(syscall.Errno)
	return true
}

func (r *Reader) readOnce(fd int, b []byte) (int, error) {
	if s := r.scatter; s != nil {
		return readv(fd, b[:s.head], s.p, b[s.head:])
	}
	return syscall.Read(fd, b)
}

// failure returns the error that package net would return. err is that of the
// wait.
func (r *Reader) failure(err error, conn any) error {
	if err != nil {
		if e, ok := err.(*net.OpError); ok && e.Op == "raw-read" {
			e.Op = "read" // how it was read is of no interest
		}
		return err
	}
	if r.errno == 0 {
		return io.EOF
	}
	c := conn.(net.Conn)
	return &net.OpError{
		Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
		Err: os.NewSyscallError("read", r.errno),
	}
}
