package websocket_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// A limitedWrite writes a message with a limit that ends.
type limitedWrite struct {
	name  string
	write func(c *websocket.Conn, data string, limit time.Duration) error
}

var limitedWrites = []limitedWrite{
	{"WriteMessageContext", func(c *websocket.Conn, data string, limit time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		return c.WriteMessageContext(ctx, websocket.TextMessage, []byte(data))
	}},
	{"WriteMessageContext that is canceled", func(c *websocket.Conn, data string, limit time.Duration) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer time.AfterFunc(limit, cancel).Stop()
		return c.WriteMessageContext(ctx, websocket.TextMessage, []byte(data))
	}},
	{"WriteMessage", func(c *websocket.Conn, data string, limit time.Duration) error {
		c.SetWriteDeadline(time.Now().Add(limit))
		return c.WriteMessage(websocket.TextMessage, []byte(data))
	}},
	{"WritePreparedMessage", func(c *websocket.Conn, data string, limit time.Duration) error {
		pm, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(data))
		if err != nil {
			return err
		}
		c.SetWriteDeadline(time.Now().Add(limit))
		return c.WritePreparedMessage(pm)
	}},
	{"WriteJSON", func(c *websocket.Conn, data string, limit time.Duration) error {
		c.SetWriteDeadline(time.Now().Add(limit))
		return c.WriteJSON(data)
	}},
	{"WriteControl", func(c *websocket.Conn, data string, limit time.Duration) error {
		return c.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(limit))
	}},
}

// TestLimitEndsOwnWaitOnly: where the limit of a message ends behind what others
// have queued, that message alone is not sent.
func TestLimitEndsOwnWaitOnly(t *testing.T) {
	var tests []subtest
	for _, w := range limitedWrites {
		// The end comes inside of any frame there is, and between the batches.
		for _, limit := range []time.Duration{readPause / 3, 50 * time.Millisecond, 120 * time.Millisecond, 300 * time.Millisecond} {
			for _, test := range overRoutes(func(t *testing.T, r route) {
				if r.tls && w.name == "WriteControl" {
					t.Skip("it may begin where there is no room, and a limit that passes then ends the connection")
				}
				c, p := r.connect(t, narrow)
				received := p.receiving(readPause)
				want := queueAtOnce(t, c)
				requireLimit(t, c, w, limit, true)
				c.SetWriteDeadline(time.Time{})
				require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("later")))
				require.NoError(t, c.WriteMessage(websocket.CloseMessage, normalClose))
				got := wait(t, received, "the peer")
				require.Equal(t, append(want, digest("later")), got.messages)
				require.Equal(t, 1000, got.code, "%v", got.err)
			}) {
				tests = append(tests, subtest{w.name + "/" + limit.String() + "/" + test.name, test.run})
			}
		}
	}
	together(t, tests)
}

// queueAtOnce queues 40 messages of 20 kB and returns what is to be received. The
// first few are written at once, and the next writer finds the others in the
// queue.
func queueAtOnce(t *testing.T, c *websocket.Conn) (want []string) {
	for i := range 40 {
		m := longMessage(i, 20_000)
		require.NoError(t, c.Send(websocket.BinaryMessage, []byte(m)))
		want = append(want, digest(m))
	}
	return want
}

// requireLimit writes a message and checks that it ends with its limit. Only a
// control frame may be sent all the same where there is a queue: it goes out
// between two batches.
func requireLimit(t *testing.T, c *websocket.Conn, w limitedWrite, limit time.Duration, queue bool) {
	t.Helper()
	err := w.write(c, "late", limit)
	switch w.name {
	case "WriteControl":
		if err != nil || !queue {
			requireTimeout(t, c, err)
		}
	case "WriteMessageContext":
		require.Equal(t, context.DeadlineExceeded, err)
	case "WriteMessageContext that is canceled":
		require.Equal(t, context.Canceled, err)
	default:
		requireTimeout(t, c, err)
	}
	require.Equal(t, websocket.StateOpen, c.State())
}

// TestManyLimitsBehindAQueue has many messages give up one after the other, each
// in the middle of what others have queued, with senders beside them.
func TestManyLimitsBehindAQueue(t *testing.T) {
	together(t, overRoutes(func(t *testing.T, r route) {
		c, p := r.connect(t, narrow)
		received := p.receiving(2 * readPause)
		var want []string
		for i := range 40 {
			m := longMessage(i, 20_000)
			want = append(want, digest(m))
			require.NoError(t, c.Send(websocket.BinaryMessage, []byte(m)))
			if i >= 15 {
				w := limitedWrites[i%len(limitedWrites)]
				if r.tls && w.name == "WriteControl" { // as above
					w = limitedWrites[0]
				}
				requireLimit(t, c, w, time.Duration(i%7+1)*time.Millisecond, true)
				c.SetWriteDeadline(time.Time{})
			}
		}
		require.NoError(t, c.WriteMessage(websocket.CloseMessage, normalClose))
		got := wait(t, received, "the peer")
		require.Equal(t, want, got.messages)
		require.Equal(t, 1000, got.code, "%v", got.err)
	}))
}

// TestLimitBehindABlockedWriter: the message before has no limit and is being
// written by its own sender.
func TestLimitBehindABlockedWriter(t *testing.T) {
	var tests []subtest
	for _, w := range limitedWrites {
		for _, test := range overRoutes(func(t *testing.T, r route) {
			c, p := r.connect(t, narrow)
			m := longMessage("long", 500_000)
			written := async(func() error { return c.WriteMessage(websocket.BinaryMessage, []byte(m)) })
			time.Sleep(time.Second) // until it does not go on
			requireLimit(t, c, w, 50*time.Millisecond, false)
			c.SetWriteDeadline(time.Time{})
			received := p.receiving(0)
			require.NoError(t, wait(t, written, "the writer"))
			require.NoError(t, c.WriteMessage(websocket.CloseMessage, normalClose))
			got := wait(t, received, "the peer")
			require.Equal(t, []string{digest(m)}, got.messages)
			require.Equal(t, 1000, got.code, "%v", got.err)
		}) {
			tests = append(tests, subtest{w.name + "/" + test.name, test.run})
		}
	}
	together(t, tests)
}

// TestNextWriterDeadlineBehindAQueue: a message of NextWriter whose Close has met
// the write deadline is still there to be closed again.
func TestNextWriterDeadlineBehindAQueue(t *testing.T) {
	var tests []subtest
	for _, size := range []string{"short", "long"} {
		for _, again := range []string{"closed again", "left to the next"} {
			for _, test := range overRoutes(func(t *testing.T, r route) {
				c, p := r.connect(t, narrow)
				received := p.receiving(readPause)
				want := queueAtOnce(t, c)
				w, err := c.NextWriter(websocket.TextMessage)
				require.NoError(t, err)
				m := "4567"
				if size == "long" {
					m = longMessage("by NextWriter", 30_000)
				}
				c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
				n, err := io.WriteString(w, m)
				if err == nil {
					err = w.Close()
				}
				requireTimeout(t, c, err)
				c.SetWriteDeadline(time.Time{})
				_, err = io.WriteString(w, m[n:])
				require.NoError(t, err)
				if again == "closed again" {
					require.NoError(t, w.Close())
				}
				w, err = c.NextWriter(websocket.TextMessage)
				require.NoError(t, err)
				io.WriteString(w, "next")
				require.NoError(t, w.Close())
				require.NoError(t, c.WriteMessage(websocket.CloseMessage, normalClose))
				got := wait(t, received, "the peer")
				require.Equal(t, append(want, digest(m), digest("next")), got.messages)
				require.Equal(t, 1000, got.code, "%v", got.err)
			}) {
				tests = append(tests, subtest{size + "/" + again + "/" + test.name, test.run})
			}
		}
	}
	together(t, tests)
}
