package websocket

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestShutdownOfBothSides: each has more to send than fits on the way, and
// reads while it writes.
func TestShutdownOfBothSides(t *testing.T) {
	a, b := socketPair(t)
	for _, conn := range []net.Conn{a, b} {
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
		require.NoError(t, conn.(*net.TCPConn).SetWriteBuffer(4<<10))
	}
	left, right := newConn(a, connConfig{}), newConn(b, connConfig{client: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	for _, c := range []*Conn{left, right} {
		for range 9 {
			require.NoError(t, c.Send(BinaryMessage, make([]byte, 100_000)))
		}
		go func() { ended <- c.Shutdown(ctx, CloseNormalClosure, "") }()
	}
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
}
