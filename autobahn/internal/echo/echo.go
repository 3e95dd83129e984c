// Package echo sends the messages of a WebSocket connection back. Both programs
// that the Autobahn suite tests, the server and the client, do that.
package echo

import (
	"io"

	"github.com/seed23105783/websocket"
)

// Messages sends every message back with its type until the connection ends. It
// returns the error that ended the connection, which is a
// [*websocket.CloseError] if the peer has sent a close frame. It never returns nil.
// The caller closes c.
//
// A message is sent back while it arrives, so that long messages need little memory.
// If a message turns out to be invalid, its beginning has been sent back.
func Messages(c *websocket.Conn) error {
	for {
		if err := message(c); err != nil {
			return err
		}
	}
}

// Events do the same as functions of events, with whole messages.
var Events = websocket.Events{
	ReuseData: true,
	Message: func(c *websocket.Conn, m websocket.Message) {
		if c.WriteMessage(m.Type, m.Data) != nil {
			c.Close()
		}
	},
}

func message(c *websocket.Conn) error {
	messageType, r, err := c.NextReader()
	if err != nil {
		return err
	}
	w, err := c.NextWriter(messageType)
	if err != nil {
		return err
	}
	// Copy allocates nothing: the writer is an io.ReaderFrom with a buffer.
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close() // sends the last fragment, which may be empty
}
