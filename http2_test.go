package websocket_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	_ "github.com/seed23105783/websocket/http2"
)

// An http2Server is a server of a test, over TLS, that speaks HTTP/2.
type http2Server struct {
	*httptest.Server
	conns atomic.Int32 // TCP connections that were opened
}

// url returns the URL of a WebSocket connection.
func (s *http2Server) url() string { return "wss" + strings.TrimPrefix(s.URL, "https") + "/ws" }

// dialer returns a Dialer over HTTP/2 for the server.
func (s *http2Server) dialer(t *testing.T) *websocket.Dialer {
	d := &websocket.Dialer{HTTP2: &websocket.HTTP2{}, TLSClientConfig: s.tlsConfig()}
	t.Cleanup(d.CloseIdleConnections)
	return d
}

func (s *http2Server) tlsConfig() *tls.Config {
	return s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}

func serveHTTP2(t *testing.T, handler http.Handler, configure ...func(*http.Server)) *http2Server {
	websocket.NeedsSockets(t)
	s := &http2Server{Server: httptest.NewUnstartedServer(handler)}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	for _, f := range configure {
		f(s.Config)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// echoHTTP2 echoes messages.
func echoHTTP2(u *websocket.Upgrader) http.Handler {
	return u.Handler(func(c *websocket.Conn, r *http.Request) {
		for {
			kind, data, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, data) != nil {
				return
			}
		}
	})
}

// TestHTTP2Echo: messages of all sizes, both kinds, compressed or not, and by events.
func TestHTTP2Echo(t *testing.T) {
	echo := func(c *websocket.Conn, m websocket.Message) { c.WriteMessage(m.Type, m.Data) }
	for name, u := range map[string]*websocket.Upgrader{
		"plain":      {},
		"compressed": {Compression: &websocket.Compression{Threshold: -1}},
		"events":     {Events: &websocket.Events{Message: echo}},
	} {
		t.Run(name, func(t *testing.T) {
			handler := echoHTTP2(u)
			if u.Events != nil {
				handler = u.Handler(nil)
			}
			s := serveHTTP2(t, handler)
			d := s.dialer(t)
			d.Compression = u.Compression
			c, resp, err := d.Dial(s.url(), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, 2, resp.ProtoMajor)
			require.Equal(t, s.url(), c.URL())
			require.Nil(t, c.NetConn())
			require.Equal(t, s.Listener.Addr().String(), c.RemoteAddr().String())
			require.NotNil(t, c.LocalAddr())
			for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20, 5 << 20} {
				for kind := websocket.TextMessage; kind <= websocket.BinaryMessage; kind++ {
					message := []byte(longMessage("x", size))
					written := async(func() error { return c.WriteMessage(kind, message) })
					gotKind, got, err := c.ReadMessage()
					require.NoError(t, err)
					require.Equal(t, kind, gotKind)
					require.True(t, bytes.Equal(message, got), "%d bytes", size)
					require.NoError(t, wait(t, written, "the writer"))
				}
			}
			require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, "bye"))
			require.True(t, c.CloseInfo().WasClean)
		})
	}
}

// TestHTTP2Handshake: what is negotiated and checked is what it is over HTTP/1.1.
func TestHTTP2Handshake(t *testing.T) {
	requests := make(chan *http.Request, 10)
	u := &websocket.Upgrader{Subprotocols: []string{"b", "a"}, EnableCompression: true}
	handler := u.Handler(func(c *websocket.Conn, r *http.Request) {
		requests <- r
		c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%s %s %s", c.Subprotocol(), c.URL(), c.RemoteAddr()))
		c.ReadMessage()
	})
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "set", Value: "by-server", Path: "/"})
		handler.ServeHTTP(w, r)
	}))
	d := s.dialer(t)
	d.Subprotocols = []string{"a", "b"}
	d.EnableCompression = true
	d.Jar, _ = cookiejar.New(nil)
	c, _, err := d.Dial(s.url()+"?q=1", http.Header{"Origin": {s.URL}, "X-Test": {"yes"}})
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "b", c.Subprotocol())
	require.Contains(t, c.Extensions(), "permessage-deflate")
	_, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("b %s?q=1 %s", s.url(), c.LocalAddr()), string(data))
	r := <-requests
	require.Equal(t, "yes", r.Header.Get("X-Test"))
	require.Empty(t, r.Header.Get("Sec-WebSocket-Key"))
	require.NotEmpty(t, d.Jar.Cookies(r.URL.ResolveReference(mustURL(s.URL))))

	_, resp, err := d.Dial(s.url(), http.Header{"Origin": {"https://evil.example"}})
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	body, _ := io.ReadAll(resp.Body)
	require.Contains(t, string(body), "evil.example")

	response, err := s.Client().Get(s.URL + "/ws") // no handshake
	require.NoError(t, err)
	body, _ = io.ReadAll(response.Body)
	response.Body.Close()
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, string(body), "websocket/http2")
}

// TestHTTP2SharesAConnection: many WebSocket connections are streams of one TCP connection,
// and one that is not read does not hold up the others.
func TestHTTP2SharesAConnection(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	d := s.dialer(t)
	const n = 100
	stuck, _, err := d.Dial(s.url(), nil)
	require.NoError(t, err)
	defer stuck.Close()
	stuck.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	for err == nil { // nothing reads the echoes
		err = stuck.WriteMessage(websocket.BinaryMessage, make([]byte, 100_000))
	}
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			c, _, err := d.Dial(s.url(), nil)
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			for j := range 10 {
				want := fmt.Sprint(i, " ", j)
				assert.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(want)))
				_, data, err := c.ReadMessage()
				if !assert.NoError(t, err) || !assert.Equal(t, want, string(data)) {
					return
				}
			}
			assert.NoError(t, c.Shutdown(context.Background(), 1000, ""))
		})
	}
	clients.Wait()
	require.EqualValues(t, 1, s.conns.Load())
}

// TestHTTP2ManyStreams: more streams than a server allows on one connection take another.
func TestHTTP2ManyStreams(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	d := s.dialer(t)
	var conns []*websocket.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range 300 { // net/http allows 250
		c, _, err := d.Dial(s.url(), nil)
		require.NoError(t, err)
		conns = append(conns, c)
	}
	for i, c := range conns {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, fmt.Append(nil, i)))
	}
	for i, c := range conns {
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(data))
	}
	require.EqualValues(t, 2, s.conns.Load())
}

// TestHTTP2Ends: closing handshakes both ways, and ends without one.
func TestHTTP2Ends(t *testing.T) {
	for _, test := range []struct {
		name   string
		serve  func(c *websocket.Conn)
		client func(t *testing.T, c *websocket.Conn)
	}{
		{"the handler returns", func(c *websocket.Conn) {}, func(t *testing.T, c *websocket.Conn) {
			_, _, err := c.ReadMessage()
			require.True(t, websocket.IsCloseError(err, 1000), "%v", err)
		}},
		{"the server's code", func(c *websocket.Conn) { c.Shutdown(context.Background(), 4321, "why") }, func(t *testing.T, c *websocket.Conn) {
			_, _, err := c.ReadMessage()
			require.Equal(t, &websocket.CloseError{Code: 4321, Text: "why"}, err)
		}},
		{"the client's code", func(c *websocket.Conn) {
			_, _, err := c.ReadMessage()
			assert.True(t, websocket.IsCloseError(err, 4001), "%v", err)
		}, func(t *testing.T, c *websocket.Conn) {
			require.NoError(t, c.Shutdown(t.Context(), 4001, ""))
		}},
		{"the server's Close", func(c *websocket.Conn) { c.Close() }, func(t *testing.T, c *websocket.Conn) {
			_, _, err := c.ReadMessage()
			require.ErrorIs(t, err, net.ErrClosed)
			require.True(t, websocket.IsCloseError(err, 1006), "%v", err)
		}},
		{"the client's Close", func(c *websocket.Conn) {
			_, _, err := c.ReadMessage()
			assert.ErrorIs(t, err, net.ErrClosed)
			assert.True(t, websocket.IsCloseError(err, 1006), "%v", err)
		}, func(t *testing.T, c *websocket.Conn) { c.Close() }},
		{"Close beside a writer", func(c *websocket.Conn) {
			written := async(func() error { return c.WriteMessage(websocket.BinaryMessage, make([]byte, 10<<20)) })
			time.Sleep(20 * time.Millisecond)
			c.Close()
			assert.ErrorIs(t, <-written, net.ErrClosed)
		}, func(t *testing.T, c *websocket.Conn) { <-time.After(100 * time.Millisecond) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ended := make(chan struct{})
			u := &websocket.Upgrader{}
			s := serveHTTP2(t, u.Handler(func(c *websocket.Conn, _ *http.Request) {
				defer close(ended)
				test.serve(c)
			}))
			c, _, err := s.dialer(t).Dial(s.url(), nil)
			require.NoError(t, err)
			defer c.Close()
			test.client(t, c)
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Fatal("the handler does not return")
			}
		})
	}
}

// TestHTTP2LostConnection: the end of the TCP connection is that of all streams.
func TestHTTP2LostConnection(t *testing.T) {
	upgraded, errs := make(chan error, 10), make(chan error, 10)
	u := &websocket.Upgrader{}
	s := serveHTTP2(t, u.Handler(func(c *websocket.Conn, _ *http.Request) {
		upgraded <- nil
		_, _, err := c.ReadMessage()
		errs <- err
	}))
	d := s.dialer(t)
	var conns []*websocket.Conn
	for range 5 {
		c, _, err := d.Dial(s.url(), nil)
		require.NoError(t, err)
		defer c.Close()
		conns = append(conns, c)
		require.NoError(t, wait(t, upgraded, "the server"))
	}
	s.CloseClientConnections()
	for _, c := range conns {
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, net.ErrClosed)
		require.True(t, websocket.IsCloseError(err, 1006), "%v", err)
		require.ErrorIs(t, wait(t, errs, "the server"), net.ErrClosed)
	}
}

// TestHTTP2HandlerReturns: a handler that returns too early ends the connection, with an
// error that says so.
func TestHTTP2HandlerReturns(t *testing.T) {
	conns := make(chan *websocket.Conn, 1)
	u := &websocket.Upgrader{}
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		assert.NoError(t, err)
		conns <- c
	}))
	c, _, err := s.dialer(t).Dial(s.url(), nil)
	require.NoError(t, err)
	defer c.Close()
	_, _, err = c.ReadMessage()
	require.ErrorIs(t, err, net.ErrClosed)
	server := <-conns
	_, _, err = server.ReadMessage()
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorContains(t, err, "handler has returned")
	require.ErrorIs(t, server.WriteMessage(websocket.TextMessage, []byte("x")), net.ErrClosed)
	require.ErrorIs(t, server.Close(), nil)
}

// TestHTTP2Deadlines: a read that ends by a deadline or a context loses nothing.
func TestHTTP2Deadlines(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	c, _, err := s.dialer(t).Dial(s.url(), nil)
	require.NoError(t, err)
	defer c.Close()
	for i := range 3 {
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _, err = c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, _, err = c.ReadMessageContext(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, c.WriteMessage(websocket.TextMessage, fmt.Append(nil, i)))
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(data))
	}
	pinged := async(func() error {
		_, err := c.Ping(t.Context())
		return err
	})
	go c.ReadMessage()
	require.NoError(t, wait(t, pinged, "Ping"))
}

// TestHTTP2KeepAlive gives a silent peer up, on both sides.
func TestHTTP2KeepAlive(t *testing.T) {
	k := websocket.KeepAlive{Interval: 50 * time.Millisecond, Timeout: 200 * time.Millisecond}
	u := &websocket.Upgrader{KeepAlive: k}
	failed := make(chan error, 1)
	s := serveHTTP2(t, u.Handler(func(c *websocket.Conn, _ *http.Request) {
		_, _, err := c.ReadMessage()
		failed <- err
	}))
	c, _, err := s.dialer(t).Dial(s.url(), nil) // and it does not read
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, websocket.ErrKeepAlive, wait(t, failed, "the server"))
}

// TestHTTP2GroupShutdown ends connections that are streams, and waits for their handlers.
func TestHTTP2GroupShutdown(t *testing.T) {
	var group websocket.Group
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{Group: &group}))
	d := s.dialer(t)
	var errs []<-chan error
	for range 5 {
		c, _, err := d.Dial(s.url(), nil)
		require.NoError(t, err)
		defer c.Close()
		errs = append(errs, async(func() error {
			_, _, err := c.ReadMessage()
			return err
		}))
	}
	require.NoError(t, group.Shutdown(t.Context(), websocket.CloseGoingAway, ""))
	for _, err := range errs {
		require.True(t, websocket.IsCloseError(wait(t, err, "a client"), websocket.CloseGoingAway))
	}
}

// TestHTTP2FallBack: a server without HTTP/2, or without RFC 8441, gets HTTP/1.1 if that is
// wanted, and is an error otherwise.
func TestHTTP2FallBack(t *testing.T) {
	websocket.NeedsSockets(t)
	without := httptest.NewUnstartedServer(echoHTTP2(&websocket.Upgrader{}))
	without.StartTLS()
	defer without.Close()
	noALPN := httptest.NewUnstartedServer(echoHTTP2(&websocket.Upgrader{}))
	noALPN.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	noALPN.StartTLS()
	defer noALPN.Close()
	plain := httptest.NewServer(echoHTTP2(&websocket.Upgrader{}))
	defer plain.Close()
	for _, s := range []*httptest.Server{without, noALPN, plain} {
		url := "ws" + strings.TrimPrefix(s.URL, "http")
		d := websocket.Dialer{HTTP2: &websocket.HTTP2{}, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		_, _, err := d.Dial(url, nil)
		if s == plain {
			require.Error(t, err) // and it is not known why
		} else {
			require.ErrorIs(t, err, websocket.ErrHTTP2)
		}
		d.HTTP2 = &websocket.HTTP2{FallBack: true}
		c, resp, err := d.Dial(url, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
		_, _, err = c.ReadMessage()
		require.NoError(t, err)
		c.Close()
		d.CloseIdleConnections()
	}
}

// TestHTTP2Unencrypted: a ws URL over HTTP/2 that both sides know of beforehand.
func TestHTTP2Unencrypted(t *testing.T) {
	websocket.NeedsSockets(t)
	s := httptest.NewUnstartedServer(echoHTTP2(&websocket.Upgrader{}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	d := websocket.Dialer{HTTP2: &websocket.HTTP2{}}
	defer d.CloseIdleConnections()
	url := "ws" + strings.TrimPrefix(s.URL, "http") + "/"
	for range 3 {
		c, resp, err := d.Dial(url, nil)
		require.NoError(t, err)
		require.Equal(t, 2, resp.ProtoMajor)
		require.Equal(t, url, c.URL())
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
		_, _, err = c.ReadMessage()
		require.NoError(t, err)
		require.NoError(t, c.Shutdown(t.Context(), 1000, ""))
	}
	c, _, err := websocket.DefaultDialer.Dial(url, nil) // HTTP/1.1 at the same address
	require.NoError(t, err)
	require.NoError(t, c.Shutdown(t.Context(), 1000, ""))
}

// TestHTTP2Limits: read limits and violations end a stream with their codes.
func TestHTTP2Limits(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{ReadLimit: 1000}))
	d := s.dialer(t)
	c, _, err := d.Dial(s.url(), nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, make([]byte, 1001)))
	_, _, err = c.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseMessageTooBig), "%v", err)
	require.EqualValues(t, 1, s.conns.Load())
}

// TestHTTP2HandshakeContext: the context of Dial ends the handshake, and nothing after it.
func TestHTTP2HandshakeContext(t *testing.T) {
	release := make(chan struct{})
	u := &websocket.Upgrader{}
	echo := echoHTTP2(u)
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "wait" {
			<-release
			return
		}
		echo.ServeHTTP(w, r)
	}))
	defer close(release)
	d := s.dialer(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, _, err := d.DialContext(ctx, s.url(), nil)
	require.NoError(t, err)
	defer c.Close()
	cancel()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)

	d.HandshakeTimeout = 50 * time.Millisecond
	_, _, err = d.Dial(s.url()+"?wait", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("the other stream goes on")))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	d.HandshakeTimeout = 0
	again, _, err := d.Dial(s.url(), nil)
	require.NoError(t, err)
	again.Close()
	require.EqualValues(t, 1, s.conns.Load())
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}
