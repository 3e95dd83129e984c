package websocket

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// A Group is a set of connections: those of a chat room, or all of a server.
// They are added by Group of [Upgrader] or by [Group.Add], and leave when they
// end. A connection may be a member of several groups. The zero value is an empty
// group, ready to use. A Group is safe for concurrent use, and must not be copied.
type Group struct {
	// Slow says what becomes of a member whose send queue (see SendQueueLimit of
	// [Upgrader]) has no room for a message. The default is [SlowClose]. It must
	// not be changed after the first broadcast.
	Slow SlowPolicy

	mu      sync.Mutex
	members map[*Conn]uint64 // with the number under which they came
	joined  uint64           // the last of these numbers
	list    []*Conn          // the members, nil if it has to be made anew

	ending  *ending       // nil until Shutdown
	pending int           // what Shutdown waits for beside the members
	changed chan struct{} // closed when members or pending change; nil unless Shutdown waits
}

// A SlowPolicy says what becomes of a member of a group that does not read as
// fast as messages are broadcast to it: one whose send queue has no room for a
// message.
type SlowPolicy int

// Policies for slow members. A message that is longer than the whole queue can
// be too much for a member that is not slow, unless it is on a TCP or Unix socket
// of its own; choose SendQueueLimit of [Upgrader] accordingly.
const (
	// SlowClose closes the connection with code 1013 (try again later), which a
	// peer that does not read will not see. The member leaves the group at once,
	// and reads and writes return [ErrSlowPeer]. This is the default: a member
	// that misses messages without knowing has a stream that makes no sense.
	SlowClose SlowPolicy = iota

	// SlowDrop drops the message for this member.
	SlowDrop

	// SlowWait makes the broadcast wait until the member has taken the message,
	// or has ended, because of WriteTimeout of [Upgrader] for example. Without a
	// WriteTimeout one member that does not read blocks all broadcasts. Members
	// that are not slow get the message before the wait.
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

// Add makes c a member until it ends or is removed. Add has no effect if c is a
// member or has ended. A group that was shut down shuts c down too.
func (g *Group) Add(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.members[c]; known {
		return
	}
	// The hook waits for g.mu, so that c cannot leave before it has come.
	if !c.closing.hooks.add(g, func() { g.memberEnded(c) }) {
		return
	}
	if g.members == nil {
		g.members = make(map[*Conn]uint64)
	}
	g.joined++
	g.members[c], g.list = g.joined, nil
	if g.ending != nil {
		go g.ending.end(c)
	}
}

// Remove removes c from the group. It does not close c.
func (g *Group) Remove(c *Conn) { g.remove(c) }

// remove makes c leave, and reports whether it was a member.
func (g *Group) remove(c *Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.members[c]; !known {
		return false
	}
	c.closing.hooks.remove(g) // or a connection would keep all groups it ever was in
	delete(g.members, c)
	g.list = nil
	g.change()
	return true
}

// memberEnded makes c leave because it has ended. Its transport may linger.
func (g *Group) memberEnded(c *Conn) {
	g.addPending(1)
	if !c.transport.released.add(nil, func() { g.addPending(-1) }) {
		g.addPending(-1)
	}
	g.remove(c)
}

// Len returns the number of members.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// All returns the members at the time of the call, in the order in which they
// were added.
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
	return g.current()
}

// current is snapshot with mu held.
func (g *Group) current() []*Conn {
	if g.list == nil {
		g.list = make([]*Conn, 0, len(g.members))
		for c := range g.members {
			g.list = append(g.list, c)
		}
		// In the order in which they came, which is that of their memory here
		// and in the kernel.
		slices.SortFunc(g.list, func(a, b *Conn) int { return cmp.Compare(g.members[a], g.members[b]) })
	}
	return g.list
}

// BroadcastText sends a text message to all members but those in except. See
// [Group.Broadcast].
func (g *Group) BroadcastText(text string, except ...*Conn) BroadcastResult {
	return g.broadcast(TextMessage, []byte(text), except)
}

// BroadcastBinary sends a binary message to all members but those in except.
// See [Group.Broadcast].
func (g *Group) BroadcastBinary(data []byte, except ...*Conn) BroadcastResult {
	return g.broadcast(BinaryMessage, data, except)
}

// BroadcastJSON sends the JSON encoding of v, as [Conn.WriteJSON] does, to all
// members but those in except. See [Group.Broadcast]. If v cannot be encoded
// nothing is sent and the error is returned.
func (g *Group) BroadcastJSON(v any, except ...*Conn) (BroadcastResult, error) {
	text, err := encodeJSON(v)
	if err != nil {
		return BroadcastResult{}, err
	}
	return g.broadcast(TextMessage, text, except), nil
}

func (g *Group) broadcast(messageType int, data []byte, except []*Conn) BroadcastResult {
	pm, err := NewPreparedMessage(messageType, data)
	if err != nil {
		return BroadcastResult{Missed: g.Len()} // not with these types
	}
	return g.Broadcast(pm, except...)
}

// Broadcast sends a data message to all members but those in except: the sender
// of a chat message, for example. A control message is sent to nobody. The message
// is encoded once, and compressed once for each way in which members compress.
// Like [Conn.Send], Broadcast does not wait, unless Slow is [SlowWait]: what a
// member cannot take at once is queued. The write deadline has no effect.
//
// A member gets the messages of one goroutine in the order of its calls of
// Broadcast, Send and WriteMessage.
func (g *Group) Broadcast(pm *PreparedMessage, except ...*Conn) BroadcastResult {
	var result BroadcastResult
	var slow []*Conn
	for _, c := range g.snapshot() {
		if len(except) > 0 && slices.Contains(except, c) {
			continue
		}
		switch err := c.offer(pm); err {
		case nil:
			result.Sent++
		case ErrSendQueueFull:
			slow = append(slow, c)
		default:
			result.Missed++
		}
	}
	if len(slow) > 0 {
		sent := g.settle(slow, pm)
		result.Sent += sent
		result.Missed += len(slow) - sent
	}
	return result
}

// settle does what is to be done about slow members, and returns how many were
// sent the message in the end.
func (g *Group) settle(slow []*Conn, pm *PreparedMessage) int {
	switch g.Slow {
	case SlowWait:
		return sendToSlow(slow, pm)
	case SlowClose:
		for _, c := range slow {
			if g.remove(c) {
				g.addPending(1)
				go func() {
					defer g.addPending(-1)
					c.closeAsSlow()
				}()
			}
		}
	}
	return 0
}

// sendToSlow sends a message to slow members, and returns to how many it could.
func sendToSlow(slow []*Conn, pm *PreparedMessage) int {
	var done sync.WaitGroup
	var sent atomic.Int64
	for _, c := range slow {
		done.Go(func() {
			if c.sendPrepared(pm, &waitLimit{ctx: context.Background()}) == nil {
				sent.Add(1)
			}
		})
	}
	done.Wait()
	return int(sent.Load())
}

// closeAsSlow ends a connection whose peer does not read, and returns when the
// transport is closed. Of several calls the first has an effect. Its close frame
// waits for nothing but the frame that is being written, for no longer than
// lingerTime. Reads go on until then: a reader that returned would close the
// connection.
func (c *Conn) closeAsSlow() {
	if c.closing.add(peerSlow) {
		ctx, cancel := context.WithTimeout(context.Background(), lingerTime)
		defer cancel()
		payload := FormatCloseMessage(CloseTryAgainLater, "")
		err := c.write.frames.write(finBit|firstByte(opClose), payload, &waitLimit{ctx: ctx})
		switch {
		case err != nil && err != ErrSlowPeer: // which is that of a close frame that was sent before
			c.abort(ErrSlowPeer)
		case c.closing.end(ErrSlowPeer):
			c.linger(true)
		}
	}
	<-c.transport.whenReleased()
}

// An ending is how a group is shut down.
type ending struct {
	ctx    context.Context
	code   int
	reason string
}

// Shutdown calls [Conn.Shutdown] for all members at the same time, and returns
// when all connections are closed. When ctx ends before that it closes the rest
// and returns ctx.Err(). Where code is one that clients must not send, members
// that are clients send 1000. Connections that are added later are shut down,
// too. If a handler of a connection panics, that is logged with package log, and
// the connection is closed.
//
// An [Upgrader] whose Group this is refuses further requests with status 503.
// Shutdown waits for requests that it is answering, and shuts their connections
// down.
//
// Call it beside http.Server.Shutdown, which does not close connections that
// were upgraded, and wait for both: see the example. A function registered with
// RegisterOnShutdown is not the place, since Server.Shutdown does not wait for
// it and the program may exit before the close frames are sent.
func (g *Group) Shutdown(ctx context.Context, code int, reason string) error {
	if err := checkShutdown(false, code, reason); err != nil {
		return err
	}
	ctx, cancel := withShutdownTimeout(ctx)
	defer cancel()
	if g.end(&ending{ctx, code, reason}) {
		return nil
	}
	if !g.await(ctx, func() bool { return len(g.members) == 0 && g.pending == 0 }) {
		// Those who are left are being closed, because of ctx.
		g.await(context.Background(), func() bool { return len(g.members) == 0 })
	}
	return ctx.Err()
}

// end begins to shut down all members, and reports whether there is nothing to
// wait for.
func (g *Group) end(e *ending) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending == nil {
		g.ending = e
	}
	for _, c := range g.current() {
		go e.shutdown(e.ctx, c)
	}
	return len(g.members) == 0 && g.pending == 0
}

// await waits until done, which is called with mu held, returns true. It
// returns false if ctx ends before that.
func (g *Group) await(ctx context.Context, done func() bool) bool {
	for {
		g.mu.Lock()
		if done() {
			g.mu.Unlock()
			return true
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// change wakes Shutdown, with mu held.
func (g *Group) change() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// addPending adds n to what Shutdown waits for beside the members: requests
// that are being answered, functions of Upgrader.Handler, and transports of former
// members. It does nothing if g is nil.
func (g *Group) addPending(n int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending += n
	g.change()
}

// beginUpgrade counts a request whose connection is going to be a member,
// until endUpgrade is called. It returns false if g is shut down.
func (g *Group) beginUpgrade() bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending != nil {
		return false
	}
	g.pending++
	return true
}

func (g *Group) endUpgrade() { g.addPending(-1) }

// end shuts down a member that has come later.
func (e *ending) end(c *Conn) {
	ctx := e.ctx
	if ctx.Err() != nil {
		// Nobody waits any more. It gets a close frame all the same.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), lingerTime)
		defer cancel()
	}
	e.shutdown(ctx, c)
}

// shutdown shuts down a member.
func (e *ending) shutdown(ctx context.Context, c *Conn) {
	defer func() { c.logPanic(recover()) }()
	c.Shutdown(ctx, c.shutdownCode(e.code), e.reason)
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

// shutdownCode returns the code by which a group's shutdown ends c: a client
// must not send the ones of servers, and a browser not even that.
func (c *Conn) shutdownCode(code int) int {
	if c.checkShutdown(code, "") != nil {
		return CloseNormalClosure
	}
	return code
}
