package websocket

import (
	"context"
	"time"
)

// Ping sends a ping and waits for its pong (RFC 6455, Sections 5.5.2 and
// 5.5.3), and returns how long that took, with the wait of the ping for its
// turn to be written. Any number of pings may be under way. Since a peer may
// answer but the last of several, a pong is the answer to the pings before its
// own too.
//
// It is a read method that finds the pong: one must be at work meanwhile, in
// another goroutine. The handler of [Conn.SetPongHandler] does not get the
// pongs of Ping.
//
// When ctx ends Ping returns ctx.Err(), and what was said of
// [Conn.WriteMessageContext] holds for the ping. When the connection ends it
// returns the error that ended it, or the one that writing the ping met with.
func (c *Conn) Ping(ctx context.Context) (rtt time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	pings := c.ownPings()
	p := pings.begin(make(chan time.Duration, 1))
	defer pings.forget(p)
	if err := c.writeControl(opPing, p.payload[:], &waitLimit{ctx: ctx, deadline: c.write.deadline.load()}); err != nil {
		return 0, err
	}
	select {
	case rtt := <-p.pong:
		return rtt, nil
	case <-ctx.Done():
		err = ctx.Err()
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
