package websocket

import (
	"cmp"
	"net"

	"github.com/seed23105783/websocket/internal/bufpool"
	"github.com/seed23105783/websocket/internal/poller"
)

// Events are functions that are called when something happens to a connection, like
// the event handlers of the browser's WebSocket: see [Conn.Serve]. Every field may
// be nil. One Events value may serve any number of connections.
//
// The functions are called one at a time for each connection, in the browser's
// order: Open once, Message for each message, Error at most once, and Close once,
// as the last. They may be called by different goroutines.
//
// While a function runs, no message is received and no ping is answered. It may
// call every method of the connection, but should not wait for what only a read
// method receives, such as the pong of [Conn.Ping].
type Events struct {
	// Open is called first, like onopen in the browser.
	Open func(c *Conn)

	// Message is called with each data message, like onmessage in the browser.
	Message func(c *Conn, m Message)

	// ReuseData says that m.Data is valid only until Message returns. Receiving
	// a message then allocates nothing, unless it is longer than 1 MiB or than
	// those before.
	ReuseData bool

	// Limit bounds how many functions run at the same time where [Conn.Start] is
	// used. The default, nil, is no limit. [Conn.Serve] does not use it.
	Limit *CallLimit

	// Error is called, like onerror in the browser, before Close if the connection
	// failed: if it ended without a close frame from the peer, and not by
	// [Conn.Close]. The error is the one that the read methods return.
	Error func(c *Conn, err error)

	// Close is called last, like onclose in the browser, when the connection has
	// ended, with what [Conn.CloseInfo] returns: code, reason and wasClean.
	Close func(c *Conn, info CloseInfo)
}

// A CallLimit bounds how many functions of [Events] run at the same time, for all
// connections whose Events have it. Connections that have to wait take their turns
// in order. They read nothing meanwhile, so that TCP holds up their peers and
// nothing is kept in memory.
type CallLimit struct{ limit *poller.Limit }

// NewCallLimit returns a limit of n functions. It panics if n is not positive.
func NewCallLimit(n int) *CallLimit {
	if n <= 0 {
		panic("websocket: NewCallLimit needs a positive number")
	}
	return &CallLimit{poller.NewLimit(n)}
}

// JoinEvents returns Events that call the functions of all listeners, in this
// order. They share the data of a message, which is reused if ReuseData is set in
// all that have a Message function. The limit is the first there is.
func JoinEvents(listeners ...Events) Events {
	joined := Events{ReuseData: true}
	for _, l := range listeners {
		joined = Events{
			ReuseData: joined.ReuseData && (l.ReuseData || l.Message == nil),
			Limit:     cmp.Or(joined.Limit, l.Limit),
			Open:      both1(joined.Open, l.Open),
			Message:   both2(joined.Message, l.Message),
			Error:     both2(joined.Error, l.Error),
			Close:     both2(joined.Close, l.Close),
		}
	}
	return joined
}

// noEvents do nothing.
var noEvents = Events{
	Open:    func(*Conn) {},
	Message: func(*Conn, Message) {},
	Error:   func(*Conn, error) {},
	Close:   func(*Conn, CloseInfo) {},
}

// both1 returns a function that calls first and then second, either of which
// may be nil.
func both1[T any](first, second func(T)) func(T) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(x T) {
		first(x)
		second(x)
	}
}

// both2 is both1 for functions of two arguments.
func both2[T, U any](first, second func(T, U)) func(T, U) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(x T, y U) {
		first(x, y)
		second(x, y)
	}
}

// Serve receives messages until the connection ends, and calls the functions of
// events. It closes the connection in any case. If a function panics, Serve closes
// the connection, calls no other function, and the panic continues.
//
// To end the connection from a function, write a [CloseMessage] and return: the
// peer's answer causes the Close event. [Conn.Close] ends it at once.
//
// Serve returns nil if the peer has closed the connection normally, with code 1000
// or 1001 or none, and otherwise the error of the read methods. No other reader may
// be at work meanwhile. A read deadline that passes ends Serve.
func (c *Conn) Serve(events Events) error {
	if c.read.frames.ready.Load() != nil {
		return errStarted
	}
	defer c.Close()
	reuse := events.ReuseData
	events = JoinEvents(events, noEvents)
	events.Open(c)
	err := c.serveMessages(events.Message, reuse)
	c.Close()
	if c.hasFailed(err) {
		events.Error(c, err)
	}
	events.Close(c, c.CloseInfo())
	if isNormalClose(err) {
		return nil
	}
	return err
}

// hasFailed reports whether err, which ended the connection, is an error event. As
// in the browser an end by close frame is none, whatever its code says, and neither
// is one that was asked for.
func (c *Conn) hasFailed(err error) bool {
	return !c.closing.has(closeReceived) && err != net.ErrClosed
}

// serveMessages calls f with the messages and returns the error that ended that.
func (c *Conn) serveMessages(f func(*Conn, Message), reuse bool) error {
	receive := c.serveMessage
	if reuse {
		var guess bufpool.Guess
		receive = func(f func(*Conn, Message)) error { return c.servePooled(f, &guess) }
	}
	for {
		if err := receive(f); err != nil {
			return err
		}
		if c.closing.readError() == net.ErrClosed {
			return net.ErrClosed // by Conn.Close: what is buffered is not wanted any more
		}
	}
}

// serveMessage calls f with the next message.
func (c *Conn) serveMessage(f func(*Conn, Message)) error {
	kind, data, err := c.ReadMessage()
	if err == nil {
		f(c, Message{kind, data})
	}
	return err
}

// servePooled calls f with the next message, in a buffer from the pool.
func (c *Conn) servePooled(f func(*Conn, Message), guess *bufpool.Guess) error {
	kind, data, buf, err := c.receivePooled(guess.Size())
	if err != nil {
		return err
	}
	guess.Learn(len(data))
	f(c, Message{int(kind), data})
	bufpool.Put(buf)
	return nil
}
