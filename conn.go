package websocket

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// The message types: the opcodes of RFC 6455, Section 11.8.
const (
	// TextMessage is a message of UTF-8 text. What is received is checked;
	// what is sent is the caller's to get right.
	TextMessage = 1

	// BinaryMessage is a message of any bytes.
	BinaryMessage = 2

	// CloseMessage is a close frame. Its payload is what FormatCloseMessage
	// returns.
	CloseMessage = 8

	// PingMessage is a ping with up to 125 bytes of any content.
	PingMessage = 9

	// PongMessage is a pong with up to 125 bytes of any content.
	PongMessage = 10
)

// DefaultReadLimit is the length in bytes of the longest message that is
// received where no other limit is set: 32 MiB.
const DefaultReadLimit = 32 << 20

// A BufferPool lends buffers for writing. [sync.Pool] is one.
type BufferPool interface {
	// Get returns a value that was Put, or nil.
	Get() any

	// Put takes a value back.
	Put(any)
}

// A Conn is a WebSocket connection, of a server or a client. [Upgrader.Upgrade]
// and [Dialer.Dial] return one.
//
// # Concurrency
//
// Every method may be called at any time by any goroutine. Messages are
// received by one call at a time: a second reader waits for the first. Any
// number of writers take turns, in the order in which they came; only
// [Conn.NextWriter], which ends the message of the writer before, wants one
// goroutine at a time.
//
// A connection wants a reader: pings are answered and the peer's close is
// noticed while a read method is at work.
//
// # Errors
//
// An error that ends the connection matches net.ErrClosed, unless it is one
// that a handler returned, and is returned by every later call too. Other
// errors, of deadlines and contexts above all, leave the connection as it was.
type Conn struct {
	transport  transport
	read       readSide
	write      writeSide
	handlers   atomic.Pointer[handlers]
	pings      atomic.Pointer[pings]
	flood      floodGuard
	negotiated *negotiated // nil if nothing was
	url        string
}

// A negotiated is what was agreed on beside the protocol itself.
type negotiated struct{ subprotocol, extensions string }

// A connConfig is what the two doors say of a new connection.
type connConfig struct {
	client      bool
	subprotocol string
	url         string
	readLimit   int64 // as in Upgrader.ReadLimit
	keepAlive   KeepAlive
	trace       *Trace

	sendQueueLimit int64 // as in Upgrader.SendQueueLimit
	batchWrites    bool
	writeTimeout   time.Duration

	readBufferSize, writeBufferSize int
	writeBufferPool                 BufferPool
	agreement                       agreement // on compression

	early []byte    // what came before the stream was handed over
	head  io.Reader // the same, with the stream behind it: see Dialer.handOver
}

func newConn(s stream, config connConfig) *Conn {
	c := &Conn{url: config.url}
	if config.subprotocol != "" || config.agreement.extensions != "" {
		c.negotiated = &negotiated{config.subprotocol, config.agreement.extensions}
	}
	t := &c.transport
	t.stream, t.socket, t.raw = s, isSocket(s), rawConn(s)
	c.read.configure(t, &config)
	c.write.configure(t, &config)
	if config.agreement.wish != nil {
		c.setCompression(config.agreement)
	}
	c.startTrace(config.trace)
	c.startKeepAlive(config.keepAlive)
	return c
}

// configure makes r ready for use.
func (r *readSide) configure(t *transport, config *connConfig) {
	r.transport = t
	r.deadline.owner = t
	r.sequence.masked = !config.client
	r.limit.Store(config.readLimit)
	if config.readLimit == 0 {
		r.limit.Store(DefaultReadLimit)
	}
	r.size = bufferSize(config.readBufferSize)
	r.burst = r.size
	r.waitsIdle()
	r.head = config.head
	switch {
	case config.head != nil:
		r.buf = getBuffer(max(r.size, handOverSize))
	case len(config.early) > 0:
		r.buf = &buffer{make([]byte, minBuffer<<bufferClass(max(r.size, len(config.early))))}
		r.end = copy(r.buf.b, config.early)
	}
}

// configure makes w ready for use.
func (w *writeSide) configure(t *transport, config *connConfig) {
	w.transport = t
	w.deadline.owner, w.deadline.writes = t, true
	w.client = config.client
	w.size = bufferSize(config.writeBufferSize)
	w.pool = config.writeBufferPool
	w.limit = config.writeTimeout
	w.queueLimit = config.sendQueueLimit
	if config.sendQueueLimit == 0 {
		w.queueLimit = DefaultSendQueueLimit
	}
	if config.batchWrites {
		w.batch = true
		w.outbox()
	}
}

// Subprotocol returns the subprotocol that was negotiated, "" if none was.
func (c *Conn) Subprotocol() string {
	if c.negotiated == nil {
		return ""
	}
	return c.negotiated.subprotocol
}

// Extensions returns the extensions that were negotiated, as the
// Sec-WebSocket-Extensions header of the server's answer has them: "" if none
// were.
func (c *Conn) Extensions() string {
	if c.negotiated == nil {
		return ""
	}
	return c.negotiated.extensions
}

// URL returns the ws or wss URL of the connection: what was dialed, without
// the credentials, or, on a server, what the request asked for.
func (c *Conn) URL() string { return c.url }

// State returns the ready state: [StateOpen] until a close frame is sent or
// received, [StateClosing] from there on, [StateClosed] when the transport is
// closed.
func (c *Conn) State() State { return c.transport.closing.state() }

// LocalAddr returns the local network address, nil if the connection has no
// net.Conn.
func (c *Conn) LocalAddr() net.Addr {
	if conn := c.NetConn(); conn != nil {
		return conn.LocalAddr()
	}
	return nil
}

// RemoteAddr returns the remote network address, nil if the connection has no
// net.Conn.
func (c *Conn) RemoteAddr() net.Addr {
	if conn := c.NetConn(); conn != nil {
		return conn.RemoteAddr()
	}
	return nil
}

// NetConn returns the net.Conn that carries the connection, nil if there is
// none. To read from it, write to it or change its deadlines corrupts the
// connection.
func (c *Conn) NetConn() net.Conn {
	conn, _ := c.transport.stream.(net.Conn)
	return conn
}

// UnderlyingConn returns the same as [Conn.NetConn].
func (c *Conn) UnderlyingConn() net.Conn { return c.NetConn() }

// Close closes the transport at once, without a close frame and without
// waiting for one. Calls under way return. For an orderly end write a
// [CloseMessage] and read on until the peer's close arrives; see the package
// documentation. Only the first Close can fail.
func (c *Conn) Close() error { return c.transport.closeFor(net.ErrClosed) }

// SetReadLimit sets the length in bytes of the longest message to be
// received; none if limit is not positive. A longer one ends the connection
// with close code 1009 and [ErrReadLimit], before memory is spent on it.
func (c *Conn) SetReadLimit(limit int64) { c.read.limit.Store(limit) }

// SetReadDeadline sets the time at which reads under way and to come fail
// with an error that matches os.ErrDeadlineExceeded. They lose nothing: the
// next read after a later deadline has been set goes on in the middle of a
// message if need be. The zero value, the default, is no deadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.read.deadline.apply(t) }

// SetWriteDeadline sets the time at which writes that begin from now on fail
// with an error that matches os.ErrDeadlineExceeded. If nothing of the frame
// is on its way at that time the connection stays as it was; otherwise it is
// closed, since the peer cannot make sense of anything after half a frame.
// The zero value, the default, is no deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.timeout.store(t)
	return nil
}

// ReadMessage receives the next message: its type, [TextMessage] or
// [BinaryMessage], and its payload, which is the caller's to keep. On error
// the type is -1 and the payload nil.
//
// The end of the connection by the peer's close frame is a [*CloseError]. A
// message cut short by a deadline is continued by the next read.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	messageType, p, err = c.receive(nil)
	if p == nil && err == nil {
		p = []byte{}
	}
	return messageType, p, err
}

// ReadMessageContext is [Conn.ReadMessage] until ctx ends, when it returns
// ctx.Err(). The connection stays usable and nothing is lost: the next read
// goes on where this one was.
func (c *Conn) ReadMessageContext(ctx context.Context) (messageType int, p []byte, err error) {
	if ctx.Done() == nil {
		return c.ReadMessage()
	}
	messageType, p, err = c.receiveUntil(ctx, nil)
	if p == nil && err == nil {
		p = []byte{}
	}
	return messageType, p, err
}

// AppendMessage receives the next message and appends its payload to dst. If
// dst has the capacity it does not allocate. On error the type is -1 and the
// returned slice is dst, whose contents beyond its length are not defined.
func (c *Conn) AppendMessage(dst []byte) (messageType int, p []byte, err error) {
	return c.receive(dst)
}

// NextReader waits for the next message and returns its type and a reader for
// its payload, which returns io.EOF at the end. Invalid UTF-8 in a text is
// found with the first bytes that hold it, but bytes before are handed out by
// then. What was not read of the message before is discarded.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	reader, kind, err := c.nextReader()
	if err != nil {
		return -1, nil, err
	}
	return int(kind), reader, nil
}

// WriteMessage sends a message of any type, a control message too, in one
// frame. It does not keep or change data, and returns when the message has
// been handed to the transport.
//
// While a writer of [Conn.NextWriter] has sent a part of its message it waits
// for the rest to be sent.
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	if c.write.timeout.some.Load() {
		return c.sendInTime(messageType, data)
	}
	return c.send(messageType, data, forever)
}

// WriteMessageContext is [Conn.WriteMessage] until ctx ends. A message that
// still waits for its turn then is not sent and ctx.Err() is returned; one
// that is half on its way ends the connection, with an error that wraps
// ctx.Err().
func (c *Conn) WriteMessageContext(ctx context.Context, messageType int, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.send(messageType, data, &patience{ctx, c.write.timeout.load()})
}

// send sends a message, or leaves it to the reader. On the way from here to the
// socket frames of functions are kept small: a goroutine that writes once keeps
// the stack that it took.
func (c *Conn) send(messageType int, data []byte, p *patience) error {
	switch {
	case messageType != TextMessage && messageType != BinaryMessage:
		return c.sendControl(messageType, data, p)
	case c.write.batch && c.read.more.Load() && c.leave(opcode(messageType), data):
		return nil
	}
	return c.write.writeMessage(opcode(messageType), data, p)
}

// sendInTime is send with the write deadline.
func (c *Conn) sendInTime(messageType int, data []byte) error {
	p := c.write.patience()
	return c.send(messageType, data, &p)
}

func (c *Conn) sendControl(messageType int, data []byte, p *patience) error {
	op, err := messageOpcode(messageType)
	if err != nil {
		return err
	}
	return c.write.writeControl(op, data, p)
}

// NextWriter returns a writer for a message of any type. It sends a fragment
// when its buffer is full, and the end of the message when it is closed. It is
// an io.StringWriter and an io.ReaderFrom too.
//
// There is one writer at a time: NextWriter closes the one before if that has
// not been done. Goroutines that send messages side by side use
// [Conn.WriteMessage].
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	op, err := messageOpcode(messageType)
	if err != nil {
		return nil, err
	}
	w, err := c.write.nextWriter(op)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// WriteControl sends a [CloseMessage], [PingMessage] or [PongMessage] with a
// payload of up to 125 bytes. It waits for a frame that is being written, but
// not for the end of a message, until the deadline; the zero deadline is none.
// A deadline that passes before a byte was written is an error with a Timeout
// method, and no harm to the connection.
//
// After a close frame every write returns [ErrCloseSent].
func (c *Conn) WriteControl(messageType int, data []byte, deadline time.Time) error {
	op, err := messageOpcode(messageType)
	if err != nil || !op.isControl() {
		return errNotControlType
	}
	return c.write.writeControl(op, data, &patience{context.Background(), deadline})
}

// WritePreparedMessage sends a prepared message.
func (c *Conn) WritePreparedMessage(pm *PreparedMessage) error {
	p := c.write.patience()
	return c.write.writePrepared(pm, &p)
}

// messageOpcode returns the opcode of a message type.
func messageOpcode(messageType int) (opcode, error) {
	switch messageType {
	case TextMessage, BinaryMessage, CloseMessage, PingMessage, PongMessage:
		return opcode(messageType), nil
	}
	return 0, errBadMessageType
}
