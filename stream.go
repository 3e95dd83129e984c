package websocket

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/lock"
)

const (
	// streamBuffer is how much a stream collects before Write waits, and the
	// longest message that it sends.
	streamBuffer = 32 << 10

	// streamCloseTime bounds how long Close waits for what was written to go
	// out.
	streamCloseTime = 5 * time.Second
)

// NewStream returns a net.Conn over the connection: a stream of bytes, for protocols
// that need one. What is written is sent as the payload of messages of the given
// type: [BinaryMessage], or [TextMessage] for peers that need it, if every byte is
// ASCII. What is read is the payload of received messages of either type. The
// boundaries of messages have no meaning.
//
// Write copies its argument into a buffer of 32 KiB, and waits while that is full. A
// goroutine, which exists only while there is something to send, sends what has
// been collected as one message. A write deadline that passes leaves the stream
// intact: Write returns how many bytes were copied, which will be sent. An error of
// sending is returned by the next Write.
//
// Read returns io.EOF if the peer has closed the connection with code 1000 or 1001
// or none, and otherwise the error of [Conn.ReadMessage]. A read deadline that
// passes loses nothing. Pings are answered only while a Read is at work.
//
// Close waits up to five seconds until the buffer has been sent, and sends a close
// frame with code 1000. It does not wait for the peer's close frame: the connection
// is closed when that has come, after a second at the latest. Reads and writes under
// way return net.ErrClosed. What was received and not read is discarded.
//
// All methods are safe for concurrent use. Do not use the read and write methods and
// the deadlines of c any more, except for [Conn.Ping] and WriteControl with pings
// and pongs.
func NewStream(c *Conn, messageType int) net.Conn {
	s := &messageStream{conn: c, messageType: messageType, closed: make(chan struct{})}
	s.change.L = &s.mu
	return s
}

// A messageStream is what NewStream returns.
type messageStream struct {
	conn        *Conn
	messageType int
	closed      chan struct{} // by Close

	reading lock.Mutex  // held by the one who reads
	message *connReader // the rest of the message under way, or nil

	mu      sync.Mutex
	change  sync.Cond       // of anything below
	writing bool            // a Write puts its bytes into the buffer, and no other's come between them
	buf     *bufpool.Buffer // nil while it is empty
	n       int             // bytes in it
	sending bool            // the goroutine that sends is there
	err     error           // of sending, or because of Close

	late  bool        // the write deadline has passed
	timer *time.Timer // makes it so
}

// Read reads some bytes, one at least.
func (s *messageStream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.isClosed() || !s.reading.Acquire(s.closed, nil) {
		return 0, net.ErrClosed
	}
	defer s.reading.Release()
	for {
		n, err := s.readMessage(p)
		switch {
		case n > 0:
			return n, nil // an error comes again
		case err == io.EOF:
			s.message = nil
		case err == nil:
		case s.isClosed():
			return 0, net.ErrClosed // by which it was interrupted
		case isNormalClose(err):
			return 0, io.EOF
		default:
			return 0, err
		}
	}
}

// readMessage reads some of the message under way, or of the next.
func (s *messageStream) readMessage(p []byte) (int, error) {
	if s.message == nil {
		message, _, err := s.conn.nextReader(context.Background(), s.closed)
		if err != nil {
			return 0, err
		}
		s.message = message
	}
	return s.message.read(context.Background(), p, s.closed)
}

func (s *messageStream) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// Write writes p.
func (s *messageStream) Write(p []byte) (written int, err error) {
	if s.messageType != TextMessage && s.messageType != BinaryMessage {
		return 0, errBadMessageType
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wait(func() bool { return !s.writing }); err != nil {
		return 0, err
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.change.Broadcast()
	}()
	for written < len(p) {
		if err := s.wait(func() bool { return s.n < streamBuffer }); err != nil {
			return written, err
		}
		written += s.collect(p[written:])
	}
	return written, nil
}

// collect puts what there is room for into the buffer, with mu held.
func (s *messageStream) collect(p []byte) int {
	if s.buf == nil {
		s.buf = bufpool.Get(streamBuffer)
	}
	n := copy(s.buf.B[s.n:streamBuffer], p)
	s.n += n
	if !s.sending {
		s.sending = true
		go s.send()
	}
	return n
}

// wait waits, with mu held, until ready returns true or there is a reason for
// Write not to go on.
func (s *messageStream) wait(ready func() bool) error {
	for {
		switch {
		case s.err != nil:
			return s.err
		case s.late:
			return os.ErrDeadlineExceeded
		case ready():
			return nil
		}
		s.change.Wait()
	}
}

// send sends what is in the buffer, and what comes meanwhile, until there is
// nothing left.
func (s *messageStream) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.change.Broadcast()
	for s.n > 0 {
		buf, n := s.buf, s.n
		s.buf, s.n = nil, 0
		s.change.Broadcast()
		s.mu.Unlock()
		err := s.conn.WriteMessage(s.messageType, buf.B[:n])
		bufpool.Put(buf)
		s.mu.Lock()
		if err != nil && s.err == nil {
			s.err = err
		}
		if err != nil && s.buf != nil { // there is no use for it
			bufpool.Put(s.buf)
			s.buf, s.n = nil, 0
		}
	}
	s.sending = false
}

// Close sends what was written, and ends the connection.
func (s *messageStream) Close() error {
	s.mu.Lock()
	if s.isClosed() {
		s.mu.Unlock()
		return nil
	}
	close(s.closed)
	s.err = net.ErrClosed
	s.setWriteDeadline(time.Time{})
	s.mu.Unlock()
	s.change.Broadcast()
	// For good: a Read under way returns. What reads to the peer's close frame is
	// not interrupted by this.
	s.conn.read.frames.deadline.interrupt()

	// Reading at the same time keeps two streams that are closed from waiting for
	// each other.
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer func() { s.conn.logPanic(recover()) }()
		s.conn.drain()
	}()

	deadline := time.Now().Add(streamCloseTime)
	stop := time.AfterFunc(streamCloseTime, func() { s.conn.Close() })
	defer stop.Stop()
	s.mu.Lock()
	for s.sending {
		s.change.Wait()
	}
	s.mu.Unlock()
	err := s.conn.WriteControl(CloseMessage, FormatCloseMessage(CloseNormalClosure, ""), deadline)
	if err != nil && err != ErrCloseSent { // by the peer's close, or by Shutdown
		s.conn.Close()
		return err
	}
	go s.awaitClose(drained)
	return nil
}

// awaitClose waits for the peer's close frame, for no longer than a second.
func (s *messageStream) awaitClose(drained <-chan struct{}) {
	stop := time.AfterFunc(lingerTime, func() { s.conn.abort(net.ErrClosed) })
	defer stop.Stop()
	<-drained
	s.conn.finish()
}

// LocalAddr returns that of the connection, or one that says no more than
// what the stream is made of.
func (s *messageStream) LocalAddr() net.Addr { return streamAddress(s.conn.LocalAddr()) }

// RemoteAddr is LocalAddr for the other end.
func (s *messageStream) RemoteAddr() net.Addr { return streamAddress(s.conn.RemoteAddr()) }

func streamAddress(a net.Addr) net.Addr {
	if a == nil {
		return streamAddr{}
	}
	return a
}

// A streamAddr is the address of a stream over a connection that has none.
type streamAddr struct{}

func (streamAddr) Network() string { return "websocket" }
func (streamAddr) String() string  { return "websocket" }

func (s *messageStream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

func (s *messageStream) SetReadDeadline(t time.Time) error {
	if s.isClosed() {
		return net.ErrClosed
	}
	return s.conn.SetReadDeadline(t)
}

func (s *messageStream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return net.ErrClosed
	}
	s.setWriteDeadline(t)
	return nil
}

// setWriteDeadline sets the deadline, with mu held.
func (s *messageStream) setWriteDeadline(t time.Time) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.late = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !s.late {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.timer == timer { // or else it was too late to stop it
				s.late = true
				s.change.Broadcast()
			}
		})
		s.timer = timer
	}
	s.change.Broadcast()
}
