// Package mempipe provides a connection in memory with buffers and deadlines,
// which works under testing/synctest and can cut the stream into pieces.
package mempipe

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/seed23105783/websocket/internal/deadlines"
)

// A Chunking returns how many of n available bytes a Read returns, from 1 to n.
type Chunking func(n int) int

// Whole is a [Chunking] that returns all bytes at once.
func Whole(n int) int { return n }

// New returns the two ends of a connection in memory. It buffers up to size
// bytes in each direction, any number if size is zero. The chunking applies to
// what the first end reads. Unlike net.Pipe, it has CloseWrite. It can be used
// under testing/synctest.
func New(size int, chunking Chunking) (*Conn, *Conn) {
	ab, ba := newQueue(size, Whole), newQueue(size, chunking)
	return &Conn{in: ba, out: ab, name: "a"}, &Conn{in: ab, out: ba, name: "b"}
}

// A Conn is one end of a connection that [New] returned. It is a net.Conn.
type Conn struct {
	in, out *queue
	name    string
}

func (c *Conn) Read(p []byte) (int, error) { return c.in.read(p) }

// TryRead reads without waiting. That there is nothing to read is no error: n is zero.
// It heeds no deadline.
func (c *Conn) TryRead(p []byte) (n int, err error) { return c.in.tryRead(p) }

// Notify has f called whenever there may be something to read, the end and errors
// included. f must not call methods of c.
func (c *Conn) Notify(f func()) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.readable = f
}

func (c *Conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close closes both directions. The other end can still read what was written.
func (c *Conn) Close() error {
	c.out.closeWrite()
	c.in.closeRead()
	return nil
}

// CloseWrite makes the other end read io.EOF after what was written.
func (c *Conn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

func (c *Conn) LocalAddr() net.Addr  { return addr(c.name) }
func (c *Conn) RemoteAddr() net.Addr { return addr("peer of " + c.name) }

func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.reader.Set(&c.in.mu, t, c.in.change.Broadcast)
	return nil
}

func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.writer.Set(&c.out.mu, t, c.out.change.Broadcast)
	return nil
}

type addr string

func (addr) Network() string  { return "pipe" }
func (a addr) String() string { return string(a) }

// A queue is one direction of a Pipe.
type queue struct {
	mu       sync.Mutex
	change   *sync.Cond
	data     []byte
	size     int
	chunking Chunking

	readable func() // called when there may be something to read; or nil

	writeClosed, readClosed bool // by that end
	reader, writer          deadlines.Deadline
}

func newQueue(size int, chunking Chunking) *queue {
	q := &queue{size: size, chunking: chunking}
	q.change = sync.NewCond(&q.mu)
	return q
}

func (q *queue) read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if !q.readClosed && q.reader.Passed() {
			return 0, os.ErrDeadlineExceeded
		}
		if n, err := q.take(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		q.change.Wait()
	}
}

func (q *queue) tryRead(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.take(p)
}

// take reads without waiting.
func (q *queue) take(p []byte) (int, error) {
	switch {
	case q.readClosed:
		return 0, net.ErrClosed
	case len(p) == 0:
		return 0, nil
	case len(q.data) > 0:
		n := copy(p, q.data[:q.chunking(min(len(p), len(q.data)))])
		q.data = q.data[n:]
		q.change.Broadcast()
		return n, nil
	case q.writeClosed:
		return 0, io.EOF
	}
	return 0, nil
}

// changed is called when there may be something to read.
func (q *queue) changed() {
	q.change.Broadcast()
	if q.readable != nil {
		q.readable()
	}
}

func (q *queue) write(p []byte) (written int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.writeClosed:
			return written, net.ErrClosed
		case q.writer.Passed():
			return written, os.ErrDeadlineExceeded
		case q.readClosed:
			return written, io.ErrClosedPipe
		case len(p) == 0:
			return written, nil
		case q.size == 0 || len(q.data) < q.size:
			n := len(p)
			if q.size > 0 {
				n = min(n, q.size-len(q.data))
			}
			q.data = append(q.data, p[:n]...)
			p, written = p[n:], written+n
			q.changed()
			continue
		}
		q.change.Wait()
	}
}

func (q *queue) closeWrite() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writeClosed = true
	q.writer.Stop()
	q.changed()
}

func (q *queue) closeRead() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.readClosed = true
	q.reader.Stop()
	q.changed()
}
