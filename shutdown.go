package websocket

import (
	"context"
	"time"
	"unicode/utf8"
)

// Shutdown closes the connection in an orderly way: it writes what
// [Conn.Send] has queued and a close frame, waits for the peer's while it
// discards what else the peer sends, and closes the transport (RFC 6455,
// Section 7.1.1: the server first, the client after it). It returns nil if
// close frames went both ways: if [CloseInfo].WasClean. When ctx ends before
// that the transport is closed, and Shutdown returns ctx.Err(): give it a
// timeout, since a peer may never answer.
//
// It may be called at any time and any number of times, also beside readers
// and writers. A read method under way goes on, and ends like Shutdown; from
// the next on there is nothing to read. The reader of a message that is being
// read by [Conn.NextReader] returns an error instead of the rest. A message
// that is being written by [Conn.NextWriter] is waited for, as long as ctx
// allows, once a part of it is out. Shutdown must not be called by a handler.
//
// A client may send code 1000 and 3000–4999, a server 1001–1014 too as far as
// they may be sent; others are [ErrInvalidCloseCode]. The reason is up to 123
// bytes of UTF-8; a longer one is [ErrCloseReasonTooLong]. After these errors
// the connection is as it was.
func (c *Conn) Shutdown(ctx context.Context, code int, reason string) error {
	if err := checkShutdown(c.write.client, code, reason); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { c.transport.close() })()
	err := c.sayGoodbye(ctx, code, reason)
	if err == nil {
		c.awaitGoodbye()
	}
	c.transport.close()
	<-c.transport.over() // somebody else may be closing it
	switch {
	case c.transport.closeInfo().WasClean:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && c.transport.cause.Load() == nil:
		return err
	}
	return c.transport.why()
}

// sayGoodbye writes what is queued and the close frame, if that has not been
// sent already.
func (c *Conn) sayGoodbye(ctx context.Context, code int, reason string) error {
	p := patience{ctx: ctx}
	err := c.write.turn(&p)
	if err == nil {
		err = c.write.writeFrame(finBit|lead(opClose), FormatCloseMessage(code, reason), &p)
		c.write.message.release()
	}
	if c.transport.closing.has(closeSent) && !c.transport.closing.has(transportClosed) {
		return nil // by us or before
	}
	return err
}

// awaitGoodbye reads until the connection ends, for nobody. Where reading has
// ended already it waits for the peer to take our close frame: its own may have
// been received before ours was sent.
func (c *Conn) awaitGoodbye() {
	r := &c.read
	if !r.lock.acquire(nil, c.transport.over()) {
		return
	}
	defer r.lock.release()
	for r.ended == nil {
		if r.reader != nil {
			r.reader.cut = true
		}
		r.reader, r.partial, r.discard = nil, nil, r.kind != 0
		if err := c.beginMessage(); err != nil && r.ended == nil {
			r.deadline.apply(time.Time{}) // the application's does not matter any more
		}
	}
	if !c.transport.closing.has(transportClosed) {
		// RFC 6455, Section 7.1.1: a client leaves it to the server to close
		// first, if that has said that it will.
		c.transport.linger(!c.write.client || !c.transport.closing.has(closeReceived))
	}
}

// checkShutdown checks what is to go into a close frame, as the browser's
// close does: the codes below 3000 say what only the protocol's own machinery
// can know, or a server of itself.
func checkShutdown(client bool, code int, reason string) error {
	switch {
	case !isWireCloseCode(code), client && code != CloseNormalClosure && code < 3000:
		return ErrInvalidCloseCode
	case len(reason) > maxCloseReason:
		return ErrCloseReasonTooLong
	case !utf8.ValidString(reason):
		return errCloseReasonInvalid
	}
	return nil
}

// shutdownCode returns the code by which a group's shutdown ends c: a client
// must not send the ones of servers.
func (c *Conn) shutdownCode(code int) int {
	if checkShutdown(c.write.client, code, "") != nil {
		return CloseNormalClosure
	}
	return code
}
