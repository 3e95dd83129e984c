package websocket

import (
	"net"
	"sync/atomic"

	"github.com/seed23105783/websocket/internal/lock"
)

// A closing is the one record of how a connection ends: how far the closing
// handshake has come (RFC 6455, Section 7.1), the peer's close frame, and what
// reads and writes return from now on. Every floor reads it. It is complete
// before over is closed and before the stream is, so that whoever is woken by
// the end finds all of it. Its zero value is an open connection.
type closing struct {
	steps atomic.Uint32

	reads  atomic.Pointer[readEnd] // how reading has ended; nil if it has not
	writes atomic.Pointer[error]   // how writing has, where it was not by a close frame

	peer  atomic.Pointer[CloseError] // the peer's close frame, set before the step
	over  lock.Chan                  // closed at the end
	hooks hooks                      // called at the end
}

// A readEnd is how reading has ended, and the connection if it has. It does not
// change: error and end become visible at the same time.
type readEnd struct {
	err   error
	ended bool   // the connection is over; the transport may linger
	steps uint32 // that had been taken by then
}

// The steps are taken in any order and by any goroutine.
const (
	closeSending  = 1 << iota // a close frame is being written, or has been
	closeSent                 // it has been written as a whole
	closeReceived             // the peer's close frame has been read
	closeHandled              // and so has the close handler been called
	peerSlow                  // the peer was found not to read, and will be told so
	startCalled               // Start has claimed the connection
	drained                   // what comes is read for nobody, or is about to be
)

// add takes a step, and reports whether it was new.
func (c *closing) add(step uint32) bool { return c.steps.Or(step)&step == 0 }

// has reports whether one of the steps has been taken.
func (c *closing) has(steps uint32) bool { return c.steps.Load()&steps != 0 }

// cancelClose takes closeSending back: nothing of the close frame was written.
func (c *closing) cancelClose() { c.steps.And(^uint32(closeSending)) }

// receiveClose records the peer's close frame.
func (c *closing) receiveClose(e *CloseError) {
	if c.peer.CompareAndSwap(nil, e) {
		c.add(closeReceived)
	}
}

// endReads makes err what reads return from now on, unless they have ended. For
// a peer that was found not to read this is always ErrSlowPeer.
func (c *closing) endReads(err error) {
	if c.has(peerSlow) {
		err = ErrSlowPeer
	}
	c.reads.CompareAndSwap(nil, &readEnd{err: err})
}

// endWrites makes err what writes return from now on, unless they have ended.
func (c *closing) endWrites(err error) { c.writes.CompareAndSwap(nil, &err) }

// end ends the connection, and reports whether this was the end. If nothing
// else has ended the reading before, reads return the peer's close frame, or err
// if there was none.
func (c *closing) end(err error) bool {
	switch peer := c.peer.Load(); {
	case c.has(peerSlow):
		err = ErrSlowPeer
	case peer != nil:
		err = peer
	}
	for {
		before := c.reads.Load()
		switch {
		case before == nil:
		case before.ended:
			return false
		default:
			err = before.err
		}
		if c.reads.CompareAndSwap(before, &readEnd{err: err, ended: true, steps: c.steps.Load()}) {
			break
		}
	}
	c.over.Close()
	c.hooks.run()
	return true
}

// hasEnded reports whether the connection is over.
func (c *closing) hasEnded() bool {
	end := c.reads.Load()
	return end != nil && end.ended
}

// done returns a channel that is closed at the end.
func (c *closing) done() <-chan struct{} {
	if c.hasEnded() {
		c.over.Close() // or whoever has ended the connection may be about to
	}
	return c.over.Get(0)
}

// readError returns why nothing can be read any more, nil if reading has not
// ended.
func (c *closing) readError() error {
	end := c.reads.Load()
	if end == nil {
		return nil
	}
	if end.ended {
		c.over.Close() // or whoever has ended the connection may be about to
	}
	return end.err
}

// writeError returns why nothing can be written any more, nil if writing has
// not ended.
func (c *closing) writeError() error {
	if err := c.writes.Load(); err != nil {
		return *err
	}
	switch steps := c.steps.Load(); {
	case steps&peerSlow != 0 && (steps&closeSending != 0 || c.hasEnded()):
		return ErrSlowPeer
	case steps&closeSending != 0:
		// RFC 6455, Section 5.5.1: "MUST NOT send any more data frames after
		// sending a Close frame".
		return ErrCloseSent
	case c.hasEnded():
		return &brokenError{cause: c.cause()}
	}
	return nil
}

// cause returns the error that ended the connection. It is net.ErrClosed as
// long as there is none.
func (c *closing) cause() error {
	if err := c.readError(); err != nil {
		return err
	}
	return net.ErrClosed
}

func (c *closing) state() State {
	switch {
	case c.hasEnded():
		return StateClosed
	case c.has(closeSending | closeReceived):
		return StateClosing
	}
	return StateOpen
}

// A CloseInfo says how a connection ended, in the terms of the browser's
// CloseEvent: code, reason and wasClean.
type CloseInfo struct {
	// Code is the code of the peer's close frame, [CloseNoStatusReceived]
	// (1005) if it had none, and [CloseAbnormalClosure] (1006) if the
	// connection ended without a close frame of the peer's: RFC 6455,
	// Section 7.1.5.
	Code int

	// Reason is the reason in that frame (RFC 6455, Section 7.1.6): UTF-8, at
	// most 123 bytes.
	Reason string

	// WasClean reports whether the closing handshake was completed: a close
	// frame was received and one was sent (RFC 6455, Section 7.1.4).
	WasClean bool
}

// info returns how the connection ended, the zero value if it has not.
func (c *closing) info() CloseInfo {
	switch end := c.reads.Load(); {
	case end == nil || !end.ended:
		return CloseInfo{}
	case end.steps&closeReceived == 0:
		return CloseInfo{Code: CloseAbnormalClosure}
	default:
		peer := c.peer.Load()
		return CloseInfo{Code: peer.Code, Reason: peer.Text, WasClean: end.steps&closeSent != 0}
	}
}

// atEnd arranges for f to be called at the end, or calls it now if the
// connection is over.
func (c *closing) atEnd(f func()) {
	if !c.hooks.add(nil, f) {
		f()
	}
}
