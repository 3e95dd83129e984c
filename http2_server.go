package websocket

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed23105783/websocket/internal/deadlines"
	"github.com/seed23105783/websocket/internal/httphead"
)

// WebSocket over HTTP/2 (RFC 8441), the server.

// isExtendedConnect reports whether the request is an extended CONNECT for a WebSocket
// connection: RFC 8441, Section 5.
func isExtendedConnect(r *http.Request) bool {
	return r.ProtoMajor >= 2 && r.Method == http.MethodConnect && r.Header.Get(headerPseudoProtocol) == "websocket"
}

// checkConnect checks an extended CONNECT, all but its origin, and returns the offered
// subprotocols. RFC 8441, Section 5: it has neither a key nor the Connection and
// Upgrade fields.
func checkConnect(r *http.Request) (offered []string, err error) {
	switch {
	case !slices.Equal(r.Header[headerVersion], []string{handshakeVersion}):
		return nil, refusal(http.StatusBadRequest, "the Sec-WebSocket-Version is not 13")
	case r.ContentLength >= 0:
		return nil, refusal(http.StatusBadRequest, "an extended CONNECT has no length, and its stream does not end with the request")
	}
	offered, err = httphead.Subprotocols(r.Header[headerProtocol], maxSubprotocols)
	if err != nil {
		return nil, HandshakeError{"Sec-WebSocket-Protocol: " + err.Error(), http.StatusBadRequest, err}
	}
	return offered, nil
}

// handlerReturns waits until the transport has been closed, if that is an HTTP/2 stream,
// which the end of the handler ends.
func (c *Conn) handlerReturns() {
	if s, ok := c.transport.wrapped().(*serverStream); ok {
		<-c.transport.whenReleased()
		s.handlerReturns()
	}
}

// acceptConnect answers an extended CONNECT with 200 and returns its stream.
func (u *Upgrader) acceptConnect(w http.ResponseWriter, r *http.Request, hs *serverHandshake, header http.Header) (stream, error) {
	s, err := newServerStream(w, r)
	if err != nil {
		return nil, u.refuse(w, r, HandshakeError{err.Error(), http.StatusInternalServerError, err})
	}
	if u.HandshakeTimeout > 0 {
		s.control.SetWriteDeadline(time.Now().Add(u.HandshakeTimeout))
		defer s.control.SetWriteDeadline(time.Time{})
	}
	h := w.Header()
	for name, values := range header {
		h[name] = values
	}
	delete(h, headerProtocol)
	if hs.subprotocol != "" {
		h[headerProtocol] = []string{hs.subprotocol}
	}
	if hs.agreement.extensions != "" {
		h[headerExtensions] = []string{hs.agreement.extensions}
	}
	w.WriteHeader(http.StatusOK)
	if err := s.control.Flush(); err != nil {
		return nil, fmt.Errorf("websocket: writing the answer to the handshake: %T: %w", s.w, err)
	}
	return deadlines.New(s), nil
}
