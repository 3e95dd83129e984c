package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// HTTP/2 streams as transports: RFC 8441, Section 5. The deadlines of net/http cannot be
// used: one that has passed would end the stream for good. So both streams are used through
// deadlines.Stream.

// errStreamEnded is the error of a stream that net/http has ended.
var errStreamEnded error = streamEndedError{}

type streamEndedError struct{}

func (streamEndedError) Error() string {
	return "websocket: the HTTP/2 stream has ended: the client has gone, or the HTTP handler has returned " +
		"before the connection had ended (use Upgrader.Handler, which waits)"
}

// Unwrap returns the CloseError for an end without a close frame: RFC 6455, Section 7.1.5.
func (streamEndedError) Unwrap() error {
	return &CloseError{Code: CloseAbnormalClosure, Text: "the HTTP/2 stream has ended"}
}

// A serverStream is an extended CONNECT request and its response. After the end of
// the HTTP handler it uses neither. Since nothing can hold up that end, it can come during
// a call, and what net/http does then is an error of the call.
type serverStream struct {
	body          io.ReadCloser
	w             http.ResponseWriter
	control       *http.ResponseController
	ctx           context.Context // of the request; it ends when the handler returns
	local, remote net.Addr

	writing sync.Mutex // held during a Write
	closed  bool

	resetting sync.Mutex // held during reset, also while a Write waits
	returned  bool       // the handler returns, and says so
}

// newServerStream returns the stream of a request that has not been answered.
func newServerStream(w http.ResponseWriter, r *http.Request) (*serverStream, error) {
	for { // what is wrapped around the writer is made for ordinary responses
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	s := &serverStream{body: r.Body, w: w, control: http.NewResponseController(w), ctx: r.Context()}
	s.local, _ = s.ctx.Value(http.LocalAddrContextKey).(net.Addr)
	if addr, err := net.ResolveTCPAddr("tcp", r.RemoteAddr); err == nil { // no name is looked up: it is an address
		s.remote = addr
	}
	// The timeouts of the http.Server are for requests that end.
	err := s.control.SetReadDeadline(time.Time{})
	if err == nil {
		err = s.control.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the HTTP/2 stream: %T has neither deadlines nor an Unwrap method: %w", w, err)
	}
	return s, nil
}

func (s *serverStream) LocalAddr() net.Addr  { return s.local }
func (s *serverStream) RemoteAddr() net.Addr { return s.remote }

// Read reads some bytes. RFC 8441, Section 5: END_STREAM is the orderly end, and
// RST_STREAM another.
func (s *serverStream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if n > 0 {
		return n, nil
	}
	if err != nil && err != io.EOF && s.ended() {
		err = errStreamEnded
	}
	return 0, err
}

// Write writes p and does not leave it in net/http's buffer.
func (s *serverStream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.written(&err)
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case s.ended():
		return 0, errStreamEnded
	}
	n, err = s.w.Write(p)
	switch {
	case err != nil:
	case s.ended():
		err = errStreamEnded
	default:
		err = s.control.Flush()
	}
	return n, err
}

// written is deferred by Write. If the handler has returned meanwhile, net/http has panicked
// or returned some error. That it is one function and Write has no other around the calls of
// net/http saves a waiting connection 4 KiB of stack.
func (s *serverStream) written(err *error) {
	s.writing.Unlock()
	if recover() != nil || *err != nil && *err != net.ErrClosed && s.ended() {
		*err = errStreamEnded
	}
}

// ended reports whether the handler has returned or the client has gone. A context with a
// timeout, which a middleware may have made, says neither.
func (s *serverStream) ended() bool { return s.ctx.Err() == context.Canceled }

// reset ends the stream, with RST_STREAM, if the handler has not returned.
func (s *serverStream) reset() {
	s.resetting.Lock()
	defer s.resetting.Unlock()
	defer func() { recover() }() // a handler that does not say so has returned meanwhile
	if !s.returned && !s.ended() {
		s.control.SetWriteDeadline(longAgo)
	}
}

// Close ends the stream: RFC 8441, Section 5. The handler's return does so with END_STREAM.
// If it does not return, or a Write waits for the peer's flow control, the stream is reset.
func (s *serverStream) Close() error {
	if !s.writing.TryLock() {
		s.reset()
		s.writing.Lock()
	}
	if !s.closed {
		s.closed = true
		time.AfterFunc(lingerTime, s.resetUnlessReturned)
	}
	s.writing.Unlock()
	return s.body.Close()
}

// resetUnlessReturned resets the stream if it is known that the handler has not returned:
// of a context with a timeout, or one that cannot end, it is not.
func (s *serverStream) resetUnlessReturned() {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.ctx.Done() != nil && s.ctx.Err() == nil {
		s.reset()
	}
}

// handlerReturns is called before a handler of ours returns, with the stream closed.
func (s *serverStream) handlerReturns() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.resetting.Lock()
	defer s.resetting.Unlock()
	s.returned = true
}

// A clientStream is an extended CONNECT request of ours and its response.
type clientStream struct {
	body          io.ReadCloser // of the response
	w             *requestBody
	cancel        context.CancelFunc
	local, remote net.Addr
}

func (s *clientStream) LocalAddr() net.Addr  { return s.local }
func (s *clientStream) RemoteAddr() net.Addr { return s.remote }

func (s *clientStream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if n > 0 {
		return n, nil
	}
	return 0, err
}

func (s *clientStream) Write(p []byte) (int, error) { return s.w.Write(p) }

// CloseWrite sends END_STREAM.
func (s *clientStream) CloseWrite() error {
	s.w.end(io.EOF)
	return nil
}

// Close ends the stream: with RST_STREAM and CANCEL unless both sides have ended it
// (RFC 8441, Section 5).
func (s *clientStream) Close() error {
	s.w.end(net.ErrClosed)
	err := s.body.Close()
	s.cancel()
	return err
}

// A requestBody is the body of a request, which net/http reads what Write writes from. When
// net/http reads again it has written to the TCP connection what it has read before. Write
// returns only then, and not when that has been read as with io.Pipe: Close would discard it.
type requestBody struct {
	mu      sync.Mutex
	change  sync.Cond
	unread  []byte // of the Write under way
	reading bool   // a Read waits
	err     error  // of Read: io.EOF, net.ErrClosed, or errBodyClosed
}

// errBodyClosed is the error of a requestBody that net/http has closed: the stream has ended.
var errBodyClosed = errors.New("websocket: the HTTP/2 stream has ended")

func newRequestBody() *requestBody {
	b := &requestBody{}
	b.change.L = &b.mu
	return b
}

// Read is called by net/http.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil && len(b.unread) == 0 {
		b.reading = true
		b.change.Broadcast()
		b.change.Wait()
	}
	b.reading = false
	if b.err != nil {
		return 0, b.err
	}
	n := copy(p, b.unread)
	b.unread = b.unread[n:]
	return n, nil
}

// Write hands p over to net/http and waits until that has written it. There must be one
// Write at a time.
func (b *requestBody) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, net.ErrClosed
	}
	b.unread, b.reading = p, false
	b.change.Broadcast()
	for b.err == nil && !b.reading {
		b.change.Wait()
	}
	n := len(p) - len(b.unread)
	b.unread = nil
	if b.err == nil || b.err == errBodyClosed && n == len(p) { // the peer may have ended it because of p
		return n, nil
	}
	return n, net.ErrClosed
}

// Close is called by net/http when the stream has ended.
func (b *requestBody) Close() error {
	b.end(errBodyClosed)
	return nil
}

// end gives Read an error. A Write under way ends.
func (b *requestBody) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil || b.err == io.EOF {
		b.err = err
	}
	b.change.Broadcast()
}
