package websocket_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// Ends of connections whose peer reads nothing. TLS has limits of its own, which
// must not show: crypto/tls allows five seconds for the alert that closes a
// connection.

// megabyte is more than fits into narrow sockets.
var megabyte = []byte(longMessage("megabyte", 1<<20))

// A stuckEnd ends a connection on which writing is stuck. It returns within limit.
type stuckEnd struct {
	name    string
	limit   time.Duration
	options func(o *options)
	end     func(t *testing.T, c *websocket.Conn, p *rawPeer)
}

var stuckEnds = []stuckEnd{
	{"Close", 0, nil, func(t *testing.T, c *websocket.Conn, _ *rawPeer) { c.Close() }},
	{"Close beside a reader", 0, nil, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		ended := async(func() error {
			_, _, err := c.ReadMessage()
			return err
		})
		c.Close()
		require.ErrorIs(t, wait(t, ended, "the reader"), net.ErrClosed)
	}},
	{"Close beside writers", 0, nil, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		var written []<-chan error
		for range 3 {
			written = append(written, async(func() error { return c.WriteMessage(websocket.BinaryMessage, megabyte) }))
		}
		time.Sleep(20 * time.Millisecond) // until they wait
		written = append(written, async(func() error { return c.WriteControl(websocket.PingMessage, nil, time.Time{}) }))
		time.Sleep(20 * time.Millisecond)
		c.Close()
		for _, result := range written {
			require.ErrorIs(t, wait(t, result, "a writer"), net.ErrClosed)
		}
	}},
	{"Shutdown", 500 * time.Millisecond, nil, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, c.Shutdown(ctx, 1000, ""))
	}},
	{"Group.Shutdown", time.Second, nil, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		var group websocket.Group
		group.Add(c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, group.Shutdown(ctx, 1001, ""))
	}},
	{"SlowClose", time.Second, func(o *options) { o.queueLimit = 1 << 20 }, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		group := websocket.Group{Slow: websocket.SlowClose}
		group.Add(c)
		for group.BroadcastBinary(megabyte).Missed == 0 {
		}
		<-c.Done()
	}},
	{"WriteTimeout", 500 * time.Millisecond, writeTimeout, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		err := c.WriteMessage(websocket.BinaryMessage, megabyte)
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}},
	{"WriteTimeout beside a reader", 500 * time.Millisecond, writeTimeout, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		_, _, err := c.ReadMessage()
		require.True(t, websocket.IsCloseError(err, 1006), "%v", err)
	}},
	{"KeepAlive", 4 * time.Second, func(o *options) {
		// It begins before fill, which takes more than half a second.
		o.keepAlive = websocket.KeepAlive{Interval: 3 * time.Second, Timeout: time.Second}
	}, func(t *testing.T, c *websocket.Conn, _ *rawPeer) {
		_, _, err := c.ReadMessage()
		require.Equal(t, websocket.ErrKeepAlive, err)
	}},
	{"close frame of the peer", time.Second, nil, func(t *testing.T, c *websocket.Conn, p *rawPeer) {
		p.send(p.closeFrame(1001))
		_, _, err := c.ReadMessage()
		require.True(t, websocket.IsCloseError(err, 1001), "%v", err)
		c.Close()
	}},
	{"violation", time.Second, nil, func(t *testing.T, c *websocket.Conn, p *rawPeer) {
		p.send(p.frame(0x83, ""))
		_, _, err := c.ReadMessage()
		require.IsType(t, &websocket.ProtocolError{}, err)
	}},
}

func writeTimeout(o *options) { o.timeout = 500 * time.Millisecond }

// TestEndsOfStuckConnections: every end keeps the limit that it has.
func TestEndsOfStuckConnections(t *testing.T) {
	var tests []subtest
	for _, e := range stuckEnds {
		for _, test := range overRoutes(func(t *testing.T, r route) {
			o := narrow
			if e.options != nil {
				e.options(&o)
			}
			c, p := r.connect(t, o)
			fill(t, c)
			require.NoError(t, c.Send(websocket.BinaryMessage, megabyte))
			time.Sleep(500 * time.Millisecond) // until that is being written
			within(t, e.limit+5*time.Second, e.name, func() { e.end(t, c, p) })
			within(t, 10*time.Second, "closing the socket", func() { requireClosed(t, p) })
			<-c.Done()
		}) {
			tests = append(tests, subtest{e.name + "/" + test.name, test.run})
		}
	}
	together(t, tests)
}

// TestEndsOfFullConnections is the same where no write is under way.
func TestEndsOfFullConnections(t *testing.T) {
	var tests []subtest
	for _, e := range stuckEnds {
		if e.name == "WriteTimeout beside a reader" {
			continue // there has to be a write
		}
		for _, test := range overRoutes(func(t *testing.T, r route) {
			o := narrow
			if e.options != nil {
				e.options(&o)
			}
			c, p := r.connect(t, o)
			fill(t, c)
			within(t, e.limit+5*time.Second, e.name, func() { e.end(t, c, p) })
			within(t, 10*time.Second, "closing the socket", func() { requireClosed(t, p) })
			<-c.Done()
		}, tcpRoutes, tlsRoutes, unixRoutes) { // a write over HTTP/2 that fills the stream stays under way
			tests = append(tests, subtest{e.name + "/" + test.name, test.run})
		}
	}
	together(t, tests)
}

// fill fills the socket of a connection with what no peer could make sense of,
// until nothing more fits for a while: the kernel finds some more room at times. A stream
// of HTTP/2 has no room for a megabyte.
func fill(t *testing.T, c *websocket.Conn) {
	conn := socketOf(c)
	if conn == nil {
		return
	}
	defer conn.SetWriteDeadline(time.Time{})
	for full := 0; full < 10; full++ {
		conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := conn.Write(make([]byte, 1<<16))
		if n > 0 {
			full = 0
		} else {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	}
}

// requireClosed checks that the other end of a peer's socket or stream is closed, or
// closed within the time that a peer gets to read a last close frame.
func requireClosed(t *testing.T, p *rawPeer) {
	t.Helper()
	conn := p.socket
	if stream, ok := p.Conn.(streamConn); ok {
		conn = stream // its socket can have others
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := io.Copy(io.Discard, conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

// TestWriteLimitInsideAFrame: a write whose limit ends in the middle of its own
// frame ends the connection, and that at once.
func TestWriteLimitInsideAFrame(t *testing.T) {
	var tests []subtest
	for _, w := range limitedWrites {
		if w.name == "WriteControl" {
			continue // not that long
		}
		for _, test := range overRoutes(func(t *testing.T, r route) {
			c, p := r.connect(t, narrow)
			within(t, 15*time.Second, w.name, func() {
				err := w.write(c, string(megabyte), time.Second)
				for c.State() == websocket.StateOpen { // it had not begun, on a busy machine
					err = w.write(c, string(megabyte), time.Second)
				}
				require.ErrorIs(t, err, net.ErrClosed)
				require.True(t, websocket.IsCloseError(err, 1006), "%v", err)
			})
			require.Equal(t, websocket.StateClosed, c.State())
			requireClosed(t, p)
		}) {
			tests = append(tests, subtest{w.name + "/" + test.name, test.run})
		}
	}
	together(t, tests)
}

// readFor200ms reads with a context of 200 ms and returns what that returns.
func readFor200ms(t *testing.T, c *websocket.Conn) (data []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	within(t, 10*time.Second, "a read with a context of 200 ms", func() { _, data, err = c.ReadMessageContext(ctx) })
	return data, err
}

// TestReadLimitWithAPongToSend: a read that has a pong to send to a peer that
// reads nothing ends with its context, and the connection stays as it was.
func TestReadLimitWithAPongToSend(t *testing.T) {
	together(t, overRoutes(func(t *testing.T, r route) {
		c, p := r.connect(t, narrow)
		written := async(func() error { return c.WriteMessage(websocket.BinaryMessage, megabyte) })
		time.Sleep(500 * time.Millisecond) // until the sockets are full
		p.send(p.frame(finPing, "ping"))
		_, err := readFor200ms(t, c)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, websocket.StateOpen, c.State())

		received := p.receiving(0)
		require.NoError(t, wait(t, written, "the writer"))
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("later")))
		p.send(p.frame(finText, "request"))
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "request", string(data))
		require.NoError(t, c.WriteMessage(websocket.CloseMessage, normalClose))
		got := wait(t, received, "the peer")
		require.Equal(t, []string{digest(string(megabyte)), digest("later")}, got.messages)
		require.Equal(t, []string{"ping"}, got.pongs)
		require.Equal(t, 1000, got.code, "%v", got.err)
	}))
}

// TestPongsFillTheSocket: a peer sends pings and does not read the pongs, until
// they do not fit into the sockets any more. Reads go on, and end with their
// contexts. When the peer reads, it gets a pong for the last ping and for as many
// before as there was room for.
func TestPongsFillTheSocket(t *testing.T) {
	together(t, overRoutes(func(t *testing.T, r route) {
		// The buffer that the peer reads into is left as it is: TCP can stop for
		// good in both directions when it is made smaller on a connection.
		var o options
		rounds := 200 // more than fits into the sockets
		if r.http2 {
			o, rounds = narrow, 60 // and into the windows
		}
		c, p := r.connect(t, o)
		if conn := socketOf(c); conn != nil {
			conn.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(narrow.buffer)
		}
		const pings = 50
		var sent []string
		var frames [][]byte
		for i := range rounds {
			for j := range pings {
				sent = append(sent, fmt.Sprintf("%0125d", i*pings+j))
				frames = append(frames, p.frame(finPing, sent[len(sent)-1]))
			}
			frames = append(frames, p.frame(finText, fmt.Sprint(i)))
		}
		written := async(func() error {
			for _, frame := range frames {
				if _, err := p.Write(frame); err != nil {
					return err
				}
			}
			return nil
		})
		late := 0
		for i := range rounds {
			data, err := readFor200ms(t, c)
			for ; late < 50 && err == context.DeadlineExceeded; late++ {
				data, err = readFor200ms(t, c) // the peer may be slow
			}
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), string(data))
		}
		require.NoError(t, wait(t, written, "the peer"))
		_, err := readFor200ms(t, c)
		require.Equal(t, context.DeadlineExceeded, err)

		received := p.receiving(0)
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("later")))
		require.NoError(t, c.WriteMessage(websocket.CloseMessage, normalClose))
		got := wait(t, received, "the peer")
		require.Equal(t, []string{digest("later")}, got.messages)
		require.Equal(t, 1000, got.code, "%v", got.err)
		require.Subset(t, sent, got.pongs)
		require.IsIncreasing(t, got.pongs)
		require.Less(t, len(got.pongs), len(sent), "the sockets were not full")
		require.Equal(t, sent[len(sent)-1], got.pongs[len(got.pongs)-1])
	}))
}
