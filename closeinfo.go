package websocket

// A CloseInfo says how a connection ended, in the terms of the browser's
// CloseEvent.
type CloseInfo struct {
	// Code is the code of the peer's close frame, [CloseNoStatusReceived]
	// (1005) if it had none, and [CloseAbnormalClosure] (1006) if the
	// connection ended without a close frame of the peer's: RFC 6455,
	// Section 7.1.5.
	Code int

	// Reason is the reason in that frame (RFC 6455, Section 7.1.6): UTF-8, at
	// most 123 bytes.
	Reason string

	// WasClean reports whether the closing handshake was completed before the
	// transport was closed: a close frame was received and one was sent
	// (RFC 6455, Section 7.1.4).
	WasClean bool
}

// Done returns a channel that is closed when the transport is closed and the
// connection with it: by [Conn.Close], by the end of the closing handshake or
// because the connection failed. That the peer has gone is noticed by a read
// method; see [KeepAlive] for peers that vanish.
func (c *Conn) Done() <-chan struct{} { return c.transport.over() }

// CloseInfo returns how the connection ended. It is the zero value until
// [Conn.Done] is closed, and does not change after that.
func (c *Conn) CloseInfo() CloseInfo {
	select {
	case <-c.transport.over():
		return c.transport.closeInfo()
	default:
		return CloseInfo{}
	}
}

// closeInfo returns how the connection ended, once done is closed. What was
// received after the stream was closed is too late.
func (t *transport) closeInfo() CloseInfo {
	if t.last&closeReceived == 0 {
		return CloseInfo{Code: CloseAbnormalClosure}
	}
	peer := t.peer.Load()
	return CloseInfo{Code: peer.Code, Reason: peer.Text, WasClean: t.last&closeWritten != 0}
}

// isNormalClose reports whether err is the peer's close frame with a code for
// an end that is no failure: 1000, 1001 (a page was left, a server is shutting
// down), or none at all, which is what a browser's close() sends.
func isNormalClose(err error) bool {
	return IsCloseError(err, CloseNormalClosure, CloseGoingAway, CloseNoStatusReceived)
}
