package websocket

import (
	"cmp"
	"context"
	"time"
)

// Ping sends a ping, waits for its pong (RFC 6455, Sections 5.5.2 and 5.5.3), and
// returns the time between, which includes the wait until the ping is written. Any
// number of pings may be under way. Since a peer may answer only the last of
// several pings, a pong also answers the pings before its own.
//
// A read method must be at work in another goroutine, since it receives the pong.
// The handler of [Conn.SetPongHandler] is not called for it.
//
// When ctx ends Ping returns ctx.Err(); for the writing of the ping it is like that
// of [Conn.WriteMessageContext]. If the connection ends Ping returns the error that
// ended it, or the error of writing the ping.
func (c *Conn) Ping(ctx context.Context) (rtt time.Duration, err error) {
	if err := c.writeContextError(ctx); err != nil {
		return 0, err
	}
	pings := c.ownPings()
	p := pings.begin(make(chan time.Duration, 1))
	defer pings.forget(p)
	if err := c.writeControl(opPing, p.payload[:], &waitLimit{ctx: ctx, deadline: c.write.loadDeadline()}); err != nil {
		return 0, err
	}
	select {
	case rtt := <-p.pong:
		return rtt, nil
	case <-ctx.Done():
		err = cmp.Or(c.closing.readError(), ctx.Err())
	case <-c.closing.done():
		err = c.closing.cause()
	}
	select { // the pong may have been there as well
	case rtt := <-p.pong:
		return rtt, nil
	default:
		return 0, err
	}
}

// ownPings returns those of the connection, which has none before there is
// one.
func (c *Conn) ownPings() *pings {
	if p := c.pings.Load(); p != nil {
		return p
	}
	c.pings.CompareAndSwap(nil, new(pings))
	return c.pings.Load()
}
