package websocket

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"time"
	"unicode/utf8"
)

// How a connection ends: what the errors of reading and writing mean for it,
// and the closing handshake (RFC 6455, Section 7).

// Done returns a channel that is closed when the connection has ended: by
// [Conn.Close], by the end of the closing handshake or because the connection
// failed. [Conn.CloseInfo] is complete by then. That the peer has gone is noticed
// by a read method; see [KeepAlive] for peers that vanish.
func (c *Conn) Done() <-chan struct{} { return c.closing.done() }

// CloseInfo returns how the connection ended, like the browser's CloseEvent. It
// is the zero value until [Conn.Done] is closed, and does not change after that.
func (c *Conn) CloseInfo() CloseInfo { return c.closing.info() }

// Close ends the connection at once, without a close frame and without waiting
// for one: calls under way return. What is queued by [Conn.Send] is written
// as far as the operating system takes it without waiting. For an
// orderly end use [Conn.Shutdown].
//
// Only the first Close can return an error. After the closing handshake Close
// has no effect: the transport is closed when the peer has had time to read the
// last frame.
func (c *Conn) Close() error {
	if c.closing.hasEnded() {
		return nil
	}
	c.write.flushLast()
	ended := c.closing.end(net.ErrClosed)
	if c.write.frames.hasBacklog() { // it is dropped, and those who wait for it are told
		c.startBacklogFlusher()
	}
	if !ended {
		return nil
	}
	return c.transport.close()
}

// abort ends the connection because of err, and closes the transport at once.
func (c *Conn) abort(err error) {
	c.closing.end(err)
	c.transport.abort()
}

// finish ends a connection whose closing handshake is complete, or as complete
// as it will be. The transport is closed behind it, in a goroutine.
func (c *Conn) finish() {
	if c.closing.end(net.ErrClosed) {
		// RFC 6455, Section 7.1.1: the server closes first. A client waits for
		// that, if the server has said that it will.
		c.linger(!c.write.frames.client || !c.closing.has(closeReceived))
	}
}

// linger closes the transport when the peer has had time to read the last
// frame. The connection has ended.
func (c *Conn) linger(halfClose bool) {
	go func() {
		// A reader that is still at work returns, and no other begins.
		c.read.frames.deadline.interrupt()
		giveUp := make(chan struct{})
		defer time.AfterFunc(lingerTime, func() { close(giveUp) }).Stop()
		if !c.read.lock.Acquire(giveUp, nil) { // it is in a handler
			c.transport.abort()
			return
		}
		c.read.frames.wait()
		c.read.lock.Release()
		// The application's deadline is not meant for what follows.
		c.read.frames.deadline.suspend()
		c.transport.linger(halfClose)
	}()
}

// closeWritten is called when a close frame has been written.
func (c *Conn) closeWritten() {
	if c.closing.has(closeHandled) {
		c.finish()
	}
}

// readFailed decides what an error of the messageReader means for the
// connection, and returns the one for the caller.
func (c *Conn) readFailed(err error) error {
	if ended := c.closing.readError(); ended != nil {
		c.read.discard()
		return ended
	}
	if err == errNotReady {
		return err
	}
	violation, ok := errors.AsType[*ProtocolError](err)
	switch {
	case ok:
		return c.fail(violation, violation.Code, violation.Reason)
	case err == ErrReadLimit:
		return c.fail(err, CloseMessageTooBig, "")
	case isTimeout(err):
		return err // nothing is lost, and the next read goes on
	case errors.Is(err, net.ErrClosed):
	case err == io.ErrUnexpectedEOF:
		// RFC 6455, Section 7.1.5: the code when there was no close frame.
		err = &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}
	default:
		err = &lostError{err}
	}
	if c.closing.end(err) {
		c.transport.close()
	}
	c.read.discard()
	return c.closing.readError()
}

// fail fails the connection with err (RFC 6455, Section 7.1.7): a close frame
// says why, and what the peer still sends is discarded so that it gets to read
// that.
func (c *Conn) fail(err error, code int, reason string) error {
	c.closing.endReads(err)
	c.read.discard()
	l := controlLimit()
	c.sendClose(FormatCloseMessage(code, reason), false, &l)
	if c.closing.end(err) {
		c.linger(true)
	}
	return c.closing.readError()
}

// writeFailed decides what an error of writing means for the connection, and
// returns the one for the caller. nil means nothing.
func (c *Conn) writeFailed(err error) error {
	broken, ok := err.(*brokenError)
	if !ok {
		return err
	}
	switch broken.end {
	case endCut:
		c.abort(&lostError{errWriteCut})
	case endSlow:
		c.abort(ErrSlowPeer)
	}
	return err
}

// Shutdown ends the connection in an orderly way: it writes what [Conn.Send] has
// queued and a close frame, waits for the peer's while it discards what else the
// peer sends, and closes the transport (RFC 6455, Section 7.1.1: the server
// first, the client after it). It returns nil if close frames went both ways, that
// is, if [CloseInfo].WasClean. If ctx ends before that the transport is closed and
// Shutdown returns ctx.Err(). A ctx without a deadline gets one of ten seconds, and
// the error is context.DeadlineExceeded then.
//
// Shutdown is safe for concurrent use with all other methods, and may be called
// more than once. A read method under way continues, and ends when Shutdown
// does. A later one finds nothing to read. The reader of [Conn.NextReader]
// returns an error in place of the rest of its message. A message that
// [Conn.NextWriter] has begun is waited for. The functions that SetCloseHandler,
// SetPingHandler and SetPongHandler set must not call Shutdown. If one panics the
// connection is closed, and the panic continues.
//
// A client may send codes 1000, 1001 and 3000–4999, like close in the browser,
// and a server the others up to 1014 too, as far as they may be sent. With
// [CloseNoStatusReceived] the close frame has no code; there can be no reason
// then. Other codes are [ErrInvalidCloseCode]. The reason is up to 123 bytes of
// UTF-8; a longer one is [ErrCloseReasonTooLong]. After these errors the connection
// is as it was.
func (c *Conn) Shutdown(ctx context.Context, code int, reason string) error {
	if err := c.checkShutdown(code, reason); err != nil {
		return err
	}
	return c.shutdown(ctx, code, reason)
}

// shutdown is Shutdown with a code and a reason that may be sent.
func (c *Conn) shutdown(ctx context.Context, code int, reason string) error {
	ctx, cancel := withShutdownTimeout(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.abort(net.ErrClosed) })()
	// Reading at the same time keeps two peers that shut down from waiting for
	// each other, with full buffers both ways.
	sent := make(chan error, 1)
	go func() { sent <- c.sendLast(ctx, FormatCloseMessage(code, reason)) }()
	c.drain()
	err := <-sent
	if err == nil {
		c.finish()
	}
	<-c.transport.whenReleased() // the transport may be lingering
	switch {
	case c.closing.info().WasClean:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	}
	return c.closing.cause()
}

// sendLast sends the close frame of Shutdown, unless one has been sent. If that
// is not possible it closes the connection, which is the end of drain too.
func (c *Conn) sendLast(ctx context.Context, payload []byte) error {
	err := c.sendClose(payload, true, &waitLimit{ctx: ctx})
	if err == nil || c.closing.has(closeSending) {
		return nil
	}
	if ended := c.closing.readError(); ended != nil {
		err = ended
	}
	c.abort(net.ErrClosed)
	return err
}

// shutdownTimeout is how long Shutdown takes at most if its context has no
// deadline.
const shutdownTimeout = 10 * time.Second

// withShutdownTimeout returns ctx with a deadline.
func withShutdownTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, shutdownTimeout)
}

// drain reads until there is nothing more to read, for nobody: until the peer's
// close frame, if there is one. If a handler does not return it closes the connection,
// since nobody reads any more.
func (c *Conn) drain() {
	returns := false
	defer func() {
		if !returns {
			c.abort(net.ErrClosed)
		}
	}()
	c.readOut()
	returns = true
}

func (c *Conn) readOut() {
	c.closing.add(drained)
	if !c.read.lock.Acquire(nil, c.closing.done()) {
		return
	}
	defer c.read.lock.Release()
	c.read.frames.wait()
	// What ends the application's reads is not meant for this.
	c.read.frames.deadline.suspend()
	defer c.read.frames.deadline.restore()
	for c.closing.readError() == nil {
		c.read.abandon()
		if err := c.beginMessage(); err != nil && isTimeout(err) && c.closing.readError() == nil {
			return // of the transport's own making
		}
	}
}

// logPanic logs what recover has returned where a goroutine of the package calls functions
// that the application has set, as net/http does with panics of handlers.
func (c *Conn) logPanic(v any) {
	if v != nil && v != http.ErrAbortHandler {
		log.Printf("websocket: panic of a function for %v: %v\n%s", c.RemoteAddr(), v, debug.Stack())
	}
}

// checkShutdown checks what is to go into a close frame, as the browser's
// close does: the codes below 3000 say what only the protocol's own machinery
// can know, or a server of itself.
func checkShutdown(client bool, code int, reason string) error {
	switch {
	case code == CloseNoStatusReceived && reason == "":
		return nil
	case !isWireCloseCode(code), client && code != CloseNormalClosure && code != CloseGoingAway && code < 3000:
		return ErrInvalidCloseCode
	case len(reason) > maxCloseReason:
		return ErrCloseReasonTooLong
	case !utf8.ValidString(reason):
		return errCloseReasonInvalid
	}
	return nil
}

// checkShutdown checks what is to go into the close frame of c.
func (c *Conn) checkShutdown(code int, reason string) error {
	return cmp.Or(checkShutdown(c.write.frames.client, code, reason), c.transport.checkCloseCode(code))
}

// isNormalClose reports whether err is the peer's close frame with a code for
// an end that is no failure: 1000, 1001 (a page was left, a server is shutting
// down), or none at all, which is what a browser's close() sends.
func isNormalClose(err error) bool {
	return IsCloseError(err, CloseNormalClosure, CloseGoingAway, CloseNoStatusReceived)
}
