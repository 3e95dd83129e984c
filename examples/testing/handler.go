// Package handler is a server that its tests show how to test: over a socket with
// net/http/httptest, and without waiting for time to pass with testing/synctest.
//
//	go test -v ./examples/testing
package handler

import (
	"context"
	"net/http"
	"time"

	"github.com/seed23105783/websocket"
)

// idleTimeout is how long a client may send nothing.
const idleTimeout = time.Minute

// New returns a handler that echoes messages and says goodbye to those who send none.
// The connections are members of the group.
func New(group *websocket.Group) http.Handler {
	upgrader := &websocket.Upgrader{
		Group:     group,
		KeepAlive: websocket.KeepAlive{Interval: 20 * time.Second, Timeout: 5 * time.Second},
	}
	return upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) { serve(conn) })
}

// serve is apart from the handler so that it can be tested without HTTP.
func serve(conn *websocket.Conn) {
	for {
		ctx, cancel := context.WithTimeout(conn.Context(), idleTimeout)
		kind, message, err := conn.ReadMessageContext(ctx)
		cancel()
		switch {
		case err == nil:
			err = conn.WriteMessage(kind, message)
		case ctx.Err() == context.DeadlineExceeded:
			conn.Shutdown(conn.Context(), websocket.ClosePolicyViolation, "idle")
		}
		if err != nil {
			return
		}
	}
}
