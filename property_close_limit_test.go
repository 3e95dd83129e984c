package websocket_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// closeDeadlines write a close frame with a deadline.
var closeDeadlines = []struct {
	name  string
	write func(c *websocket.Conn, deadline time.Time) error
}{
	{"WriteMessage", func(c *websocket.Conn, deadline time.Time) error {
		c.SetWriteDeadline(deadline)
		return c.WriteMessage(websocket.CloseMessage, normalClose)
	}},
	{"WriteControl", func(c *websocket.Conn, deadline time.Time) error {
		return c.WriteControl(websocket.CloseMessage, normalClose, deadline)
	}},
	{"WriteMessageContext", func(c *websocket.Conn, deadline time.Time) error {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		return c.WriteMessageContext(ctx, websocket.CloseMessage, normalClose)
	}},
	{"WritePreparedMessage", func(c *websocket.Conn, deadline time.Time) error {
		c.SetWriteDeadline(deadline)
		return c.WritePreparedMessage(preparedClose)
	}},
	{"NextWriter", func(c *websocket.Conn, deadline time.Time) error {
		c.SetWriteDeadline(deadline)
		return writeCloseByNextWriter(c)
	}},
}

// requireTimeout checks that err is the timeout of a deadline, and that c is as
// it was.
func requireTimeout(t *testing.T, c *websocket.Conn, err error) {
	t.Helper()
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "%v", err)
	require.NotErrorIs(t, err, net.ErrClosed)
	require.Equal(t, websocket.StateOpen, c.State())
}

// TestCloseFrameDeadline: a close frame whose deadline has passed, or passes
// while it waits for what is queued, is not sent. Nothing else changes.
func TestCloseFrameDeadline(t *testing.T) {
	var tests []subtest
	for _, way := range closeDeadlines {
		for name, left := range map[string]time.Duration{"passed": -time.Second, "passes": 5 * readPause} {
			for _, test := range overRoutes(func(t *testing.T, r route) {
				c, p := r.connect(t, narrow)
				received := p.receiving(readPause)
				want := queueMessages(t, c)
				requireTimeout(t, c, way.write(c, time.Now().Add(left)))
				c.SetWriteDeadline(time.Time{})
				require.NoError(t, c.Send(websocket.TextMessage, []byte("sent later")))
				require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("written later")))
				require.NoError(t, c.WriteControl(websocket.CloseMessage, normalClose, time.Time{}))
				got := wait(t, received, "the peer")
				require.Equal(t, append(want, digest("sent later"), digest("written later")), got.messages)
				require.Equal(t, 1000, got.code, "%v", got.err)
			}) {
				tests = append(tests, subtest{way.name + "/" + name + "/" + test.name, test.run})
			}
		}
	}
	together(t, tests)
}

// TestCloseFrameDeadlineWithNothingQueued: a deadline that has passed forbids the
// close frame even though it could be sent at once.
func TestCloseFrameDeadlineWithNothingQueued(t *testing.T) {
	for _, way := range closeDeadlines {
		t.Run(way.name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				c, p := r.connect(t, options{})
				requireTimeout(t, c, way.write(c, time.Now().Add(-time.Second)))
				c.SetWriteDeadline(time.Time{})
				require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("later")))
				require.NoError(t, c.WriteControl(websocket.CloseMessage, normalClose, time.Time{}))
				got := p.receive(0)
				require.Equal(t, []string{digest("later")}, got.messages)
				require.Equal(t, 1000, got.code)
			})
		})
	}
}

// TestCloseFrameInAnOpenMessage: a close frame does not wait for the end of a
// message of NextWriter, which may never come.
func TestCloseFrameInAnOpenMessage(t *testing.T) {
	var tests []subtest
	for _, way := range closeWriters {
		switch way.name {
		case "NextWriter", "Shutdown":
			continue // these end the message, or wait for that
		}
		for _, queued := range []bool{false, true} {
			name := way.name + "/nothing queued/"
			if queued {
				name = way.name + "/queued behind/"
			}
			for _, test := range overRoutes(func(t *testing.T, r route) {
				c, p := r.connect(t, options{})
				w, err := c.NextWriter(websocket.BinaryMessage)
				require.NoError(t, err)
				_, err = io.WriteString(w, longMessage("open", 100_000))
				require.NoError(t, err)
				if queued {
					require.NoError(t, c.Send(websocket.TextMessage, []byte("behind")))
				}
				received := p.receiving(0)
				within(t, 30*time.Second, way.name, func() { err = way.write(c) })
				require.NoError(t, err)
				got := wait(t, received, "the peer")
				require.Equal(t, 1000, got.code, "%v", got.err)
				require.Empty(t, got.messages)
				require.Contains(t, got.cut, "open|")
				_, err = io.WriteString(w, longMessage("more", 100_000))
				require.ErrorIs(t, err, websocket.ErrCloseSent)
				require.ErrorIs(t, w.Close(), websocket.ErrCloseSent)
			}) {
				tests = append(tests, subtest{name + test.name, test.run})
			}
		}
	}
	together(t, tests)
}
