package websocket

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

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
func (c *Conn) State() State { return c.closing.state() }

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

// SetReadLimit sets the length in bytes of the longest message to be
// received; none if limit is not positive. A longer one ends the connection
// with close code 1009 and [ErrReadLimit], before memory is spent on it.
func (c *Conn) SetReadLimit(limit int64) { c.read.limit.Store(limit) }

// SetReadDeadline sets the time at which reads under way and to come fail
// with an error that matches os.ErrDeadlineExceeded. They lose nothing: the
// next read after a later deadline has been set goes on in the middle of a
// message if need be. The zero value, the default, is no deadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.read.frames.deadline.set(t) }

// SetWriteDeadline sets the time at which writes that begin from now on fail
// with an error that matches os.ErrDeadlineExceeded. If nothing of the frame
// is on its way at that time the connection stays as it was; otherwise it is
// closed, since the peer cannot make sense of anything after half a frame.
// The zero value, the default, is no deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.deadline.store(t)
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

// AppendMessageContext is [Conn.AppendMessage] until ctx ends, like
// [Conn.ReadMessageContext].
func (c *Conn) AppendMessageContext(ctx context.Context, dst []byte) (messageType int, p []byte, err error) {
	if ctx.Done() == nil {
		return c.receive(dst)
	}
	return c.receiveUntil(ctx, dst)
}
