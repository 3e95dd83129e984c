package websocket

import "net"

// Events are what happens to a connection, for programs in the style of the
// browser's WebSocket: see [Conn.Serve]. Every field may be nil. One Events
// value may serve any number of connections.
//
// A connection calls one function at a time, in an order that is the browser's:
// Open once, Message for each message, Error once if at all, and Close once, as
// the last. That need not be on the same goroutine each time.
//
// While a function runs, no message is received and no ping of the peer's is
// answered. It may call every method of the connection. It should not wait for
// what only a read method brings: for the pong of [Conn.Ping], for example.
type Events struct {
	// Open is called first.
	Open func(c *Conn)

	// Message is called with each data message.
	Message func(c *Conn, m Message)

	// Error is called before Close when the connection failed: when it ended
	// without a close frame of the peer's, and not by [Conn.Close]. The error
	// is what the read methods return.
	Error func(c *Conn, err error)

	// Close is called last, when the transport has been closed, with what
	// [Conn.CloseInfo] returns.
	Close func(c *Conn, info CloseInfo)
}

// JoinEvents returns Events that call the functions of all listeners, in this
// order. The data of a message is shared by them.
func JoinEvents(listeners ...Events) Events {
	var joined Events
	for _, l := range listeners {
		joined = Events{
			Open:    both1(joined.Open, l.Open),
			Message: both2(joined.Message, l.Message),
			Error:   both2(joined.Error, l.Error),
			Close:   both2(joined.Close, l.Close),
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

// Serve receives messages until the connection ends, and tells the events of
// it. It closes the connection in any case; where a function of events panics,
// it does so before the panic goes on to the caller, and calls no other.
//
// To end the connection from within, write a [CloseMessage] and return: the
// peer's answer makes the Close event. [Conn.Close] ends it at once.
//
// Serve returns nil when the peer has closed the connection normally, with code
// 1000 or 1001 or none, and otherwise the error of the read methods. While it
// runs there must be no other reader. A read deadline that passes ends it.
func (c *Conn) Serve(events Events) error {
	defer c.Close()
	events = JoinEvents(events, noEvents)
	events.Open(c)
	err := c.serveMessages(events.Message)
	c.Close()
	// As in the browser an end by close frame is no error, whatever its code
	// says, and neither is one that was asked for.
	if !c.closing.has(closeReceived) && err != net.ErrClosed {
		events.Error(c, err)
	}
	events.Close(c, c.CloseInfo())
	if isNormalClose(err) {
		return nil
	}
	return err
}

// serveMessages hands the messages to f and returns the error that ended that.
func (c *Conn) serveMessages(f func(*Conn, Message)) error {
	for {
		kind, data, err := c.ReadMessage()
		if err != nil {
			return err
		}
		f(c, Message{kind, data})
		if c.closing.readError() == net.ErrClosed {
			return net.ErrClosed // by Conn.Close: what is buffered is not wanted any more
		}
	}
}
