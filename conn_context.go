package websocket

import (
	"context"
	"sync"
)

// A connContext is the context of a connection. It costs nothing until it is
// asked for, but for its parent.
type connContext struct {
	parent context.Context
	once   sync.Once
	ctx    context.Context
}

// setContext makes parent, which may be nil, the parent of the connection's
// context. Nothing else has been done with the connection yet.
func (c *Conn) setContext(parent context.Context) {
	if parent != nil {
		c.context.Store(&connContext{parent: parent})
	}
}

// Context returns a context that is canceled when the connection ends.
// context.Cause then returns the error that ended it, which is also what read
// methods return. The context has the values of the parent that ConnContext of
// [Upgrader] returned, and is canceled when the parent is; that does not end the
// connection. A client's parent has no values. Calls that are given this context
// return the error that ended the connection, and not that of the context.
//
// In a handler do not use the context of the request in its place: net/http
// cancels that when the handler returns, and not when the client leaves.
func (c *Conn) Context() context.Context {
	x := c.context.Load()
	if x == nil {
		c.context.CompareAndSwap(nil, &connContext{parent: context.Background()})
		x = c.context.Load()
	}
	x.once.Do(func() {
		ctx, cancel := context.WithCancelCause(x.parent)
		x.ctx = ctx
		c.closing.atEnd(func() { cancel(c.closing.cause()) })
		if c.closing.hasEnded() { // and the functions for that may be about to be called
			cancel(c.closing.cause())
		}
	})
	return x.ctx
}
