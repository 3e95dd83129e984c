package websocket

import (
	"context"
	"os"
	"time"
)

// controlTimeout is how long a reader tries to send a close frame: the answer to
// the peer's, or one that says what the peer did wrong.
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

// handleControl does what the control frame of the messageReader asks for. An
// error is the end of the reading, unless it is a timeout.
func (c *Conn) handleControl() error {
	op, payload := c.read.control()
	if err := c.callHandler(op, payload); err != nil {
		c.closing.endReads(err)
		return c.closing.readError()
	}
	// A buffer full of pings would otherwise be answered to its end whatever the
	// deadline is: only the stream looks at that.
	if c.read.frames.deadline.passed() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// callHandler calls the handler of a control frame.
func (c *Conn) callHandler(op opcode, payload []byte) error {
	h := c.currentHandlers()
	if op == opClose {
		return c.handleClose(payload, h.close)
	}
	switch {
	case op == opPong && c.isAnswer(payload): // no flood: we asked for it
		return nil
	case !c.flood.allow(time.Now(), c.read.frames.count):
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

// isAnswer reports whether a pong is the answer to a ping of ours, and the
// first one.
func (c *Conn) isAnswer(payload []byte) bool {
	pings := c.pings.Load()
	rtt, first := pings.answer(payload)
	if first && pings.onAnswer != nil {
		pings.onAnswer(rtt)
	}
	return first
}

// pongWait is how long a reader waits for a pong to be written where it cannot be
// known whether that takes any time: over TLS, for example. It does not wait
// beyond its deadline, at which it looks every pongStep.
const (
	pongWait = 200 * time.Millisecond
	pongStep = 10 * time.Millisecond
)

// answerPing sends a pong: RFC 6455, Section 5.5.3. It does not wait for a peer
// that does not read: what cannot be written at once is left to a goroutine.
func (c *Conn) answerPing(payload []byte) error {
	if len(payload) > maxControlPayload {
		return nil // the application's
	}
	sent, err := c.write.frames.pong(payload)
	if !sent && c.startBacklogFlusher() && !c.transport.socket {
		for waited := time.Duration(0); waited < pongWait && !c.read.frames.deadline.passed(); waited += pongStep {
			if c.write.frames.awaitFlush(pongStep) {
				break
			}
		}
	}
	c.writeFailed(err) // what is wrong with the connection reading will find
	return nil
}

// handleClose goes through the closing handshake as the one who is asked
// (RFC 6455, Section 7.1) and returns the error that ends the reading.
func (c *Conn) handleClose(payload []byte, handler func(int, string) error) error {
	code, reason, err := parseClose(payload)
	if err != nil {
		return c.readFailed(err)
	}
	if c.closing.has(peerSlow) { // the connection is being closed
		c.closing.endReads(ErrSlowPeer)
		return ErrSlowPeer
	}
	closeError := &CloseError{Code: code, Text: reason}
	c.closing.receiveClose(closeError)
	if handler == nil {
		handler = c.echoClose
	}
	// Also after a panic: the handshake is complete with our close frame.
	defer c.closing.add(closeHandled)
	if err := handler(code, reason); err != nil {
		return err
	}
	c.closing.endReads(closeError)
	c.closing.add(closeHandled)
	if c.closing.has(closeSending) || c.closing.writeError() != nil {
		c.awaitCloseFrame()
		c.finish()
	}
	return c.closing.readError()
}

// echoClose answers a close frame: RFC 6455, Section 5.5.1, unless ours was
// first.
func (c *Conn) echoClose(code int, _ string) error {
	l := controlLimit()
	c.sendClose(FormatCloseMessage(code, ""), false, &l)
	return nil
}

// awaitCloseFrame waits for a close frame that another goroutine is writing,
// but not for long.
func (c *Conn) awaitCloseFrame() {
	l := controlLimit()
	w := &c.write.frames
	if !c.closing.has(closeSent) && w.acquire(&w.lock, &l) == nil {
		w.lock.Release()
	}
}

// controlLimit is how long a reader waits for the close frame that it sends.
func controlLimit() waitLimit {
	return waitLimit{ctx: context.Background(), deadline: time.Now().Add(controlTimeout)}
}

// maxControlFrames bounds the control frames that are taken within a second
// with no data in between.
const maxControlFrames = 1000

// A floodGuard counts control frames, which cost the peer little and the
// application a handler or an answer each.
type floodGuard struct {
	since int64  // in nanoseconds since 1970
	data  uint32 // data frames that had come by then
	count int32
}

// allow counts a control frame and reports whether it is within bounds. data is
// the number of data frames that have come.
func (g *floodGuard) allow(now time.Time, data uint32) bool {
	if now := now.UnixNano(); data != g.data || now-g.since >= int64(time.Second) || now < g.since {
		g.since, g.data, g.count = now, data, 0
	}
	g.count++
	return g.count <= maxControlFrames
}
