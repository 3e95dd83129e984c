package websocket

import (
	"bytes"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestBacklogHasAFlusher checks that the rest of a write for which a socket had no
// room is written although nothing else is written.
func TestBacklogHasAFlusher(t *testing.T) {
	needsRawSockets(t)
	c, remote := newBlockedPair(t)
	require.NoError(t, c.Send(TextMessage, []byte("rest")))
	require.True(t, c.write.frames.hasBacklog())
	got := make([]byte, 0, 64)
	for buf := make([]byte, 1<<16); !bytes.HasSuffix(got, []byte("rest")); {
		n, err := remote.Read(buf)
		require.NoError(t, err)
		got = append(got, bytes.TrimLeft(buf[:n], "\x00")...)
	}
	require.Equal(t, "\x81\x04rest", string(got))
	wstest.Settle(t, "backlog", func() bool { return !c.write.frames.hasBacklog() && c.BufferedAmount() == 0 })
}

// TestBacklogAtTheEnd checks that Close ends calls that wait for the backlog, even
// while a message is under way.
func TestBacklogAtTheEnd(t *testing.T) {
	needsRawSockets(t)
	for _, messageUnderWay := range []bool{false, true} {
		c := newBlockedConn(t)
		result := c.write.ownQueue().addWaiting(finBit|firstByte(opText), []byte("waiting"))
		c.flushQueue()
		require.True(t, c.write.frames.hasBacklog())
		if messageUnderWay {
			c.write.lock.Acquire(nil, nil)
		}
		c.Close()
		<-result.done
		require.ErrorIs(t, result.err, net.ErrClosed)
	}
}
