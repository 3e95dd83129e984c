package socket

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDetachedConn: it is a net.Conn like the one that it was made of.
func TestDetachedConn(t *testing.T) {
	eachDetached(t, func(t *testing.T, a, b net.Conn) {
		require.Equal(t, b.RemoteAddr().String(), a.LocalAddr().String())
		require.Equal(t, b.LocalAddr().String(), a.RemoteAddr().String())
		require.Equal(t, b.LocalAddr().Network(), a.LocalAddr().Network())
		go b.Write([]byte("hello"))
		buf := make([]byte, 5)
		_, err := io.ReadFull(a, buf)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buf))
		n, err := a.Write([]byte("world"))
		require.NoError(t, err)
		require.Equal(t, 5, n)
		_, err = io.ReadFull(b, buf)
		require.NoError(t, err)
		require.Equal(t, "world", string(buf))
		require.NoError(t, a.(interface{ CloseWrite() error }).CloseWrite())
		_, err = b.Read(buf)
		require.Equal(t, io.EOF, err)
		b.Write([]byte("last"))
		n, err = io.ReadFull(a, buf[:4])
		require.NoError(t, err)
		require.Equal(t, "last", string(buf[:n]))
		require.NoError(t, a.Close())
		require.ErrorIs(t, a.Close(), net.ErrClosed)
		_, err = a.Read(buf)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = a.Write(buf)
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, rawOf(t, a).Control(func(uintptr) {}), net.ErrClosed)
		require.Equal(t, b.LocalAddr().String(), a.RemoteAddr().String(), "also after the end")
	})
}

// TestDetachedDeadlines: those set before a call and during it end the call.
func TestDetachedDeadlines(t *testing.T) {
	eachDetached(t, func(t *testing.T, a, b net.Conn) {
		buf := make([]byte, 1)
		big := make([]byte, 16<<20)
		for _, ahead := range []time.Duration{-time.Second, 20 * time.Millisecond} {
			require.NoError(t, a.SetDeadline(time.Now().Add(ahead)))
			_, err := a.Read(buf)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			_, err = a.Write(big)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		require.NoError(t, a.SetDeadline(time.Time{}))
		ended := make(chan error, 2)
		go func() {
			_, err := a.Read(buf)
			ended <- err
		}()
		go func() {
			_, err := a.Write(big)
			ended <- err
		}()
		time.Sleep(20 * time.Millisecond) // until they wait, as a rule
		require.NoError(t, a.SetDeadline(time.Now()))
		require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
		require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
		require.NoError(t, a.SetDeadline(time.Time{}))
		go b.Write([]byte("x"))
		_, err := a.Read(buf)
		require.NoError(t, err)
	})
}

// TestDetachedCloseEndsCalls: calls that wait return when the socket is closed.
func TestDetachedCloseEndsCalls(t *testing.T) {
	eachDetached(t, func(t *testing.T, a, _ net.Conn) {
		ended := make(chan error, 2)
		go func() {
			_, err := a.Read(make([]byte, 1))
			ended <- err
		}()
		go func() {
			_, err := a.Write(make([]byte, 16<<20))
			ended <- err
		}()
		time.Sleep(20 * time.Millisecond) // until they wait, as a rule
		a.Close()
		require.ErrorIs(t, <-ended, net.ErrClosed)
		require.ErrorIs(t, <-ended, net.ErrClosed)
	})
}

// TestWriteVector writes two slices of many sizes, all of which arrive.
func TestWriteVector(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			d := detach(t, a)
			sizes := []int{1, 14, 4096, 100_000, 5 << 20}
			for _, first := range sizes {
				for _, second := range sizes {
					x, y := bytes.Repeat([]byte("x"), first), bytes.Repeat([]byte("y"), second)
					got := make(chan []byte)
					go func() {
						buf := make([]byte, first+second)
						_, err := io.ReadFull(b, buf)
						assert.NoError(t, err)
						got <- buf
					}()
					n, err := d.WriteVector(&[2][]byte{x, y})
					require.NoError(t, err)
					require.Equal(t, first+second, n)
					require.True(t, bytes.Equal(append(x, y...), <-got), "%d and %d", first, second)
				}
			}
			d.Close()
			_, err := d.WriteVector(&[2][]byte{{1}, {2}})
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

// TestDetachedInRaces closes a socket while others use it, and opens others, which get
// the same descriptor.
func TestDetachedInRaces(t *testing.T) {
	for range 200 {
		a, b := pair(t, "tcp")
		d := detach(t, a)
		var users sync.WaitGroup
		for _, use := range []func(){
			func() { d.Write([]byte("written")) },
			func() { TryRead(rawOf(t, d), d, make([]byte, 10)) },
			func() { d.SetReadDeadline(time.Now()); d.Read(make([]byte, 10)) },
			func() { rawOf(t, d).Control(func(uintptr) {}) },
			func() { net.Conn(d).(interface{ CloseWrite() error }).CloseWrite() },
			func() { d.Close() },
		} {
			users.Go(use)
		}
		users.Wait()
		require.ErrorIs(t, d.Close(), net.ErrClosed)
		got, _ := io.ReadAll(b)
		require.Contains(t, []string{"", "written"}, string(got), "bytes of another connection")
	}
}

// TestDetachOthers returns what is no socket as it is.
func TestDetachOthers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.True(t, Detach(a) == a)
	if supported {
		tcp, _ := pair(t, "tcp")
		d := detach(t, tcp)
		require.True(t, Detach(d) == net.Conn(d), "one that is detached")
		closed, _ := pair(t, "tcp")
		closed.Close()
		require.True(t, Detach(closed) == closed, "one that is closed")
		require.Equal(t, canLook, NewMonitor(d) != nil)
	}
}
