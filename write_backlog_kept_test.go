package websocket

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/socket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestCloseKeepsWhatWaitsBehindACutWrite: Close ends the write that the flusher waits in,
// and the flusher goes on with what is queued behind it. All of it is left to Close.
func TestCloseKeepsWhatWaitsBehindACutWrite(t *testing.T) {
	needsRawSockets(t)
	a, b := socketPair(t)
	a.SetWriteBuffer(32 << 10) // or they grow
	b.SetReadBuffer(32 << 10)
	c := newConn(a, connConfig{})
	filler := make([]byte, 64<<10)
	filled := 0
	for full := 0; full < 200; full++ { // the kernel finds some more room at times
		n, err := socket.TryWrite(c.transport.raw, filler)
		require.NoError(t, err)
		if filled += n; n > 0 {
			full = 0
		}
		time.Sleep(2 * time.Millisecond)
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

// TestEndWhileCloseWaits: when the connection ends while Close waits for a writer, nothing
// of what was left to Close is written, and the call of WriteMessage that waits for it
// returns.
func TestEndWhileCloseWaits(t *testing.T) {
	needsRawSockets(t)
	c := newBlockedConn(t)
	w := &c.write.frames
	c.write.lock.Acquire(nil, nil) // as a writer does, so that WriteMessage leaves the writing to the flusher
	written := make(chan error, 1)
	go func() { written <- c.WriteMessage(TextMessage, []byte("one")) }()
	wstest.Settle(t, "the message is queued", c.write.hasQueued)
	c.write.lock.Release()
	wstest.Settle(t, "the flusher is at work", func() bool { return !w.lock.IsFree() })
	next, closed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(next)
		c.write.lock.Acquire(nil, nil)
	}()
	wstest.Settle(t, "the next writer waits", c.write.lock.HasWaiters)
	go func() {
		defer close(closed)
		c.Close()
	}()
	<-next // Close has ended the write
	c.abort(net.ErrClosed)
	c.write.lock.Release()
	<-closed
	require.ErrorIs(t, <-written, net.ErrClosed)
}

// TestConcurrentCloses: two calls of Close write what is queued, as one does.
func TestConcurrentCloses(t *testing.T) {
	needsRawSockets(t)
	for range 300 {
		a, b := socketPair(t)
		c := newConn(a, connConfig{})
		require.NoError(t, c.write.ownQueue().add(finBit|firstByte(opText), []byte("last")))
		var done sync.WaitGroup
		for range 2 {
			done.Go(func() { c.Close() })
		}
		got, err := io.ReadAll(b)
		require.NoError(t, err)
		require.Equal(t, "\x81\x04last", string(got))
		done.Wait()
		b.Close()
	}
}

// TestKeptAfterClose: what is left to Close when the connection has ended is lost, and
// those who wait for it are told.
func TestKeptAfterClose(t *testing.T) {
	c := newConn(&scriptedStream{}, connConfig{})
	require.NoError(t, c.Close())
	var told []error
	c.write.frames.lock.Acquire(nil, nil)
	c.write.frames.keepForClose([]byte("rest"), func(err error) { told = append(told, err) })
	c.write.frames.lock.Release()
	require.Equal(t, []error{net.ErrClosed}, told)
	require.False(t, c.write.frames.hasBacklog())
}

// TestCloseCutsAMessageOfNextWriter: Close ends a write of a writer from NextWriter, which
// gives up its message. What is queued follows, unless a part of that message was sent.
func TestCloseCutsAMessageOfNextWriter(t *testing.T) {
	needsRawSockets(t)
	long := []byte(strings.Repeat("x", 5000))
	for _, sent := range []bool{false, true} {
		a, b := socketPair(t)
		c := newConn(a, connConfig{writeBufferSize: 1000})
		writer, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		want := "\x81\x06queued"
		if sent {
			_, err = writer.Write(long)
			require.NoError(t, err)
			want = "\x01\x7e\x13\x88" + string(long)
		}
		require.NoError(t, c.write.ownQueue().add(finBit|firstByte(opText), []byte("queued")))
		c.write.frames.hurry()
		_, err = writer.Write(long)
		require.ErrorIs(t, err, net.ErrClosed)
		assert.True(t, c.write.lock.IsFree(), "sent: %v", sent)
		assert.Equal(t, sent, c.closing.writeError() != nil)
		c.write.frames.deadline.resume() // of hurry, which Close calls too
		require.NoError(t, c.Close())
		got, err := io.ReadAll(b)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
		require.ErrorIs(t, writer.Close(), net.ErrClosed)
	}
}
