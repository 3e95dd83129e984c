package websocket

import (
	"context"
	"time"
)

// controlTimeout bounds how long a reader tries to send what a control frame
// asks for: a peer that does not read is not waited for.
const controlTimeout = time.Second

// handlers are what the application does on control frames; nil stands for
// the default. They are not changed but replaced.
type handlers struct {
	close func(code int, text string) error
	ping  func(appData string) error
	pong  func(appData string) error
}

var noHandlers handlers

// currentHandlers returns the handlers as they are now.
func (c *Conn) currentHandlers() *handlers {
	if h := c.handlers.Load(); h != nil {
		return h
	}
	return &noHandlers
}

// setHandlers has set make new handlers out of a copy of those before.
func (c *Conn) setHandlers(set func(h *handlers)) {
	for {
		before := c.handlers.Load()
		var h handlers
		if before != nil {
			h = *before
		}
		set(&h)
		if c.handlers.CompareAndSwap(before, &h) {
			return
		}
	}
}

// SetCloseHandler sets the function that is called with the code and reason
// of the peer's close frame, [CloseNoStatusReceived] if it has none. It runs
// within the read method that found the frame, which returns a [*CloseError]
// afterwards, or the function's error if it returns one. It must not call a
// read method.
//
// The default, also set by nil, sends a close frame with the same code. When
// close frames have gone both ways the transport is closed.
func (c *Conn) SetCloseHandler(h func(code int, text string) error) {
	c.setHandlers(func(to *handlers) { to.close = h })
}

// CloseHandler returns the function set by [Conn.SetCloseHandler] or the default.
func (c *Conn) CloseHandler() func(code int, text string) error {
	if h := c.currentHandlers().close; h != nil {
		return h
	}
	return c.echoClose
}

// SetPingHandler sets the function that is called with the payload of the
// peer's pings. It runs within the read method that found the ping, which
// returns its error if it returns one, as does every read after that. It must
// not call a read method.
//
// The default, also set by nil, answers with a pong.
func (c *Conn) SetPingHandler(h func(appData string) error) {
	c.setHandlers(func(to *handlers) { to.ping = h })
}

// PingHandler returns the function set by [Conn.SetPingHandler] or the default.
func (c *Conn) PingHandler() func(appData string) error {
	if h := c.currentHandlers().ping; h != nil {
		return h
	}
	return func(appData string) error { return c.answerPing([]byte(appData)) }
}

// SetPongHandler sets the function that is called with the payload of the
// peer's pongs, in the way of [Conn.SetPingHandler]: all but those that answer
// a [Conn.Ping] or the pings of [KeepAlive]. The default, also set by nil, does
// nothing.
func (c *Conn) SetPongHandler(h func(appData string) error) {
	c.setHandlers(func(to *handlers) { to.pong = h })
}

// PongHandler returns the function set by [Conn.SetPongHandler] or the default.
func (c *Conn) PongHandler() func(appData string) error {
	if h := c.currentHandlers().pong; h != nil {
		return h
	}
	return func(string) error { return nil }
}

// handleControl does what a control frame of the peer asks for. An error is
// the end of the reading.
func (c *Conn) handleControl(op opcode, payload []byte) error {
	h := c.currentHandlers()
	switch {
	case op == opClose:
		return c.handleClose(payload, h.close)
	case op == opPong && c.answered(payload): // no flood: we asked for it
		return nil
	case !c.flood.allow(time.Now()):
		return c.readFailed(errControlFlood)
	case op == opPing && h.ping != nil:
		return h.ping(string(payload))
	case op == opPing:
		return c.answerPing(payload)
	case c.pings.Load().has(payload):
		return nil
	case h.pong != nil:
		return h.pong(string(payload))
	}
	return nil
}

// answerPing sends a pong: RFC 6455, Section 5.5.3. If it cannot be sent the
// reader goes on; what is wrong with the connection it will find out itself.
func (c *Conn) answerPing(payload []byte) error {
	p := shortPatience()
	c.write.writeControl(opPong, payload, &p)
	return nil
}

// handleClose goes through the closing handshake as the one who is asked
// (RFC 6455, Section 7.1) and returns the error that ends the reading.
func (c *Conn) handleClose(payload []byte, handler func(int, string) error) error {
	code, reason, err := parseClose(payload)
	if err != nil {
		return c.readFailed(err)
	}
	c.transport.peer.Store(&CloseError{Code: code, Text: reason})
	c.transport.closing.add(closeReceived)
	if handler == nil {
		handler = c.echoClose
	}
	if err := handler(code, reason); err != nil {
		return err
	}
	c.read.fail(&CloseError{Code: code, Text: reason})
	if c.transport.closing.has(closeSent) {
		c.write.awaitFrame()
		// RFC 6455, Section 7.1.1: the server closes first, the client waits
		// for it to do so.
		c.transport.linger(!c.write.client)
	}
	return c.read.ended
}

// echoClose answers a close frame: RFC 6455, Section 5.5.1, unless ours was
// first.
func (c *Conn) echoClose(code int, _ string) error {
	p := shortPatience()
	c.write.writeControl(opClose, FormatCloseMessage(code, ""), &p)
	return nil
}

// fail fails the connection with err (RFC 6455, Section 7.1.7): a close frame
// says why, and what the peer still sends is drained so that it gets to read
// that.
func (c *Conn) fail(err error, code int, reason string) error {
	c.read.fail(err)
	p := shortPatience()
	c.write.writeControl(opClose, FormatCloseMessage(code, reason), &p)
	c.transport.linger(true)
	return err
}

// shortPatience is that of a reader for what it has to send.
func shortPatience() patience {
	return patience{context.Background(), time.Now().Add(controlTimeout)}
}

// maxControlFrames bounds the control frames that are taken within a second
// with no data in between.
const maxControlFrames = 1000

// A floodGuard counts control frames, which cost the peer little and the
// application a handler or an answer each.
type floodGuard struct {
	since int64 // in nanoseconds since 1970
	count int
}

// allow counts a control frame and reports whether it is within bounds.
func (g *floodGuard) allow(now time.Time) bool {
	if now := now.UnixNano(); now-g.since >= int64(time.Second) || now < g.since {
		g.since, g.count = now, 0
	}
	g.count++
	return g.count <= maxControlFrames
}

// calm starts anew: data came.
func (g *floodGuard) calm() { g.count = 0 }
