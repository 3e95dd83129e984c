package websocket

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// A Conn is a WebSocket connection, of a server or a client. [Upgrader.Handler],
// [Upgrader.Upgrade] and [Dialer.Dial] return one, and so do [NewConn] and [Pipe].
//
// # Concurrency
//
// All methods are safe for concurrent use. Messages are received by one call at a
// time: a second reader waits for the first. Any number of goroutines may write;
// their messages are sent in the order of the calls. Only [Conn.NextWriter], which
// ends the message of the writer before, must be used by one goroutine at a time.
//
// Keep one goroutine reading: pings are answered, and the peer's close frame is
// noticed, by the read methods.
//
// # Errors
//
// An error that ends a connection matches net.ErrClosed, unless a handler has
// returned it, and later calls return it too. Other errors, such as those of
// deadlines and contexts, leave the connection as it was.
//
// # GOOS=js
//
// A connection from a Dialer is carried by the WebSocket of the browser. It has the
// same methods, with these differences:
//
//   - The browser answers pings, and sends none for a program. Ping, and pings and
//     pongs of WriteControl and others, are errors that match errors.ErrUnsupported.
//     The handlers of pings and pongs are not called.
//   - The codes of close frames are 1000 and 3000–4999, or none. Others, 1001 among
//     them, are [ErrInvalidCloseCode]. The peer gets no code if the connection ends
//     because of an error, such as [ErrReadLimit], nor by Close, which is not
//     possible without a close frame.
//   - A message is sent as one frame, when the writer of NextWriter is closed. Text
//     that is not UTF-8 is not sent, and ends the connection.
//   - Writing waits while the browser has more than 1 MiB to send. What it has is
//     part of BufferedAmount.
//   - The peer does not wait for a program that does not read. More than 32 MiB of
//     messages, or ReadLimit of the Dialer if that is more, do not wait to be read:
//     the connection is closed. Reads return what is there before the error.
//   - The methods for compression have no effect. NetConn returns nil.
type Conn struct {
	transport  transport
	closing    closing
	read       messageReader
	write      messageWriter
	handlers   atomic.Pointer[handlers]
	pings      atomic.Pointer[pings]       // nil until there is one
	context    atomic.Pointer[connContext] // nil until there is one
	flood      floodGuard
	negotiated *negotiated // nil if nothing was
	url        string
}

// A negotiated is what was agreed on beside the protocol itself.
type negotiated struct{ subprotocol, extensions string }

func newConn(s stream, config connConfig) *Conn {
	c := &Conn{url: config.url, transport: newTransport(s)}
	if config.subprotocol != "" || config.agreement.extensions != "" {
		c.negotiated = &negotiated{config.subprotocol, config.agreement.extensions}
	}
	c.read.frames.configure(&c.transport, config.client, config.readBufferSize, config.head, config.early)
	c.read.configure(config.readLimit)
	c.write.frames.configure(&c.transport, &c.closing, &config)
	c.write.configure(&config)
	if config.agreement.wish != nil {
		c.setCompression(config.agreement)
	}
	return c
}

// setCompression makes a connection compress and inflate as was agreed.
func (c *Conn) setCompression(agreed agreement) {
	ours, theirs := agreed.params.Server, agreed.params.Client
	if c.write.frames.client {
		ours, theirs = theirs, ours
	}
	d := &deflater{side: ours, threshold: agreed.wish.threshold(ours)}
	level, _ := compressionLevel(agreed.wish.Level)
	d.level.Store(int32(level))
	c.write.deflater = d
	c.read.inflater = &inflater{side: theirs}
	c.read.frames.sequence.compress = true
}

// Subprotocol returns the subprotocol that was negotiated, "" for none: protocol
// in the browser.
func (c *Conn) Subprotocol() string {
	if c.negotiated == nil {
		return ""
	}
	return c.negotiated.subprotocol
}

// Extensions returns the extensions that were negotiated, as in the
// Sec-WebSocket-Extensions header of the server's response, "" for none:
// extensions in the browser.
func (c *Conn) Extensions() string {
	if c.negotiated == nil {
		return ""
	}
	return c.negotiated.extensions
}

// URL returns the ws or wss URL of the connection: url in the browser. For a
// client it is what was dialed, without credentials, and for a server what the
// request asked for.
func (c *Conn) URL() string { return c.url }

// State returns the state of the connection, readyState in the browser:
// [StateOpen] until a close frame is sent or received, then [StateClosing], and
// [StateClosed] after the end.
func (c *Conn) State() State {
	state := c.closing.state()
	if state == StateOpen && c.transport.isClosing() {
		return StateClosing
	}
	return state
}

// LocalAddr returns the local network address, nil if the stream that carries the
// connection has none.
func (c *Conn) LocalAddr() net.Addr {
	if a := c.transport.addresses(); a != nil {
		return a.LocalAddr()
	}
	return nil
}

// RemoteAddr returns the remote network address, nil if the stream that carries the
// connection has none.
func (c *Conn) RemoteAddr() net.Addr {
	if a := c.transport.addresses(); a != nil {
		return a.RemoteAddr()
	}
	return nil
}

// NetConn returns the net.Conn that carries the connection, nil if there is none, as
// over HTTP/2. Reading from it, writing to it or changing its deadlines corrupts the
// connection.
func (c *Conn) NetConn() net.Conn { return c.transport.conn() }

// UnderlyingConn returns the same as [Conn.NetConn].
func (c *Conn) UnderlyingConn() net.Conn { return c.NetConn() }

// SetReadLimit sets the maximum length of a received message in bytes, after
// decompression. There is no limit if limit is not positive. A longer message ends
// the connection with close code 1009 and [ErrReadLimit], before memory is
// allocated for it.
func (c *Conn) SetReadLimit(limit int64) { c.read.limit.Store(limit) }

// SetReadDeadline sets the deadline of the read under way and of later ones. A
// read that exceeds it returns an error that matches os.ErrDeadlineExceeded, and
// loses nothing: after a later deadline has been set, the next read continues, in
// the middle of a message if need be. The zero value, the default, is no deadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	d := &c.read.frames.deadline
	err := d.set(t)
	if ready := c.read.frames.ready.Load(); ready != nil {
		ready.setTimer(d)
	}
	return err
}

// SetWriteDeadline sets the deadline of writes that begin after the call. A write
// that exceeds it returns an error that matches os.ErrDeadlineExceeded. If no part
// of the frame has been written by then, the connection stays as it was. Otherwise
// the connection ends, since no other frame can follow. Over TLS, and over streams
// that are no sockets, the connection ends too if writing has begun. The zero
// value, the default, is no deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.storeDeadline(t)
	return nil
}

// ReadMessage receives the next message. It returns the type, [TextMessage] or
// [BinaryMessage], and the payload, which belongs to the caller. On error the type
// is -1 and the payload nil.
//
// If the peer has sent a close frame the error is a [*CloseError]. A message whose
// reading was ended by a deadline is continued by the next read.
//
// Each message is one allocation. Where many long ones come see [Conn.AppendMessage].
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	messageType, p, err = c.receive(nil)
	if p == nil && err == nil {
		p = []byte{}
	}
	return messageType, p, err
}

// ReadMessageContext is [Conn.ReadMessage] until ctx ends, when it returns
// ctx.Err(). The connection stays usable and nothing is lost: the next read
// continues where this one has ended.
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

// AppendMessage receives the next message and appends its payload to dst. It does
// not allocate if dst has the capacity. On error the type is -1 and the returned
// slice is dst; the contents of dst beyond its length are undefined.
//
// It is the better choice for messages from a few KiB on that are not kept: the
// garbage collector runs the more often the more is allocated, which in a program
// with a small heap costs more than all the rest. An echo of 16 KiB takes half the
// CPU time that it takes with ReadMessage, and two thirds if GOGC is 400. Where dst
// has room for a message as long as the last one, the payload goes from the socket
// straight into dst.
func (c *Conn) AppendMessage(dst []byte) (messageType int, p []byte, err error) {
	return c.receive(dst)
}

// AppendMessageContext is [Conn.AppendMessage] until ctx ends, like
// [Conn.ReadMessageContext].
func (c *Conn) AppendMessageContext(ctx context.Context, dst []byte) (messageType int, p []byte, err error) {
	if ctx.Done() == nil {
		return c.receive(dst)
	}
	return c.receiveUntil(ctx, dst)
}
