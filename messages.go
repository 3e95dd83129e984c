package websocket

import (
	"context"
	"iter"
)

// A Message is a data message that was received: a MessageEvent in the browser.
type Message struct {
	// Type is [TextMessage] or [BinaryMessage].
	Type int

	// Data is the payload: data in the browser. It is not nil. It belongs to the
	// receiver; but see [Events].ReuseData.
	Data []byte
}

// Messages returns an iterator over the messages that are received from now on:
//
//	for message, err := range conn.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Printf("%s\n", message.Data)
//	}
//
// The loop ends without an error if the peer closes the connection normally: with
// a close frame that has code 1000 or 1001, or none. Any other end, that of ctx and
// of a read deadline included, is the error of the last iteration, which has no
// message.
//
// It is equivalent to calling [Conn.ReadMessageContext] repeatedly. After a break
// nothing is lost: another loop, or a read method, continues with the next message.
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
