package websocket

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// A Group is a set of connections: those of a chat room, or all of a server.
// They come by [Upgrader].Group or [Group.Add] and leave by themselves when
// they are closed. The zero value is an empty group, ready to use. All methods
// may be called by several goroutines at the same time.
type Group struct {
	// Slow says what becomes of a broadcast message at a member whose send
	// queue is full: see SendQueueLimit of [Upgrader]. It must not be changed
	// after the first broadcast.
	Slow SlowPolicy

	mu      sync.Mutex
	members map[*Conn]struct{}
	list    []*Conn     // of the members, nil if it has to be made anew
	empty   lazyChannel // closed when the last has left after Shutdown
	ending  *ending     // nil until Shutdown
}

// An ending is how a group is shut down.
type ending struct {
	ctx    context.Context
	code   int
	reason string
}

// A SlowPolicy says what to do about a member of a group that does not read as
// fast as messages are broadcast to it.
type SlowPolicy int

// Policies for slow members. The others are served without delay under each.
const (
	// SlowDrop: the member misses the message.
	SlowDrop SlowPolicy = iota

	// SlowClose: the connection is closed with code 1013 (try again later),
	// which a member that reads no more does not get to see.
	SlowClose

	// SlowWait: Broadcast waits until the member has taken the message, or is
	// closed, by WriteTimeout of [Upgrader] for example.
	SlowWait
)

// A BroadcastResult counts members.
type BroadcastResult struct {
	// Sent is how many have been sent the message: it is with the operating
	// system or in the send queue.
	Sent int

	// Missed is how many have not: they were too slow or had ended.
	Missed int
}

// Add makes c a member, until it is closed. A group that was shut down shuts
// c down too.
func (g *Group) Add(c *Conn) {
	g.mu.Lock()
	if g.members == nil {
		g.members = make(map[*Conn]struct{})
	}
	_, known := g.members[c]
	g.members[c], g.list = struct{}{}, nil
	end := g.ending
	g.mu.Unlock()
	if known {
		return
	}
	c.transport.atClose(func() { g.Remove(c) })
	if end != nil {
		go c.Shutdown(end.ctx, c.shutdownCode(end.code), end.reason)
	}
}

// Remove makes c leave. It does not close c.
func (g *Group) Remove(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.members, c)
	g.list = nil
	if g.ending != nil && len(g.members) == 0 {
		g.empty.close()
	}
}

// Len returns the number of members.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// All returns the members as they are now, in no order.
func (g *Group) All() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for _, c := range g.snapshot() {
			if !yield(c) {
				return
			}
		}
	}
}

// snapshot returns the members. The slice is not changed any more.
func (g *Group) snapshot() []*Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.list == nil {
		g.list = make([]*Conn, 0, len(g.members))
		for c := range g.members {
			g.list = append(g.list, c)
		}
	}
	return g.list
}

// BroadcastText sends a text message to all members: see [Group.Broadcast].
func (g *Group) BroadcastText(text string) BroadcastResult {
	return g.broadcast(TextMessage, []byte(text))
}

// BroadcastBinary sends a binary message to all members: see
// [Group.Broadcast].
func (g *Group) BroadcastBinary(data []byte) BroadcastResult {
	return g.broadcast(BinaryMessage, data)
}

func (g *Group) broadcast(messageType int, data []byte) BroadcastResult {
	pm, err := NewPreparedMessage(messageType, data)
	if err != nil {
		return BroadcastResult{Missed: g.Len()} // not with these types
	}
	return g.Broadcast(pm)
}

// Broadcast sends a message to all members. It is encoded once, and compressed
// once for each way in which members compress. Like [Conn.Send] it does not
// wait for anybody, unless Slow is [SlowWait]: what a member cannot take at
// once is queued.
//
// A member gets the messages of one goroutine in the order of its broadcasts.
func (g *Group) Broadcast(pm *PreparedMessage) BroadcastResult {
	var result BroadcastResult
	var slow []*Conn
	for _, c := range g.snapshot() {
		switch err := c.write.offer(pm); {
		case err == nil:
			result.Sent++
		case errors.Is(err, ErrSendQueueFull):
			slow = append(slow, c)
		default:
			result.Missed++
		}
	}
	sent := g.settle(slow, pm)
	result.Sent += sent
	result.Missed += len(slow) - sent
	return result
}

// settle does what is to be done about slow members, and returns how many were
// sent the message in the end.
func (g *Group) settle(slow []*Conn, pm *PreparedMessage) (sent int) {
	switch g.Slow {
	case SlowClose:
		for _, c := range slow {
			go c.closeSlow()
		}
	case SlowWait:
		var done sync.WaitGroup
		var mu sync.Mutex
		for _, c := range slow {
			done.Go(func() {
				if c.WritePreparedMessage(pm) == nil {
					mu.Lock()
					defer mu.Unlock()
					sent++
				}
			})
		}
		done.Wait()
	}
	return sent
}

// closeSlow ends a connection whose peer does not read. It does not wait for
// what is queued, and hardly for the close frame.
func (c *Conn) closeSlow() {
	p := shortPatience()
	if err := c.write.writeFrame(finBit|lead(opClose), FormatCloseMessage(CloseTryAgainLater, ""), &p); err != nil {
		c.transport.close()
		return
	}
	c.transport.linger(true)
}

// Shutdown shuts all members down at the same time, as [Conn.Shutdown] does,
// and returns when the last is gone. When ctx ends before that the rest is
// closed, and Shutdown returns ctx.Err(). Those who come later are shut down
// too; requests for new connections are refused with 503 by an [Upgrader]
// whose Group this is.
//
// It is made for http.Server.RegisterOnShutdown: Server.Shutdown neither
// closes WebSocket connections nor waits for them.
func (g *Group) Shutdown(ctx context.Context, code int, reason string) error {
	if err := checkShutdown(false, code, reason); err != nil {
		return err
	}
	g.mu.Lock()
	if g.ending == nil {
		g.ending = &ending{ctx, code, reason}
	}
	if len(g.members) == 0 {
		g.empty.close()
	}
	g.mu.Unlock()
	for _, c := range g.snapshot() {
		go c.Shutdown(ctx, c.shutdownCode(code), reason)
	}
	<-g.empty.get(0)
	return ctx.Err()
}

// isEnding reports whether g is shut down; a nil group never is.
func (g *Group) isEnding() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ending != nil
}
