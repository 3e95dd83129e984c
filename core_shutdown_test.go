package websocket

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestShutdownOfBothSides: each has more to send than fits on the way, and
// readUntilError while it writes.
func TestShutdownOfBothSides(t *testing.T) {
	a, b := socketPair(t)
	left, right := newConn(a, connConfig{sendQueueLimit: -1}), newConn(b, connConfig{client: true, sendQueueLimit: -1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	for _, c := range []*Conn{left, right} {
		for range 10 {
			require.NoError(t, c.Send(BinaryMessage, make([]byte, 2<<20)))
		}
		go func() { ended <- c.Shutdown(ctx, CloseNormalClosure, "") }()
	}
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
}
