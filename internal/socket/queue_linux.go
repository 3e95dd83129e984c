package socket

import (
	"cmp"
	"os"
	"syscall"
)

func canQueue() bool { return true }

// queueSize is how many sockets Wait returns at most.
const queueSize = 128

// edgeTriggered is EPOLLET, which package syscall has as a negative number.
const edgeTriggered = 1 << 31

// A Queue is a queue of the kernel's with the sockets that have become readable.
// It is edge-triggered: a socket is in it once for what has come since Wait
// returned it last, whether that has been read or not.
type Queue struct {
	file *os.File
	raw  syscall.RawConn
	wait func(fd uintptr) bool // tryWait, bound once

	// The results of tryWait.
	events [queueSize]syscall.EpollEvent
	n      int
	err    error
}

// NewQueue returns an empty queue.
func NewQueue() (*Queue, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// Being ready for reading means that a socket of the queue is. The runtime waits
	// for that as it does for all files that do not block, and no thread is held.
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("setnonblock", err)
	}
	q := &Queue{file: os.NewFile(uintptr(fd), "epoll")}
	q.wait = q.tryWait
	if q.raw, err = q.file.SyscallConn(); err != nil {
		q.file.Close()
		return nil, err
	}
	return q, nil
}

// Add adds a socket, under a key that Wait returns for it. A socket that is
// closed leaves the queue by itself.
func (q *Queue) Add(socket syscall.RawConn, key Key) error {
	event := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | edgeTriggered,
		Fd:     key.Index, Pad: int32(key.Generation),
	}
	return q.control(socket, syscall.EPOLL_CTL_ADD, &event)
}

// Remove removes a socket. Wait may have returned its key before.
func (q *Queue) Remove(socket syscall.RawConn) error {
	return q.control(socket, syscall.EPOLL_CTL_DEL, &syscall.EpollEvent{})
}

func (q *Queue) control(socket syscall.RawConn, op int, event *syscall.EpollEvent) error {
	var closed, failed error
	err := socket.Control(func(fd uintptr) {
		closed = q.raw.Control(func(queue uintptr) {
			failed = os.NewSyscallError("epoll_ctl", syscall.EpollCtl(int(queue), op, int(fd), event))
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

// results appends what tryWait has found. err is that of the wait.
func (q *Queue) results(ready []Ready, err error) ([]Ready, error) {
	if err != nil {
		return ready, err
	}
	const hangup = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	for _, e := range q.events[:q.n] {
		ready = append(ready, Ready{Key{e.Fd, uint32(e.Pad)}, e.Events&hangup != 0})
	}
	return ready, q.err
}

// tryWait looks once and reports whether there is a result.
func (q *Queue) tryWait(fd uintptr) bool {
	for {
		n, err := syscall.EpollWait(int(fd), q.events[:], 0)
		if err == syscall.EINTR {
			continue
		}
		q.n, q.err = max(n, 0), os.NewSyscallError("epoll_wait", err)
		return n != 0
	}
}

// Close closes the queue. A Wait under way returns an error.
func (q *Queue) Close() error { return q.file.Close() }
