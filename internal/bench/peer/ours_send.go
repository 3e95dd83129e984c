package peer

import (
	"errors"

	"github.com/seed23105783/websocket"
)

// echoSend queues the answers, and waits for them to be written when the queue
// is full.
func echoSend(c *websocket.Conn) {
	defer c.Close()
	var buf []byte
	for {
		kind, p, err := c.AppendMessage(buf[:0])
		if err != nil {
			return
		}
		buf = p
		err = c.Send(kind, p)
		if errors.Is(err, websocket.ErrSendQueueFull) {
			err = c.WriteMessage(kind, p)
		}
		if err != nil {
			return
		}
	}
}
