package websocket

import (
	"context"
	"iter"
)

// A Message is a data message as it was received.
type Message struct {
	// Type is [TextMessage] or [BinaryMessage].
	Type int

	// Data is the payload, which is the receiver's to keep. It is not nil.
	Data []byte
}

// Messages returns the messages that are still to come, to be ranged over:
//
//	for message, err := range conn.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// The loop ends without an error when the peer closes the connection normally:
// with a close frame that has code 1000 or 1001, or none. Any other end, that
// of ctx and of a read deadline too, is the error of the last turn of the
// loop, which has no message.
//
// It is the same as calling [Conn.ReadMessageContext] again and again. To leave
// the loop loses nothing: another one, or a read method, goes on with the next
// message.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			kind, data, err := c.ReadMessageContext(ctx)
			switch {
			case err == nil:
			case isNormalClose(err):
				return
			default:
				yield(Message{}, err)
				return
			}
			if !yield(Message{kind, data}, nil) {
				return
			}
		}
	}
}
