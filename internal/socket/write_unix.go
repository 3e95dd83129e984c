//go:build unix

package socket

import (
	"os"
	"syscall"
)

// A Writer writes to a socket without waiting.
type Writer struct {
	raw   syscall.RawConn
	ready func(fd uintptr) bool // tryWrite, bound once

	// Argument and results of tryWrite.
	p   []byte
	n   int
	err error
}

// NewWriter returns a Writer for the socket that raw belongs to.
func NewWriter(raw syscall.RawConn) *Writer {
	w := &Writer{raw: raw}
	w.ready = w.tryWrite
	return w
}

// Write writes as much of p as the operating system takes at once, which may
// be nothing, and returns how much that was. That there was no room for all of p is
// no error.
func (w *Writer) Write(p []byte) (int, error) {
	w.p = p
	err := w.raw.Write(w.ready)
	n := w.n
	if err == nil {
		err = w.err
	}
	w.p, w.n, w.err = nil, 0, nil
	return n, err
}

// tryWrite writes once. There always is a result.
func (w *Writer) tryWrite(fd uintptr) bool {
	n, err := syscall.Write(int(fd), w.p)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(fd), w.p)
	}
	w.n = max(n, 0)
	if err != syscall.EAGAIN {
		w.err = os.NewSyscallError("write", err)
	}
	return true
}
