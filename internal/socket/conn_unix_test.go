//go:build unix

package socket

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestDetachedWithoutDescriptors: calls wait all the same when the process has no
// descriptor left.
func TestDetachedWithoutDescriptors(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		x, b := pair(t, network)
		a := detach(t, x)
		release := wstest.TakeDescriptors(t)
		buf, big := make([]byte, 5), make([]byte, 8<<20)
		for range 3 {
			go func() {
				time.Sleep(30 * time.Millisecond)
				b.Write([]byte("hello"))
			}()
			_, err := io.ReadFull(a, buf)
			require.NoError(t, err)
			require.Equal(t, "hello", string(buf))
			written := make(chan error)
			go func() {
				n, err := a.Write(big)
				assert.Equal(t, len(big), n)
				written <- err
			}()
			time.Sleep(10 * time.Millisecond)
			_, err = io.ReadFull(b, make([]byte, len(big)))
			require.NoError(t, err)
			require.NoError(t, <-written)
		}
		a.SetDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := a.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = a.Write(big)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		a.SetDeadline(time.Time{})
		require.Nil(t, a.waits.Load().conn)

		read := make(chan error)
		go func() {
			_, err := a.Read(buf)
			read <- err
		}()
		time.Sleep(10 * time.Millisecond)
		release()
		wstest.Settle(t, "a descriptor", func() bool {
			w := a.waits.Load()
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.conn != nil
		})
		a.Close()
		require.ErrorIs(t, <-read, net.ErrClosed)
		_, err = a.Read(buf)
		require.ErrorIs(t, err, net.ErrClosed)
		require.Equal(t, "read", err.(*net.OpError).Op)
	}
}

// TestDetachedReadsNothing: a read of no bytes is done at once.
func TestDetachedReadsNothing(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		x, b := pair(t, network)
		a := detach(t, x)
		n, err := a.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = a.Write(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		b.Close()
		n, err = a.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
	}
}
