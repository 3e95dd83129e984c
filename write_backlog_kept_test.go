package websocket

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestCloseKeepsWhatWaitsBehindACutWrite: Close ends the write that the flusher waits in,
// and the flusher goes on with what is queued behind it. All of it is left to Close.
func TestCloseKeepsWhatWaitsBehindACutWrite(t *testing.T) {
	needsRawSockets(t)
	a, b := socketPair(t)
	c := newConn(a, connConfig{})
	filler := make([]byte, 64<<10)
	filled := 0
	for n := 1; n > 0; filled += n {
		var err error
		n, err = socket.TryWrite(c.transport.raw, filler)
		require.NoError(t, err)
	}
	w := &c.write.frames
	c.read.lock.Acquire(nil, nil) // as a reader does, so that Send leaves the writing to the flusher
	require.NoError(t, c.Send(TextMessage, []byte("one")))
	wstest.Settle(t, "the flusher is at work", func() bool { return !w.lock.IsFree() })
	require.NoError(t, c.Send(TextMessage, []byte("two")))
	w.hurry()
	wstest.Settle(t, "both messages are kept", func() bool {
		require.True(t, w.lock.Acquire(nil, nil))
		defer w.lock.Release()
		return len(w.ownBacklog().rest) == 10 && !c.write.hasQueued()
	})
	_, err := io.ReadFull(b, make([]byte, filled))
	require.NoError(t, err)
	w.deadline.resume() // of hurry, which Close calls too
	require.NoError(t, c.Close())
	c.read.lock.Release()
	got, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "\x81\x03one\x81\x03two", string(got))
	require.Zero(t, c.BufferedAmount())
}
