package websocket

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/seed23105783/websocket/internal/browser"
	"github.com/seed23105783/websocket/internal/deadlines"
)

// A browserSocket is what a browserStream needs of a browser.Socket.
type browserSocket interface {
	Send(text bool, p []byte) error
	Close(code int, reason string)
	Detach()
	IsOpen() bool
	BufferedAmount() int
}

// A browserStream is the WebSocket of a browser, which carries messages, as a
// stream of frames, so that a Conn on it is like any other. What is read from it
// are the frames of a server: a message is one frame, and so is the end of the
// connection if the peer has sent a close frame. What is written to it are the
// frames of a client, with the masking key zero: a message is handed over when it
// is complete.
//
// Pings and pongs are the browser's own business. There are none to be read, and
// those that are written are dropped: see checkControl.
type browserStream struct {
	socket browserSocket

	mu     sync.Mutex
	change sync.Cond // of anything that Read and Write wait for

	// What has come and was not read. The first pos bytes of incoming[0] were.
	incoming []browserFrame
	pos      int
	size     int   // of incoming, as limit counts it
	limit    int   // of size
	end      error // behind incoming; nil while there is none
	unclean  bool  // the connection has ended, and not with the closing handshake
	closed   bool  // Close has been called
	read     deadlines.Deadline

	// There is one Write at a time. These are its own but for the deadline.
	write  deadlines.Deadline
	rest   []byte // the start of a frame that is not complete
	kind   opcode // of the message under way
	joined []byte // its fragments
}

// A browserFrame is a frame to be read: the header, with the payload of a close
// frame behind it, and the payload of a message, nil if there is none.
type browserFrame struct {
	header  []byte
	payload browser.Payload
}

func (f *browserFrame) length() int {
	if f.payload == nil {
		return len(f.header)
	}
	return len(f.header) + f.payload.Len()
}

// copyTo copies from the frame, from the given byte on, to p.
func (f *browserFrame) copyTo(p []byte, from int) (n int) {
	if from < len(f.header) {
		n = copy(p, f.header[from:])
	}
	if n < len(p) && from+n < f.length() {
		rest := min(len(p)-n, f.length()-from-n)
		f.payload.CopyTo(p[n:n+rest], from+n-len(f.header))
		n += rest
	}
	return n
}

const (
	// minBrowserQueue is the least number of bytes of received messages that may
	// wait to be read.
	minBrowserQueue = 32 << 20

	// browserOverhead is what a message counts in addition to its payload.
	browserOverhead = 256

	// browserBuffer is how many bytes the browser may have to send when it is
	// given another message. While it has more, writing waits and looks again
	// after browserPoll: there is no event for it.
	browserBuffer = 1 << 20
	browserPoll   = 5 * time.Millisecond

	// maxBrowserRest is the capacity of buffers that are kept.
	maxBrowserRest = 64 << 10
)

// errBrowserQueue is what ends a connection whose messages are not read.
var errBrowserQueue = errors.New("the browser has received more than was read, and cannot be told to wait")

// newBrowserStream returns a stream of frames over socket. Messages of up to
// readLimit bytes wait to be read, or of minBrowserQueue if that is more.
func newBrowserStream(socket browserSocket, readLimit int64) *browserStream {
	s := &browserStream{socket: socket, limit: int(min(max(minBrowserQueue, readLimit), math.MaxInt))}
	s.change.L = &s.mu
	return s
}

// Message takes a message from the browser.
func (s *browserStream) Message(text bool, p browser.Payload) {
	op := opBinary
	if text {
		op = opText
	}
	header := appendHeader(nil, header{fin: true, opcode: op, length: uint64(p.Len())})
	if !s.receive(browserFrame{header, p}, p.Len()+browserOverhead) {
		s.socket.Close(CloseNoStatusReceived, "")
	}
}

// receive queues a frame. It reports false if there is no room: the frame and all
// that could follow is dropped then. An empty queue has room for any message,
// since the read limit is for the reader to check.
func (s *browserStream) receive(f browserFrame, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed || s.end != nil:
		return true
	case len(s.incoming) > 0 && size > s.limit-s.size:
		s.end = errBrowserQueue
	default:
		s.incoming = append(s.incoming, f)
		s.size += size
	}
	s.change.Broadcast()
	return s.end == nil
}

// End takes the end of the connection from the browser. A code that no close
// frame can have, such as 1006, says that there was none.
func (s *browserStream) End(code int, reason string, wasClean bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unclean = !wasClean
	if s.end == nil && (code == CloseNoStatusReceived || isWireCloseCode(code)) {
		payload := FormatCloseMessage(code, reason)
		frame := appendHeader(nil, header{fin: true, opcode: opClose, length: uint64(len(payload))})
		s.incoming = append(s.incoming, browserFrame{header: append(frame, payload...)})
	}
	if s.end == nil {
		s.end = io.EOF
	}
	s.change.Broadcast()
}

// Read reads what there is of the first frame that was not read to its end.
func (s *browserStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.read.Passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(s.incoming) > 0:
			return s.take(p), nil
		case s.end != nil:
			return 0, s.end
		}
		s.change.Wait()
	}
}

// take moves bytes from incoming to p.
func (s *browserStream) take(p []byte) int {
	f := &s.incoming[0]
	n := f.copyTo(p, s.pos)
	s.pos += n
	if s.pos < f.length() {
		return n
	}
	if f.payload != nil {
		s.size -= f.payload.Len() + browserOverhead
	}
	s.incoming[0] = browserFrame{}
	s.incoming, s.pos = s.incoming[1:], 0
	if len(s.incoming) == 0 {
		s.incoming = nil
	}
	return n
}

// Write takes frames, also in parts. Before the first byte of a frame it waits
// until the browser has sent most of what it has: an error then means that nothing
// of p was taken.
func (s *browserStream) Write(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if err := s.awaitRoom(); err != nil {
			return 0, err
		}
	}
	if err := s.writeFrames(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// awaitRoom waits until the browser has at most browserBuffer to send.
func (s *browserStream) awaitRoom() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return net.ErrClosed
		case s.write.Passed():
			return os.ErrDeadlineExceeded
		case s.socket.BufferedAmount() <= browserBuffer || !s.socket.IsOpen():
			return nil
		}
		timer := time.AfterFunc(browserPoll, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.change.Broadcast()
		})
		s.change.Wait()
		timer.Stop()
	}
}

// writeFrames takes frames, and keeps the start of one that is not complete.
func (s *browserStream) writeFrames(p []byte) error {
	if len(s.rest) > 0 {
		s.rest = append(s.rest, p...)
		p = s.rest
	}
	for len(p) > 0 {
		h, n, _ := parseHeader(p)
		if n == 0 || h.length > uint64(len(p)-n) {
			break
		}
		end := n + int(h.length)
		if err := s.writeFrame(&h, p[n:end]); err != nil {
			return err
		}
		p = p[end:]
	}
	if len(p) == 0 && cap(s.rest) > maxBrowserRest {
		s.rest = nil
		return nil
	}
	s.rest = append(s.rest[:0], p...)
	return nil
}

// writeFrame does what a frame asks for.
func (s *browserStream) writeFrame(h *header, payload []byte) error {
	switch {
	case h.opcode == opClose:
		return s.writeClose(payload)
	case h.opcode.isControl():
		return nil
	case h.opcode != opContinuation:
		s.kind = h.opcode
	}
	if !h.fin {
		s.joined = append(s.joined, payload...)
		return nil
	}
	if len(s.joined) > 0 {
		payload = append(s.joined, payload...)
		s.joined = nil
	}
	err := s.socket.Send(s.kind == opText, payload)
	if err != nil && err != browser.ErrNotOpen {
		s.socket.Close(CloseNoStatusReceived, "") // nothing can follow, as on any other stream
	}
	return err
}

// writeClose begins the closing handshake, if the browser has not answered the
// peer's close frame: see End. Codes that the browser does not send come from the
// Conn itself, which checks those of the application.
func (s *browserStream) writeClose(payload []byte) error {
	code, reason, err := parseClose(payload)
	if err != nil {
		return err
	}
	s.mu.Lock()
	unclean := s.unclean
	s.mu.Unlock()
	if unclean {
		return net.ErrClosed
	}
	s.socket.Close(code, reason)
	return nil
}

// Close closes the connection, by a close frame without a code if none was sent:
// the browser knows no other way. What it has not sent yet goes out before.
func (s *browserStream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.incoming, s.pos, s.size = nil, 0, 0
	s.read.Stop()
	s.write.Stop()
	s.change.Broadcast()
	s.mu.Unlock()
	s.socket.Detach()
	s.socket.Close(CloseNoStatusReceived, "")
	return nil
}

// SetReadDeadline sets the deadline of the Read under way and those to come.
func (s *browserStream) SetReadDeadline(t time.Time) error {
	s.read.Set(&s.mu, t, s.change.Broadcast)
	return nil
}

// SetWriteDeadline sets the deadline of the Write under way and those to come.
func (s *browserStream) SetWriteDeadline(t time.Time) error {
	s.write.Set(&s.mu, t, s.change.Broadcast)
	return nil
}

// browser returns the stream if it is the WebSocket of a browser, nil otherwise.
func (t *transport) browser() *browserStream {
	s, _ := t.stream.(*browserStream)
	return s
}

// bufferedAmount returns how many bytes of messages the browser has yet to send.
func (t *transport) bufferedAmount() int64 {
	if s := t.browser(); s != nil {
		return int64(s.socket.BufferedAmount())
	}
	return 0
}

// isClosing reports whether the browser has begun to close the connection.
func (t *transport) isClosing() bool {
	s := t.browser()
	return s != nil && !s.socket.IsOpen()
}

// What the browser does not do for a program.
var (
	errBrowserPing   = fmt.Errorf("websocket: the browser answers pings by itself, and sends neither pings nor pongs for a program: %w", errors.ErrUnsupported)
	errBrowserWriter = fmt.Errorf("websocket: in the browser NextWriter does not write control messages: use Shutdown or WriteControl: %w", errors.ErrUnsupported)
	errBrowserClose  = fmt.Errorf("%w: the browser sends 1000 and 3000 to 4999, or none (1005), and no other", ErrInvalidCloseCode)
)

// checkControl returns why the transport cannot send a control frame of the
// application, nil if it can.
func (t *transport) checkControl(op opcode, payload []byte) error {
	switch {
	case t.browser() == nil:
		return nil
	case op != opClose:
		return errBrowserPing
	}
	code, _, err := parseClose(payload)
	if err != nil {
		return nil // what is wrong with it is for checkControlPayload to say
	}
	return t.checkCloseCode(code)
}

// checkControlWriter returns why the transport has no writers for control frames
// of the application, nil if it has.
func (t *transport) checkControlWriter() error {
	if t.browser() != nil {
		return errBrowserWriter
	}
	return nil
}

// checkCloseCode returns why the transport cannot send a close frame with a code
// that other clients may send, nil if it can.
func (t *transport) checkCloseCode(code int) error {
	if t.browser() == nil || code == CloseNormalClosure || code == CloseNoStatusReceived || code >= 3000 {
		return nil
	}
	return errBrowserClose
}
