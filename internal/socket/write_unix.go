//go:build unix

package socket

import (
	"os"
	"sync"
	"syscall"
)

// A writer is a write that does not wait, lent for the time of a call.
type writer struct {
	ready func(fd uintptr) bool // tryWrite, bound once

	// Argument and results of tryWrite.
	p   []byte
	n   int
	err error
}

var writers = sync.Pool{New: func() any {
	w := new(writer)
	w.ready = w.tryWrite
	return w
}}

// TryWrite writes as much of p as the operating system takes at once, which may
// be nothing, and returns how much that was. That there was no room for all of p is
// no error.
func TryWrite(raw syscall.RawConn, p []byte) (int, error) {
	w := writers.Get().(*writer)
	w.p = p
	err := raw.Write(w.ready)
	n := w.n
	if err == nil {
		err = w.err
	}
	w.p, w.n, w.err = nil, 0, nil
	writers.Put(w)
	return n, err
}

// tryWrite writes once. There always is a result.
func (w *writer) tryWrite(fd uintptr) bool {
	n, err := write(int(fd), w.p)
	for err == syscall.EINTR {
		n, err = write(int(fd), w.p)
	}
	w.n = max(n, 0)
	if err != syscall.EAGAIN {
		w.err = os.NewSyscallError("write", err)
	}
	return true
}
