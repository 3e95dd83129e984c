package socket

import (
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newQueue returns a queue, and skips the test where there are none.
func newQueue(t *testing.T) *Queue {
	t.Helper()
	if !CanQueue() {
		_, err := NewQueue()
		require.Error(t, err)
		t.Skip("there are no queues here")
	}
	q, err := NewQueue()
	require.NoError(t, err)
	t.Cleanup(func() { q.Close() })
	return q
}

func rawOf(t *testing.T, conn net.Conn) syscall.RawConn {
	t.Helper()
	raw := Raw(conn)
	if raw == nil && runtime.GOOS == "windows" {
		t.Skip("sockets are not used by their descriptors here")
	}
	require.NotNil(t, raw)
	return raw
}

// TestQueue: a socket is in the queue once for what has come, read or not, and again
// for what comes after that.
func TestQueue(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			q := newQueue(t)
			a, b := pair(t, network)
			key := Key{Index: 7, Generation: 1 << 31}
			require.NoError(t, q.Add(rawOf(t, a), key))
			ready, err := q.Poll(nil)
			require.NoError(t, err)
			require.Empty(t, ready)
			for range 3 {
				b.Write([]byte("x"))
				ready, err = q.Wait(nil)
				require.NoError(t, err)
				require.Equal(t, []Ready{{Key: key}}, ready)
				ready, err = q.Poll(nil)
				require.NoError(t, err)
				require.Empty(t, ready)
			}
			b.Close()
			ready, err = q.Wait(nil)
			require.NoError(t, err)
			require.Equal(t, []Ready{{key, true}}, ready)

			c, d := pair(t, network)
			require.NoError(t, q.Add(rawOf(t, c), Key{Index: 8}))
			require.NoError(t, q.Remove(rawOf(t, c)))
			require.Error(t, q.Remove(rawOf(t, c)))
			d.Write([]byte("x"))
			ready, err = q.Poll(nil)
			require.NoError(t, err)
			require.Empty(t, ready)
		})
	}
}

// TestQueueCloseEndsWait: and whatever is called after Close returns an error.
func TestQueueCloseEndsWait(t *testing.T) {
	q := newQueue(t)
	a, _ := pair(t, "tcp")
	require.NoError(t, q.Add(rawOf(t, a), Key{}))
	ended := make(chan error)
	go func() {
		_, err := q.Wait(nil)
		ended <- err
	}()
	time.Sleep(10 * time.Millisecond) // until it waits, as a rule
	q.Close()
	require.Error(t, <-ended)
	require.Error(t, q.Add(rawOf(t, a), Key{}))
	_, err := q.Poll(nil)
	require.Error(t, err)
}

// TestQueueOfClosedSockets: a socket that was closed cannot be added, and one that is
// closed leaves the queue.
func TestQueueOfClosedSockets(t *testing.T) {
	q := newQueue(t)
	a, b := pair(t, "tcp")
	raw := rawOf(t, a)
	require.NoError(t, q.Add(raw, Key{}))
	a.Close()
	b.Write([]byte("x"))
	b.Close()
	ready, err := q.Poll(nil)
	require.NoError(t, err)
	require.Empty(t, ready)
	require.ErrorIs(t, q.Add(raw, Key{}), net.ErrClosed)
}

// TestTryRead returns what there is, nothing, the end, and errors.
func TestTryRead(t *testing.T) {
	if !CanQueue() {
		t.Skip("it is not used here")
	}
	eachDetached(t, func(t *testing.T, a, b net.Conn) {
		raw, buf := rawOf(t, a), make([]byte, 100)
		n, err := TryRead(raw, a, buf)
		require.NoError(t, err)
		require.Zero(t, n)
		require.False(t, HasUnread(raw))
		b.Write([]byte("hello"))
		require.Eventually(t, func() bool { return HasUnread(raw) }, 10*time.Second, time.Millisecond)
		n, err = TryRead(raw, a, buf)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buf[:n]))
		b.Close()
		require.Eventually(t, func() bool { return HasUnread(raw) }, 10*time.Second, time.Millisecond)
		_, err = TryRead(raw, a, buf)
		require.Error(t, err)
		a.Close()
		_, err = TryRead(raw, a, buf)
		require.ErrorIs(t, err, net.ErrClosed)
		require.True(t, HasUnread(raw), "the error can be read")
	})
}

// eachDetached runs a test with both kinds of sockets, as they are and detached.
func eachDetached(t *testing.T, test func(t *testing.T, a, b net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			test(t, a, b)
		})
		t.Run(network+", detached", func(t *testing.T) {
			a, b := pair(t, network)
			d := detach(t, a)
			test(t, d, b)
		})
	}
}

// detach returns the Conn of a socket.
func detach(t *testing.T, a net.Conn) *Conn {
	t.Helper()
	if !supported {
		t.Skip("sockets cannot be detached here")
	}
	d := Detach(a)
	require.IsType(t, &Conn{}, d)
	t.Cleanup(func() { d.Close() })
	return d.(*Conn)
}

// TestQueueStorm adds and closes sockets, whose descriptors are used again and again,
// while others wait for events.
func TestQueueStorm(t *testing.T) {
	q := newQueue(t)
	const rounds = 300
	var events sync.WaitGroup
	events.Add(1)
	go func() {
		defer events.Done()
		for {
			ready, err := q.Wait(nil)
			if err != nil {
				return
			}
			for _, r := range ready {
				if int(r.Key.Index) >= rounds || r.Key.Generation != uint32(r.Key.Index)*7 {
					assert.Fail(t, "an unknown key", "%v", r.Key)
				}
			}
		}
	}()
	for i := range rounds {
		a, b := pair(t, "tcp")
		d := Detach(a)
		assert.NoError(t, q.Add(Raw(d), Key{int32(i), uint32(i) * 7}))
		go b.Write([]byte("x"))
		if i%2 == 0 {
			q.Remove(Raw(d))
		}
		d.Close()
		b.Close()
	}
	q.Close()
	events.Wait()
}
