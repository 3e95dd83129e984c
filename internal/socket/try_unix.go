//go:build unix

package socket

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// A once is a read that does not wait, lent for the time of a call.
type once struct {
	try   func(fd uintptr) // read, bound once
	p     []byte
	flags int
	n     int
	err   error
}

var onces = sync.Pool{New: func() any {
	o := new(once)
	o.try = o.read
	return o
}}

// read reads once.
func (o *once) read(fd uintptr) { o.n, o.err = tryRead(int(fd), o.p, o.flags) }

// tryRead reads from a socket that does not block.
func tryRead(fd int, p []byte, flags int) (n int, err error) {
	for {
		if flags == 0 {
			n, err = read(fd, p)
		} else {
			n, _, err = syscall.Recvfrom(fd, p, flags)
		}
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// TryRead reads without waiting, into p, which must not be empty. That there is
// nothing to read is no error: n is zero. conn is the socket that raw belongs to.
func TryRead(raw syscall.RawConn, conn net.Conn, p []byte) (n int, err error) {
	if c, ok := conn.(*Conn); ok {
		n, err = c.tryRead(p)
	} else {
		n, err = try(raw, p, 0)
	}
	switch {
	case err == nil && n == 0:
		return 0, io.EOF
	case err == syscall.EAGAIN:
		return 0, nil
	case err == nil:
		return n, nil
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = &net.OpError{
			Op: "read", Net: conn.LocalAddr().Network(), Source: conn.LocalAddr(), Addr: conn.RemoteAddr(),
			Err: os.NewSyscallError("read", errno),
		}
	}
	return 0, err
}

// HasUnread reports whether there is something to read: bytes, the end or an error.
func HasUnread(raw syscall.RawConn) bool {
	var p [1]byte
	_, err := try(raw, p[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}

func try(raw syscall.RawConn, p []byte, flags int) (int, error) {
	o := onces.Get().(*once)
	o.p, o.flags = p, flags
	err := raw.Control(o.try) // not Read, which would heed the deadline
	n := o.n
	if err == nil {
		err = o.err
	}
	o.p, o.err = nil, nil
	onces.Put(o)
	return n, err
}
