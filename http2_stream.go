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

// HTTP/2 streams as transports: RFC 8441, Section 5. Neither net/http's nor io.Pipe's
// deadlines can be used: one that has passed would end the stream for good. So both
// streams are used through deadlines.Stream.

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
	defer s.writing.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	err = s.use(func() (err error) {
		n, err = s.w.Write(p)
		return err
	})
	if err == nil {
		err = s.use(s.control.Flush)
	}
	return n, err
}

// use calls f, which uses the response, unless the handler has returned. If it returns
// meanwhile, net/http panics or returns some error.
func (s *serverStream) use(f func() error) (err error) {
	if s.ended() {
		return errStreamEnded
	}
	defer func() {
		if recover() != nil || err != nil && s.ended() {
			err = errStreamEnded
		}
	}()
	return f()
}

// ended reports whether the handler has returned or the client has gone. A context with a
// timeout, which a middleware may have made, says neither.
func (s *serverStream) ended() bool { return s.ctx.Err() == context.Canceled }

// reset ends the stream, with RST_STREAM.
func (s *serverStream) reset() {
	s.use(func() error { return s.control.SetWriteDeadline(longAgo) })
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
		time.AfterFunc(streamLingerTime, s.reset)
	}
	s.writing.Unlock()
	return s.body.Close()
}

// A clientStream is an extended CONNECT request of ours and its response.
type clientStream struct {
	body          io.ReadCloser  // of the response
	w             *io.PipeWriter // to the body of the request
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

func (s *clientStream) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = net.ErrClosed
	}
	return n, err
}

// CloseWrite sends END_STREAM.
func (s *clientStream) CloseWrite() error { return s.w.Close() }

// Close ends the stream: with RST_STREAM and CANCEL unless both sides have ended it
// (RFC 8441, Section 5).
func (s *clientStream) Close() error {
	s.w.CloseWithError(net.ErrClosed)
	err := s.body.Close()
	s.cancel()
	return err
}
