package websocket_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

var normalClose = websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")

// A closeWriter writes a close frame in one of the ways there are.
type closeWriter struct {
	name  string
	write func(c *websocket.Conn) error
}

// closeWriters have no limit, or one that is not reached.
var closeWriters = []closeWriter{
	{"WriteMessage", func(c *websocket.Conn) error { return c.WriteMessage(websocket.CloseMessage, normalClose) }},
	{"WriteMessage with a deadline", func(c *websocket.Conn) error {
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		return c.WriteMessage(websocket.CloseMessage, normalClose)
	}},
	{"WriteControl", func(c *websocket.Conn) error {
		return c.WriteControl(websocket.CloseMessage, normalClose, time.Now().Add(30*time.Second))
	}},
	{"WriteControl without a deadline", func(c *websocket.Conn) error {
		return c.WriteControl(websocket.CloseMessage, normalClose, time.Time{})
	}},
	{"WriteMessageContext", func(c *websocket.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return c.WriteMessageContext(ctx, websocket.CloseMessage, normalClose)
	}},
	{"WritePreparedMessage", func(c *websocket.Conn) error { return c.WritePreparedMessage(preparedClose) }},
	{"NextWriter", writeCloseByNextWriter},
	{"Shutdown", func(c *websocket.Conn) error { return c.Shutdown(context.Background(), 1000, "") }},
}

var preparedClose, _ = websocket.NewPreparedMessage(websocket.CloseMessage, normalClose)

func writeCloseByNextWriter(c *websocket.Conn) error {
	w, err := c.NextWriter(websocket.CloseMessage)
	if err != nil {
		return err
	}
	w.Write(normalClose)
	return w.Close()
}

// readPause is what slow peers wait before each frame.
const readPause = 30 * time.Millisecond

// queueMessages queues 50 messages of 20 kB to a slow peer and returns what that
// is to receive. They are written in several batches, of which one takes more
// than half a second and one waits behind that.
func queueMessages(t *testing.T, c *websocket.Conn) (want []string) {
	return queueBy(t, func(data []byte) error { return c.Send(websocket.BinaryMessage, data) })
}

// queueBy is queueMessages by means of send.
func queueBy(t *testing.T, send func(data []byte) error) (want []string) {
	for i := range 50 {
		if i == 40 {
			time.Sleep(5 * readPause)
		}
		m := longMessage(i, 20_000)
		require.NoError(t, send([]byte(m)))
		want = append(want, digest(m))
	}
	return want
}

// answerClose answers a close frame, and ends the peer's side.
func (p *rawPeer) answerClose(code int) {
	p.t.Helper()
	p.send(p.closeFrame(code))
	go p.receive(0)
	p.closeWrite()
}

// TestCloseFrameFollowsTheQueue has a slow peer that gets all that was queued
// before a close frame, and then that.
func TestCloseFrameFollowsTheQueue(t *testing.T) {
	var tests []subtest
	for _, w := range closeWriters {
		for _, test := range overRoutes(func(t *testing.T, r route) {
			c, p := r.connect(t, narrow)
			received := p.receiving(readPause)
			want := queueMessages(t, c)
			written := async(func() error { return w.write(c) })
			got := wait(t, received, "the peer")
			require.Equal(t, want, got.messages)
			require.Equal(t, 1000, got.code, "%v", got.err)
			p.answerClose(1000)
			require.NoError(t, wait(t, written, w.name))
			_, _, err := c.ReadMessage()
			require.True(t, websocket.IsCloseError(err, 1000) || w.name == "Shutdown", "%v", err)
			require.Equal(t, websocket.CloseInfo{Code: 1000, WasClean: true}, c.CloseInfo())
		}) {
			tests = append(tests, subtest{w.name + "/" + test.name, test.run})
		}
	}
	together(t, tests)
}

// TestCloseFrameFollowsBroadcasts is the same for what a Group has queued.
func TestCloseFrameFollowsBroadcasts(t *testing.T) {
	ways := []closeWriter{
		{"Group.Shutdown", nil},
		{"WriteControl", func(c *websocket.Conn) error {
			return c.WriteControl(websocket.CloseMessage, normalClose, time.Now().Add(30*time.Second))
		}},
		{"WritePreparedMessage", func(c *websocket.Conn) error { return c.WritePreparedMessage(preparedClose) }},
	}
	var tests []subtest
	for _, way := range ways {
		for _, test := range overRoutes(func(t *testing.T, r route) {
			c, p := r.connect(t, narrow)
			var group websocket.Group
			group.Add(c)
			received := p.receiving(readPause)
			want := queueBy(t, func(data []byte) error {
				require.Equal(t, websocket.BroadcastResult{Sent: 1}, group.BroadcastBinary(data))
				return nil
			})
			written := async(func() error {
				if way.write == nil {
					return group.Shutdown(context.Background(), 1000, "")
				}
				return way.write(c)
			})
			got := wait(t, received, "the peer")
			require.Equal(t, want, got.messages)
			require.Equal(t, 1000, got.code, "%v", got.err)
			p.answerClose(1000)
			require.NoError(t, wait(t, written, way.name))
		}, tcpRoutes, tlsRoutes, http2Routes) {
			tests = append(tests, subtest{way.name + "/" + test.name, test.run})
		}
	}
	together(t, tests)
}

// TestCloseFrameFollowsWriters has a close frame written behind several
// WriteMessage that wait for their turn.
func TestCloseFrameFollowsWriters(t *testing.T) {
	together(t, overRoutes(func(t *testing.T, r route) {
		c, p := r.connect(t, narrow)
		var want []string
		var written []<-chan error
		for i := range 20 {
			m := longMessage(i, 40_000)
			want = append(want, digest(m))
			written = append(written, async(func() error { return c.WriteMessage(websocket.BinaryMessage, []byte(m)) }))
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second) // all are at work, or wait for those before
		written = append(written, async(func() error {
			return c.WriteControl(websocket.CloseMessage, normalClose, time.Now().Add(30*time.Second))
		}))
		got := p.receive(2 * readPause)
		require.ElementsMatch(t, want, got.messages)
		require.Equal(t, 1000, got.code, "%v", got.err)
		for _, result := range written {
			require.NoError(t, wait(t, result, "a writer"))
		}
	}))
}

// TestCloseFrameFollowsBatch has WriteMessage queue two answers, because there is a
// third request, and then a close frame written.
func TestCloseFrameFollowsBatch(t *testing.T) {
	for _, w := range closeWriters {
		t.Run(w.name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				s := r.source(t, options{})
				for range 10 {
					c, p := s.connect()
					p.send(p.frame(finText, "1"), p.frame(finText, "2"), p.frame(finText, "3"))
					for range 2 {
						_, data, err := c.ReadMessage()
						require.NoError(t, err)
						require.NoError(t, c.WriteMessage(websocket.TextMessage, data))
					}
					written := async(func() error { return w.write(c) })
					got := p.receive(0)
					require.Equal(t, []string{digest("1"), digest("2")}, got.messages)
					require.Equal(t, 1000, got.code, "%v", got.err)
					p.answerClose(1000)
					require.NoError(t, wait(t, written, w.name))
					c.Close()
				}
			}, tcpRoutes, tlsRoutes, http2Routes)
		})
	}
}
