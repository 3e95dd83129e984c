package websocket_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// TestShutdownCodes: what each role may send arrives as it is. A close frame
// without a code has 1005 at the other end.
func TestShutdownCodes(t *testing.T) {
	for _, test := range []struct {
		code   int
		reason string
		client bool // a client may send it too
	}{
		{websocket.CloseNormalClosure, "bye", true},
		{websocket.CloseGoingAway, "the page was left", true},
		{websocket.CloseNoStatusReceived, "", true},
		{3000, "", true},
		{4999, strings.Repeat("x", 123), true},
		{websocket.CloseInternalServerErr, "", false},
		{websocket.CloseServiceRestart, "", false},
		{websocket.CloseTryAgainLater, "", false},
		{websocket.CloseBadGateway, "", false},
	} {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			eachVariant(t, func(t *testing.T, v variant) {
				c, peer := v.connect(t, websocket.ConnOptions{})
				if v.client && !test.client {
					require.Equal(t, websocket.ErrInvalidCloseCode, c.Shutdown(t.Context(), test.code, test.reason))
					transfer(t, c, peer, "the connection is as it was")
					return
				}
				ended := drain(peer)
				require.NoError(t, c.Shutdown(t.Context(), test.code, test.reason))
				require.Equal(t, websocket.CloseInfo{Code: test.code, WasClean: true}, c.CloseInfo(), "the answer has the same code")
				require.Equal(t, &websocket.CloseError{Code: test.code, Text: test.reason}, withTestTimeout(t, "the peer's end", ended))
				require.Equal(t, websocket.CloseInfo{Code: test.code, Reason: test.reason, WasClean: true}, peer.CloseInfo())
			})
		})
	}
}

// TestShutdownWithoutACode has nothing in its close frame, and no reason.
func TestShutdownWithoutACode(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		var written []websocket.FrameInfo
		c, peer := v.connect(t, websocket.ConnOptions{Trace: &websocket.Trace{
			FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) { written = append(written, f) },
		}})
		require.Equal(t, websocket.ErrInvalidCloseCode, c.Shutdown(t.Context(), websocket.CloseNoStatusReceived, "why"))
		require.Empty(t, written)
		ended := drain(peer)
		require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNoStatusReceived, ""))
		require.Equal(t, []websocket.FrameInfo{{Type: websocket.CloseMessage, Fin: true}}, written)
		require.True(t, websocket.IsCloseError(withTestTimeout(t, "the peer's end", ended), websocket.CloseNoStatusReceived))
		// For a loop over messages this is a normal end.
		for _, err := range peer.Messages(t.Context()) {
			t.Error(err)
		}
	})
}

// TestShutdownTimeout: without a deadline of its own the context gets one of ten
// seconds. A longer one is kept, and one that is canceled ends the wait.
func TestShutdownTimeout(t *testing.T) {
	for _, test := range []struct {
		name    string
		context func(ctx context.Context) (context.Context, context.CancelFunc)
		want    error
		after   time.Duration
	}{
		{"background", func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
			context.DeadlineExceeded, 10 * time.Second},
		{"without a deadline", context.WithCancel, context.DeadlineExceeded, 10 * time.Second},
		{"an earlier deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded, time.Second},
		{"a later deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Hour)
		}, context.DeadlineExceeded, time.Hour},
		{"canceled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(3*time.Second, cancel)
			return ctx, cancel
		}, context.Canceled, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, client := range []bool{false, true} {
				for _, full := range []bool{false, true} {
					synctest.Test(t, func(t *testing.T) {
						c, peer := websocket.Pipe()
						if client {
							c, peer = peer, c
						}
						defer peer.Close()
						if full { // not even the close frame can be sent
							c.Send(websocket.BinaryMessage, make([]byte, 100<<10))
							c.Send(websocket.BinaryMessage, make([]byte, 100<<10))
						}
						ctx, cancel := test.context(context.Background())
						defer cancel()
						start := time.Now()
						require.Equal(t, test.want, c.Shutdown(ctx, websocket.CloseNormalClosure, ""))
						require.Equal(t, test.after, time.Since(start))
						require.Equal(t, websocket.StateClosed, c.State())
						require.Equal(t, websocket.CloseInfo{Code: websocket.CloseAbnormalClosure}, c.CloseInfo())
					})
				}
			}
		})
	}
}

// TestGroupShutdownTimeout is the same for all members of a group, and for the
// codes that clients must not send.
func TestGroupShutdownTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g websocket.Group
		answering, answeringPeer := websocket.Pipe()
		silentPeer, silent := websocket.Pipe() // a client in the group
		defer silentPeer.Close()
		g.Add(answering)
		g.Add(silent)
		ended := drain(answeringPeer)
		start := time.Now()
		require.Equal(t, context.DeadlineExceeded, g.Shutdown(context.Background(), websocket.CloseServiceRestart, ""))
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Zero(t, g.Len())
		require.True(t, websocket.IsCloseError(<-ended, websocket.CloseServiceRestart))
		_, _, err := silentPeer.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "1012 is for servers")
	})
}
