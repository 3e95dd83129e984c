package websocket

import (
	"context"
	"net"
	"time"
	"unicode/utf8"
)

// Shutdown closes the connection in an orderly way: it writes what
// [Conn.Send] has queued and a close frame, waits for the peer's while it
// discards what else the peer sends, and closes the transport (RFC 6455,
// Section 7.1.1: the server first, the client after it). It returns nil if
// close frames went both ways. When ctx ends before that the transport is
// closed, and Shutdown returns ctx.Err(): give it a timeout, since a peer may
// never answer.
//
// It may be called at any time and any number of times, also beside a reader:
// a read method under way goes on, and ends like Shutdown; from the next on
// there is nothing to read. It must not be called by a handler.
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
	if err := c.sayGoodbye(ctx, code, reason); err == nil {
		c.awaitGoodbye()
	}
	c.transport.close()
	switch {
	case c.transport.closing.has(closeSent) && c.transport.closing.has(closeReceived):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return c.unclean()
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

// awaitGoodbye reads until the connection ends, for nobody.
func (c *Conn) awaitGoodbye() {
	r := &c.read
	if !r.lock.acquire(nil, c.transport.over()) {
		return
	}
	defer r.lock.release()
	for r.ended == nil {
		r.reader, r.partial, r.discard = nil, nil, r.kind != 0
		if err := c.beginMessage(); err != nil && r.ended == nil {
			r.deadline.apply(time.Time{}) // the application's does not matter any more
		}
	}
}

// unclean returns the error of a closing handshake that was not completed.
func (c *Conn) unclean() error {
	r := &c.read
	r.lock.acquire(nil, nil)
	defer r.lock.release()
	if r.ended != nil {
		return r.ended
	}
	return net.ErrClosed
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
