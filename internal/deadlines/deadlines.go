// Package deadlines gives a stream the deadlines that it does not have.
package deadlines

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// readSize is the length in bytes of the buffer that a read goes through.
const readSize = 4 << 10

// A Stream is a stream with deadlines. A Read that has to wait costs a goroutine,
// which goes on when the deadline passes and keeps what it reads for the next
// Read. A Write whose deadline passes closes the stream, since nothing else ends
// it; Read then waits for Close, so that whoever writes is the first to know why.
// There must be one Read and one Write at a time.
type Stream struct {
	stream io.ReadWriteCloser

	mu       sync.Mutex
	change   sync.Cond // of anything that Read waits for
	buf      []byte    // nil before the first Read
	unread   []byte    // a part of buf
	err      error     // of the stream, behind unread
	fetching bool      // a goroutine reads into buf
	closed   bool
	read     Deadline

	writing bool
	late    bool // the stream was closed because of the deadline of a Write
	write   Deadline
}

// New returns a Stream over stream.
func New(stream io.ReadWriteCloser) *Stream {
	s := &Stream{stream: stream}
	s.change.L = &s.mu
	return s
}

// Read reads some bytes, or returns os.ErrDeadlineExceeded.
func (s *Stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.read.passed:
			return 0, os.ErrDeadlineExceeded
		case len(s.unread) > 0:
			n := copy(p, s.unread)
			s.unread = s.unread[n:]
			return n, nil
		case s.late:
		case s.err != nil:
			return 0, s.err
		case !s.fetching:
			s.fetching = true
			go s.fetch()
		}
		s.change.Wait()
	}
}

// fetch reads once from the stream.
func (s *Stream) fetch() {
	if s.buf == nil {
		s.buf = make([]byte, readSize)
	}
	n, err := s.stream.Read(s.buf)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread, s.err, s.fetching = s.buf[:n], err, false
	s.change.Broadcast()
}

// Write writes p. If the deadline passes it closes the stream and returns
// os.ErrDeadlineExceeded.
func (s *Stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	if s.write.passed {
		s.mu.Unlock()
		return 0, os.ErrDeadlineExceeded
	}
	s.writing = true
	s.mu.Unlock()
	n, err := s.stream.Write(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if err == nil && s.late || err != nil && s.write.passed { // the stream is being closed
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// Unwrap returns the stream.
func (s *Stream) Unwrap() io.ReadWriteCloser { return s.stream }

// CloseWrite closes the writing side of the stream, if that can be closed.
func (s *Stream) CloseWrite() error {
	if half, ok := s.stream.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the stream. A Read that waits returns net.ErrClosed, also where
// Close does not end that of the stream, and so does every later one.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.read.Stop()
	s.write.Stop()
	s.closed = true
	s.change.Broadcast()
	s.mu.Unlock()
	return s.stream.Close()
}

// SetReadDeadline sets the deadline of the Read under way and those to come.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.read.Set(&s.mu, t, s.change.Broadcast)
	return nil
}

// SetWriteDeadline sets the deadline of the Write under way and those to come.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.write.Set(&s.mu, t, func() {
		if s.writing && s.write.passed && !s.late {
			s.late = true
			go s.stream.Close()
		}
	})
	return nil
}
