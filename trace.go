package websocket

import (
	"net/http"
	"time"
)

// A Trace is a set of functions that are called when something happens to a
// connection, for logs, metrics and debugging: a field of [Upgrader] and [Dialer].
// Every field may be nil. For the HTTP request of a Dialer there is
// net/http/httptrace.
//
// The functions are called by the goroutine in which the event happens. They must
// return soon, and must not call methods that read from, write to or close a
// connection. They may be called concurrently, for different connections and for
// different events of one connection; FrameRead, and FrameWritten, is called for
// one frame of a connection after the other.
type Trace struct {
	// HandshakeDone is called when the opening handshake is over, just before
	// Upgrade or Dial returns, with the same results: a connection, or nil and an
	// error. The request is the one that Upgrade got or Dial sent. It is nil if
	// Dial failed before there was one.
	HandshakeDone func(c *Conn, r *http.Request, err error)

	// FrameRead is called when the header of a frame has been read and found
	// correct, and the payload of a control frame with it; that of a data
	// frame is still to be read.
	FrameRead func(c *Conn, f FrameInfo)

	// FrameWritten is called when a frame has been handed to the transport as
	// a whole.
	FrameWritten func(c *Conn, f FrameInfo)

	// PongRead is called when a pong has answered a [Conn.Ping] or a ping of
	// [KeepAlive], with the time since that was sent: a measurement of the
	// round trip. FrameRead has been called before.
	PongRead func(c *Conn, rtt time.Duration)

	// SlowPeer is called when the connection ends because the peer did not read:
	// because of WriteTimeout of [Upgrader], or of [SlowClose]. Closed is called
	// after it.
	SlowPeer func(c *Conn)

	// Closed is called once, when the connection has ended, with what
	// [Conn.CloseInfo] returns. The error that ended it is context.Cause of
	// [Conn.Context].
	Closed func(c *Conn, info CloseInfo)
}

// A FrameInfo is what a [Trace] sees of a frame (RFC 6455, Section 5.2).
type FrameInfo struct {
	// Type is the opcode: [TextMessage], [BinaryMessage], [CloseMessage],
	// [PingMessage] or [PongMessage], and 0 for the frames of a fragmented
	// message after the first.
	Type int

	// Length is the length of the payload in bytes as it is sent: compressed
	// or not.
	Length int64

	// Fin is set on the last frame of a message.
	Fin bool

	// Compressed is set on the first frame of a compressed message (RFC 7692,
	// Section 6).
	Compressed bool
}

func frameInfo(h header) FrameInfo {
	return FrameInfo{Type: int(h.opcode), Length: int64(h.length), Fin: h.fin, Compressed: h.rsv&rsvCompressed != 0}
}

// handshakeDone calls the hook, if there is one, with an outcome, if there is
// one: there is not when a function of the application's panicked.
func (t *Trace) handshakeDone(c *Conn, r *http.Request, err error) {
	if t != nil && t.HandshakeDone != nil && (c != nil || err != nil) {
		t.HandshakeDone(c, r, err)
	}
}

// startTrace makes hooks, which may be nil, those of the connection, with
// which nothing else has been done yet.
func (c *Conn) startTrace(hooks *Trace) {
	if hooks == nil {
		return
	}
	t := *hooks
	if t.FrameRead != nil {
		c.read.frames.observe = func(h header) { t.FrameRead(c, frameInfo(h)) }
	}
	if t.FrameWritten != nil {
		c.write.frames.observe = func(h header) { t.FrameWritten(c, frameInfo(h)) }
	}
	if t.PongRead != nil {
		c.pings.Store(&pings{onAnswer: func(rtt time.Duration) { t.PongRead(c, rtt) }})
	}
	if t.Closed != nil || t.SlowPeer != nil {
		c.closing.atEnd(func() {
			if t.SlowPeer != nil && c.closing.cause() == ErrSlowPeer {
				t.SlowPeer(c)
			}
			if t.Closed != nil {
				t.Closed(c, c.CloseInfo())
			}
		})
	}
}
