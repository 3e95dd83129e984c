// Package echo sends WebSocket messages back to whom they came from.
//
// It is what the Autobahn suite asks of both testees, the server and the
// client: once it is open, a connection is the same on either side.
package echo

import (
	"io"

	"github.com/seed23105783/websocket"
)

// Messages sends every message back with the type it came with, and returns
// the error that ended the connection: never nil, and a
// [*websocket.CloseError] if that was a close frame from the peer. The caller
// closes c.
//
// A message is passed on while it arrives, so that its length does not matter.
// If it turns out to be invalid, the connection has failed, and the peer is
// left with the beginning of a message that never ends.
func Messages(c *websocket.Conn) error {
	for {
		if err := message(c); err != nil {
			return err
		}
	}
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
	// Copy allocates nothing: the writer has a buffer, and reads into that.
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close() // sends the last fragment, an empty one if need be
}
