package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/mempipe"
)

// TestHTTP2HandlerReturnsBesideAWriter: a handler returns while a write waits for the
// peer's flow control, and then the peer reads.
func TestHTTP2HandlerReturnsBesideAWriter(t *testing.T) {
	if websocket.RaceDetector {
		t.Skip("net/http does not synchronize the end of a handler with the use of its ResponseWriter")
	}
	for _, size := range []int{100, 10 << 10, 1 << 20} {
		written := make(chan error, 1)
		u := &websocket.Upgrader{}
		s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := u.Upgrade(w, r, nil)
			if !assert.NoError(t, err) {
				return
			}
			c.SetWriteDeadline(time.Now().Add(20 * time.Second))
			go func() {
				var err error
				for err == nil {
					err = c.WriteMessage(websocket.BinaryMessage, make([]byte, size))
				}
				written <- err
			}()
			for n := int64(-1); n != c.BufferedAmount(); { // until the writer waits
				n = c.BufferedAmount()
				time.Sleep(50 * time.Millisecond)
			}
		}))
		c, _, err := s.dialer(t).Dial(s.url(), nil)
		require.NoError(t, err)
		defer c.Close()
		time.Sleep(300 * time.Millisecond)
		for err == nil {
			_, _, err = c.ReadMessage()
		}
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, wait(t, written, "the writer"), net.ErrClosed)
	}
}

// TestHTTP2CloseBeforeTheHandlerReturns: the peer learns of Close at once, whatever the
// handler does after it.
func TestHTTP2CloseBeforeTheHandlerReturns(t *testing.T) {
	release := make(chan struct{})
	u := &websocket.Upgrader{}
	s := serveHTTP2(t, u.Handler(func(c *websocket.Conn, _ *http.Request) {
		c.Close()
		<-release
	}))
	defer close(release)
	c, _, err := s.dialer(t).Dial(s.url(), nil)
	require.NoError(t, err)
	defer c.Close()
	err = wait(t, async(func() error {
		_, _, err := c.ReadMessage()
		return err
	}), "the read")
	require.ErrorIs(t, err, net.ErrClosed)
	require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), "%v", err)
}

// TestHTTP2FirstDialsTogether: Dials that find no connection wait for the first one's.
func TestHTTP2FirstDialsTogether(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	d := s.dialer(t)
	var dialed []<-chan *websocket.Conn
	for range 50 {
		dialed = append(dialed, async(func() *websocket.Conn {
			c, _, err := d.Dial(s.url(), nil)
			assert.NoError(t, err)
			return c
		}))
	}
	for _, c := range dialed {
		if c := wait(t, c, "Dial"); c != nil {
			c.Close()
		}
	}
	require.EqualValues(t, 1, s.conns.Load())
}

// TestHTTP2RequestContext: a timeout that a middleware gives the request does not end the
// connection, as it does not over HTTP/1.1.
func TestHTTP2RequestContext(t *testing.T) {
	echo := echoHTTP2(&websocket.Upgrader{})
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 0)
		defer cancel()
		<-ctx.Done()
		echo.ServeHTTP(w, r.WithContext(ctx))
	}))
	c, _, err := s.dialer(t).Dial(s.url(), nil)
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}

// TestHTTP2WrappedWriter: a ResponseWriter that hides net/http's is refused, by its name,
// and one that has an Unwrap method is not.
func TestHTTP2WrappedWriter(t *testing.T) {
	type hidingWriter struct{ http.ResponseWriter }
	echo := echoHTTP2(&websocket.Upgrader{})
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "hiding" {
			echo.ServeHTTP(hidingWriter{w}, r)
			return
		}
		echo.ServeHTTP(unwrappingWriter{hidingWriter{w}, w}, r)
	}))
	d := s.dialer(t)
	_, resp, err := d.Dial(s.url()+"?hiding", nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "hidingWriter has neither deadlines nor an Unwrap method")

	c, _, err := d.Dial(s.url(), nil)
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}

type unwrappingWriter struct {
	http.ResponseWriter
	inner http.ResponseWriter
}

func (w unwrappingWriter) Unwrap() http.ResponseWriter { return w.inner }

// TestHTTP2Reset: RST_STREAM ends a connection, with either code and on either side: RFC 8441,
// Section 5. What came before it is read first.
func TestHTTP2Reset(t *testing.T) {
	for _, code := range []byte{2, h2CodeCancel} { // INTERNAL_ERROR is what net/http sends
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				c, p := r.connect(t, options{})
				p.send(p.frame(finText, "before"))
				require.NoError(t, p.Conn.(streamConn).reset(code))
				_, data, err := c.ReadMessage()
				require.NoError(t, err)
				require.Equal(t, "before", string(data))
				_, _, err = c.ReadMessage()
				requireLost(t, c, err)
				require.ErrorIs(t, c.WriteMessage(websocket.TextMessage, []byte("x")), net.ErrClosed)
			}, http2Routes)
		})
	}
}

// TestHTTP2EndStream: END_STREAM without a close frame is the end of TCP without one.
func TestHTTP2EndStream(t *testing.T) {
	eachRoute(t, func(t *testing.T, r route) {
		c, p := r.connect(t, options{})
		p.send(p.frame(finText, "before"))
		p.closeWrite()
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "before", string(data))
		_, _, err = c.ReadMessage()
		requireLost(t, c, err)
	}, http2Routes)
}

// TestHTTP2EndOfOurs: what the peer of a stream gets to see of its end.
func TestHTTP2EndOfOurs(t *testing.T) {
	eachRoute(t, func(t *testing.T, r route) {
		s := r.source(t, options{})
		c, p := s.connect()
		closed := async(func() error { return c.Shutdown(t.Context(), 4000, "") })
		f, err := p.next()
		require.NoError(t, err)
		require.Equal(t, 4000, f.closeCode())
		p.send(p.closeFrame(4000))
		p.expectEOF() // END_STREAM, of both roles
		p.closeWrite()
		require.NoError(t, wait(t, closed, "Shutdown"))

		if c, p = s.connect(); r.client {
			c.Close()
			_, err = p.next()
			require.ErrorIs(t, err, errReset)
			require.ErrorContains(t, err, fmt.Sprint("code ", h2CodeCancel))
		}
	}, http2Routes)
}

// TestHTTP2GoAway: a stream goes on after a GOAWAY that allows it, until the connection ends.
// It ends with one that does not.
func TestHTTP2GoAway(t *testing.T) {
	r := http2Routes[1]
	require.True(t, r.client)
	s := r.source(t, options{})
	c, p := s.connect()
	frames := p.Conn.(streamConn).frameConn
	require.NoError(t, frames.goAway(frames.stream))
	p.send(p.frame(finText, "after"))
	_, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "after", string(data))
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("answer")))
	f, err := p.next()
	require.NoError(t, err)
	require.Equal(t, "answer", f.payload)
	p.socket.Close()
	_, _, err = c.ReadMessage()
	requireLost(t, c, err)

	c, p = s.connect()
	require.NoError(t, p.Conn.(streamConn).goAway(0))
	read := async(func() error {
		_, _, err := c.ReadMessage()
		return err
	})
	requireLost(t, c, wait(t, read, "the read"))
}

// TestHTTP2ServerShutdown: http.Server.Shutdown waits for connections over HTTP/2, whose
// handlers run, and Group.Shutdown ends them.
func TestHTTP2ServerShutdown(t *testing.T) {
	var group websocket.Group
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{Group: &group}))
	d := s.dialer(t)
	c, _, err := d.Dial(s.url(), nil)
	require.NoError(t, err)
	defer c.Close()
	down := async(func() error { return s.Config.Shutdown(t.Context()) })
	for range 3 {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
		_, _, err = c.ReadMessage()
		require.NoError(t, err)
	}
	require.Empty(t, down)
	read := async(func() error {
		_, _, err := c.ReadMessage()
		return err
	})
	require.NoError(t, group.Shutdown(t.Context(), websocket.CloseGoingAway, ""))
	require.True(t, websocket.IsCloseError(wait(t, read, "the read"), websocket.CloseGoingAway))
	require.NoError(t, wait(t, down, "http.Server.Shutdown"))
}

// requireLost checks the error of a read from a stream that ended without a close frame.
func requireLost(t *testing.T, c *websocket.Conn, err error) {
	t.Helper()
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), "%v", err)
	require.Equal(t, websocket.CloseInfo{Code: websocket.CloseAbnormalClosure}, c.CloseInfo())
	<-c.Done()
}

// TestHTTP2StuckWriter: a peer that does not read holds up its own stream's writers, and no
// other stream's.
func TestHTTP2StuckWriter(t *testing.T) {
	const streams = 100
	conns := make(chan *websocket.Conn, streams)
	u := &websocket.Upgrader{}
	s := serveHTTP2(t, u.Handler(func(c *websocket.Conn, _ *http.Request) {
		conns <- c
		<-c.Done()
	}))
	d := s.dialer(t)
	var clients []*websocket.Conn
	var servers []*websocket.Conn
	for range streams {
		c, _, err := d.Dial(s.url(), nil)
		require.NoError(t, err)
		defer c.Close()
		server := <-conns
		defer server.Close() // which nothing reads from
		clients, servers = append(clients, c), append(servers, server)
	}
	stuck := servers[0]
	written := async(func() error { return stuck.WriteMessage(websocket.BinaryMessage, make([]byte, 64<<20)) })
	message := []byte(longMessage("x", 200_000))
	for i := 1; i < streams; i++ {
		sent := async(func() error { return servers[i].WriteMessage(websocket.TextMessage, message) })
		_, data, err := clients[i].ReadMessage()
		require.NoError(t, err)
		require.Equal(t, len(message), len(data))
		require.NoError(t, wait(t, sent, "a writer"))
	}
	require.Empty(t, written, "64 MiB fit into the windows")
	require.EqualValues(t, 1, s.conns.Load())
	require.NoError(t, stuck.Close())
	require.ErrorIs(t, wait(t, written, "the writer"), net.ErrClosed)
}

// TestHTTP2DeadConnection: a server that has vanished is noticed, all streams end, and the
// next Dial opens a connection.
func TestHTTP2DeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := make(chan *frameConn, 2)
		d := websocket.Dialer{
			HTTP2: &websocket.HTTP2{},
			NetDialContext: func(context.Context, string, string) (net.Conn, error) {
				client, server := mempipe.New(0, mempipe.Whole)
				go func() {
					frames, err := newFrameConn(server, true, 1<<20)
					if assert.NoError(t, err) && assert.NoError(t, frames.accept()) {
						servers <- frames
					}
				}()
				return client, nil
			},
		}
		defer d.CloseIdleConnections()
		c, _, err := d.Dial("ws://example.com/", nil)
		require.NoError(t, err)
		server := <-servers
		defer server.Conn.Close()
		time.Sleep(time.Hour) // pings are answered
		require.Equal(t, websocket.StateOpen, c.State())
		server.deaf.Store(true)
		start := time.Now()
		_, _, err = c.ReadMessage()
		requireLost(t, c, err)
		require.LessOrEqual(t, time.Since(start), 45*time.Second)

		c, _, err = d.Dial("ws://example.com/", nil)
		require.NoError(t, err)
		c.Close()
		server = <-servers
		server.Conn.Close()
	})
}

// TestHTTP2NetDialTLSContext: a connection of the caller's is used as what it has agreed to.
func TestHTTP2NetDialTLSContext(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	for protocol, want := range map[string]error{"h2": nil, "http/1.1": websocket.ErrHTTP2} {
		var handshakes []string
		d := s.dialer(t)
		d.NetDialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			config := s.tlsConfig()
			config.NextProtos = []string{protocol}
			return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
		}
		d.Trace = &websocket.Trace{HandshakeDone: func(c *websocket.Conn, r *http.Request, err error) {
			handshakes = append(handshakes, fmt.Sprint(c != nil, " ", r.URL.Path, " ", err != nil))
		}}
		c, _, err := d.Dial(s.url(), nil)
		require.ErrorIs(t, err, want)
		require.Equal(t, []string{fmt.Sprint(want == nil, " /ws ", want != nil)}, handshakes)
		if want == nil {
			require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
		}
	}
}

// TestHTTP2ServerTimeouts: the timeouts of the http.Server, which are for requests, do not
// end a connection.
func TestHTTP2ServerTimeouts(t *testing.T) {
	if testing.Short() {
		t.Skip("real time: the timeouts are those of the TLS handshake too")
	}
	const timeout = time.Second
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}), func(s *http.Server) {
		s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = timeout, timeout, timeout
	})
	c, _, err := s.dialer(t).Dial(s.url(), nil)
	require.NoError(t, err)
	for range 2 {
		time.Sleep(timeout + timeout/10)
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
		_, _, err = c.ReadMessage()
		require.NoError(t, err)
	}
	require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}

// TestHTTP2HandlerWaitsForWriters: when serve returns, or the client leaves, writers of other
// goroutines end before Upgrader.Handler returns. The race detector checks it.
func TestHTTP2HandlerWaitsForWriters(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		for _, size := range []int{10, 5000, 1 << 20} {
			written := make(chan error, 3)
			u := &websocket.Upgrader{KeepAlive: websocket.KeepAlive{Interval: time.Millisecond, Timeout: time.Minute}}
			s := serveHTTP2(t, u.Handler(func(c *websocket.Conn, _ *http.Request) {
				for range cap(written) {
					go func() {
						var err error
						for err == nil {
							err = c.WriteMessage(websocket.BinaryMessage, make([]byte, size))
						}
						written <- err
					}()
				}
				if leaves {
					c.ReadMessage()
				}
			}))
			for range 5 {
				c, _, err := s.dialer(t).Dial(s.url(), nil)
				require.NoError(t, err)
				if leaves {
					_, _, err = c.ReadMessage()
					require.NoError(t, err)
					c.Close()
				}
				for err == nil {
					_, _, err = c.ReadMessage()
				}
				for range cap(written) {
					err := wait(t, written, "a writer")
					require.True(t, errors.Is(err, net.ErrClosed) || errors.Is(err, websocket.ErrCloseSent), "%v", err)
				}
				c.Close()
			}
		}
	}
}
