package websocket

import "time"

// A Trace is a set of hooks that see what a connection does, for logs, metrics
// and debugging: a field of [Upgrader] and [Dialer]. Every hook may be nil. What
// happens before and within the HTTP request of a Dialer, net/http/httptrace
// shows.
//
// Hooks are called by the goroutine in which the event happens, in the middle
// of things: a hook must return soon, and must not call a method that reads
// from, writes to or closes a connection. Hooks may be called at the same time
// for different connections, and for different events of one connection;
// FrameRead alone, and FrameWritten alone, is called for one frame of a
// connection after the other.
type Trace struct {
	// HandshakeDone is called when the opening handshake is over, just before
	// Upgrade or Dial returns what they return: a connection, or nil and an
	// error.
	HandshakeDone func(c *Conn, err error)

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

	// Closed is called once, when the transport has been closed, with what
	// [Conn.CloseInfo] returns.
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
func (t *Trace) handshakeDone(c *Conn, err error) {
	if t != nil && t.HandshakeDone != nil && (c != nil || err != nil) {
		t.HandshakeDone(c, err)
	}
}

// A tracer is the Trace of one connection. A nil one, the usual case, costs a
// comparison: the methods that are called for each frame are made to be
// inlined.
type tracer struct {
	Trace
	conn *Conn
}

// startTrace makes hooks, which may be nil, those of the connection.
func (c *Conn) startTrace(hooks *Trace) {
	if hooks == nil {
		return
	}
	t := &tracer{*hooks, c}
	c.write.trace = t
	if t.Closed != nil {
		c.transport.atClose(func() { t.Closed(c, c.CloseInfo()) })
	}
}

// read tells of a frame that was received.
func (t *tracer) read(h *header) {
	if t != nil {
		t.frameRead(*h)
	}
}

func (t *tracer) frameRead(h header) {
	if t.FrameRead != nil {
		t.FrameRead(t.conn, frameInfo(h))
	}
}

// wrote tells of a frame with a payload of n bytes that was sent. It is too
// long to be inlined: its caller asks whether t is nil.
func (t *tracer) wrote(first lead, n int) {
	t.frameWritten(header{fin: first&finBit != 0, rsv: byte(first & rsvBits), opcode: first.opcode(), length: uint64(n)})
}

// wroteEncoded is wrote for encoded frames, unless there was an error.
func (t *tracer) wroteEncoded(frames []byte, err error) {
	if t != nil && err == nil {
		t.framesSent(frames)
	}
}

func (t *tracer) framesSent(frames []byte) {
	for len(frames) > 0 {
		h, n, _ := parseHeader(frames)
		t.frameWritten(h)
		frames = frames[n+int(h.length):]
	}
}

func (t *tracer) frameWritten(h header) {
	if t.FrameWritten != nil {
		t.FrameWritten(t.conn, frameInfo(h))
	}
}

// pongRead tells of a pong that we had asked for.
func (t *tracer) pongRead(rtt time.Duration) {
	if t != nil && t.PongRead != nil {
		t.PongRead(t.conn, rtt)
	}
}
