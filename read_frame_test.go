package websocket

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestIdleSocketHoldsNoBuffer checks that a connection over a socket has no read
// buffer between messages.
func TestIdleSocketHoldsNoBuffer(t *testing.T) {
	needsRawSockets(t)
	a, b := socketPair(t)
	server, client := newConn(a, connConfig{}), newConn(b, connConfig{client: true})
	require.NoError(t, client.WriteMessage(TextMessage, []byte("hello")))
	_, _, err := server.ReadMessage()
	require.NoError(t, err)
	server.SetReadDeadline(time.Now().Add(-time.Second))
	_, _, err = server.ReadMessage()
	require.True(t, isTimeout(err))
	require.Nil(t, server.read.frames.buf)
}

// TestSocketErrors reads from TCP sockets, which have methods of their own for that.
func TestSocketErrors(t *testing.T) {
	a, b := socketPair(t)
	c := newConn(a, connConfig{client: true})
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _, err := c.ReadMessage()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Regexp(t, `^read tcp .*: i/o timeout$`, err.Error())

	c.SetReadDeadline(time.Time{})
	b.SetLinger(0)
	b.Close() // with a reset
	_, _, err = c.ReadMessage()
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Regexp(t, `read tcp .*: (read: connection|recvfrom: Connection) reset by peer$`, err.Error()) // the latter: GOOS=js
	_, ok := err.(net.Error)
	require.True(t, ok)
	require.ErrorIs(t, err, net.ErrClosed)
	require.True(t, IsUnexpectedCloseError(err, CloseGoingAway))

	a, b = socketPair(t)
	c = newConn(a, connConfig{client: true})
	b.Close()
	_, _, err = c.ReadMessage()
	require.Equal(t, errEOF, err)

	a, _ = socketPair(t)
	c = newConn(a, connConfig{client: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, _, err = c.ReadMessageContext(ctx)
	require.Equal(t, context.DeadlineExceeded, err)
	go c.Close()
	_, _, err = c.ReadMessage()
	require.ErrorIs(t, err, net.ErrClosed)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestLostTransport(t *testing.T) {
	cause := errors.New("no connection")
	c := newConn(brokenStream{cause}, connConfig{})
	_, _, err := c.ReadMessage()
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, net.ErrClosed)
	require.True(t, IsCloseError(err, CloseAbnormalClosure))
	require.Equal(t, StateClosed, c.State())
	require.NoError(t, c.Close())
}

// TestETIMEDOUTEndsTheConnection checks that ETIMEDOUT, whose Timeout method returns
// true, is not taken for a deadline.
func TestETIMEDOUTEndsTheConnection(t *testing.T) {
	c := newConn(brokenStream{os.NewSyscallError("read", syscall.ETIMEDOUT)}, connConfig{})
	_, _, err := c.ReadMessage()
	require.ErrorIs(t, err, net.ErrClosed)
	require.Equal(t, StateClosed, c.State())
	_, _, again := c.ReadMessage()
	require.Equal(t, err, again)
}
