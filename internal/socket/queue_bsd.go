//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package socket

import (
	"cmp"
	"os"
	"sync"
	"syscall"
	"time"
)

// canQueue is whether a queue of sockets can itself be waited on through the runtime,
// which is found out by trying: not every version of these systems lets it.
var canQueue = sync.OnceValue(tryQueue)

// queueSize is how many sockets Wait returns at most.
const queueSize = 128

// A Queue is a queue of the kernel's with the sockets that have become readable.
// It is edge-triggered: a socket is in it once for what has come since Wait
// returned it last, whether that has been read or not.
type Queue struct {
	file *os.File
	raw  syscall.RawConn
	wait func(fd uintptr) bool // tryWait, bound once

	// The results of tryWait.
	events [queueSize]syscall.Kevent_t
	n      int
	err    error

	// The kernel has no room for a Key of ours: keys has those of the descriptors.
	mu   sync.Mutex
	keys map[uint64]Key
}

// NewQueue returns an empty queue.
func NewQueue() (*Queue, error) {
	fd, err := syscall.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("setnonblock", err)
	}
	q := &Queue{file: os.NewFile(uintptr(fd), "kqueue"), keys: make(map[uint64]Key)}
	q.wait = q.tryWait
	if q.raw, err = q.file.SyscallConn(); err != nil {
		q.file.Close()
		return nil, err
	}
	return q, nil
}

// tryQueue reports whether a queue works: whether a wait ends when something comes.
func tryQueue() bool {
	q, err := NewQueue()
	if err != nil {
		return false
	}
	defer q.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return false
	}
	defer r.Close()
	defer w.Close()
	raw, err := r.SyscallConn()
	if err != nil || q.Add(raw, Key{Index: 1}) != nil {
		return false
	}
	time.AfterFunc(10*time.Millisecond, func() { w.Write([]byte("x")) })
	if q.file.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	ready, err := q.Wait(nil)
	return err == nil && len(ready) == 1 && ready[0].Key.Index == 1
}

// Add adds a socket, under a key that Wait returns for it. A socket that is
// closed leaves the queue by itself.
func (q *Queue) Add(socket syscall.RawConn, key Key) error {
	return q.control(socket, syscall.EV_ADD|syscall.EV_CLEAR, func(fd uint64) { q.keys[fd] = key })
}

// Remove removes a socket. Wait may have returned its key before.
func (q *Queue) Remove(socket syscall.RawConn) error {
	return q.control(socket, syscall.EV_DELETE, func(fd uint64) { delete(q.keys, fd) })
}

func (q *Queue) control(socket syscall.RawConn, flags int, then func(fd uint64)) error {
	var closed, failed error
	err := socket.Control(func(fd uintptr) {
		closed = q.raw.Control(func(queue uintptr) {
			q.mu.Lock()
			defer q.mu.Unlock()
			var change [1]syscall.Kevent_t
			syscall.SetKevent(&change[0], int(fd), syscall.EVFILT_READ, flags)
			_, err := syscall.Kevent(int(queue), change[:], nil, nil)
			if failed = os.NewSyscallError("kevent", err); err == nil {
				then(uint64(fd))
			}
		})
	})
	return cmp.Or(err, closed, failed)
}

// Wait appends the sockets that have become readable to ready. It waits until there
// is one. There must be one call of Wait or Poll at a time. It returns an error
// after Close.
func (q *Queue) Wait(ready []Ready) ([]Ready, error) {
	err := q.raw.Read(q.wait)
	return q.results(ready, err)
}

// Poll is Wait without waiting.
func (q *Queue) Poll(ready []Ready) ([]Ready, error) {
	err := q.raw.Control(func(fd uintptr) { q.tryWait(fd) })
	return q.results(ready, err)
}

// results appends what tryWait has found. err is that of the wait. The key of a
// descriptor that was closed and used again meanwhile is that of the new socket,
// which then finds nothing to read.
func (q *Queue) results(ready []Ready, err error) ([]Ready, error) {
	if err != nil {
		return ready, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.events[:q.n] {
		e := &q.events[i]
		if key, ok := q.keys[uint64(e.Ident)]; ok {
			ready = append(ready, Ready{key, e.Flags&syscall.EV_EOF != 0})
		}
	}
	return ready, q.err
}

// tryWait looks once and reports whether there is a result.
func (q *Queue) tryWait(fd uintptr) bool {
	var atOnce syscall.Timespec
	for {
		n, err := syscall.Kevent(int(fd), nil, q.events[:], &atOnce)
		if err == syscall.EINTR {
			continue
		}
		q.n, q.err = max(n, 0), os.NewSyscallError("kevent", err)
		return n != 0
	}
}

// Close closes the queue. A Wait under way returns an error.
func (q *Queue) Close() error { return q.file.Close() }
