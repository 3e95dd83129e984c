// Package browser opens the WebSocket of the browser, or of another JavaScript
// environment that has one: Node.js, Deno, a worker. It is for GOOS=js. Elsewhere
// Available is false, and Open returns an error.
package browser

import "errors"

// A Receiver gets what happens to a Socket after it has been opened, until Detach.
// The methods are called one at a time by the event loop and must not wait.
type Receiver interface {
	// Message is called for each message.
	Message(text bool, p Payload)

	// End is called once, when the connection is closed: with the code, the
	// reason and wasClean of the CloseEvent.
	End(code int, reason string, wasClean bool)
}

// A Payload is the payload of a received message. It is in the memory of
// JavaScript.
type Payload interface {
	// Len returns the length in bytes.
	Len() int

	// CopyTo copies from the payload, from the given byte on, to dst.
	CopyTo(dst []byte, from int)
}

// Errors of Send.
var (
	ErrNotOpen = errors.New("the browser's WebSocket is closing or closed")
	ErrNotUTF8 = errors.New("text is not UTF-8, and the browser sends no other")
)
