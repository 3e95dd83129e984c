package websocket_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// serveUnencryptedHTTP2 starts a server that echoes over HTTP/2 without TLS, and returns its
// URL.
func serveUnencryptedHTTP2(t *testing.T) string {
	websocket.NeedsSockets(t)
	s := httptest.NewUnstartedServer(echoHTTP2(&websocket.Upgrader{}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/"
}

// dialOnce opens a connection and closes it.
func dialOnce(t *testing.T, d *websocket.Dialer, url string) {
	t.Helper()
	c, _, err := d.Dial(url, nil)
	require.NoError(t, err)
	c.Close()
}

// TestHTTP2PoolKeepsNoFailedConnection: a TCP connection that is reset before HTTP/2 begins
// fails its own Dial, and no other.
func TestHTTP2PoolKeepsNoFailedConnection(t *testing.T) {
	url := serveUnencryptedHTTP2(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	reset := make(chan struct{}, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			reset <- struct{}{}
		}
	}()
	d := websocket.Dialer{HTTP2: &websocket.HTTP2{}, HandshakeTimeout: 20 * time.Second}
	d.NetDialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if address == l.Addr().String() {
			<-reset
			time.Sleep(20 * time.Millisecond) // until the reset has come
		}
		return c, err
	}
	defer d.CloseIdleConnections()
	_, _, err = d.Dial("ws://"+l.Addr().String()+"/", nil)
	require.Error(t, err)
	for range 3 {
		dialOnce(t, &d, url)
	}
}

// TestHTTP2WithoutStreams: a server that allows none is not dialed again and again.
func TestHTTP2WithoutStreams(t *testing.T) {
	websocket.NeedsSockets(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var open, dialed atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			dialed.Add(1)
			open.Add(1)
			go func() {
				defer open.Add(-1)
				defer c.Close()
				// RFC 9113, Section 6.5: SETTINGS with an extended CONNECT (8) and no streams (3),
				// and an acknowledgment of the client's.
				io.WriteString(c, "\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x01\x00\x03\x00\x00\x00\x00")
				io.WriteString(c, "\x00\x00\x00\x04\x01\x00\x00\x00\x00")
				io.Copy(io.Discard, c)
			}()
		}
	}()
	d := websocket.Dialer{HTTP2: &websocket.HTTP2{}}
	for range 2 {
		dialed.Store(0)
		_, _, err = d.Dial("ws://"+l.Addr().String()+"/", nil)
		require.ErrorIs(t, err, websocket.ErrHTTP2)
		require.ErrorContains(t, err, "allows no streams")
		require.LessOrEqual(t, dialed.Load(), int32(10))
		wstest.Settle(t, "the end of the connections", func() bool { return open.Load() == 0 })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err = d.DialContext(ctx, "ws://"+l.Addr().String()+"/", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	// net/http may be about to make another, which is kept.
	wstest.Settle(t, "the end of the connections", func() bool { return open.Load() <= 1 })
	wstest.Settle(t, "the end of the last", func() bool {
		d.CloseIdleConnections()
		return open.Load() == 0
	})
}

// TestHTTP2PoolOfBothSchemes: connections with and without TLS are kept apart.
func TestHTTP2PoolOfBothSchemes(t *testing.T) {
	plain, s := serveUnencryptedHTTP2(t), serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	d := s.dialer(t)
	for range 2 {
		dialOnce(t, d, plain)
		dialOnce(t, d, s.url())
	}
}

// TestHTTP2PoolOfAProxy: a Dialer with a proxy does not use the connections of one without.
func TestHTTP2PoolOfAProxy(t *testing.T) {
	url, h := serveUnencryptedHTTP2(t), &websocket.HTTP2{}
	defer h.CloseIdleConnections()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer proxy.Close()
	dialOnce(t, &websocket.Dialer{HTTP2: h}, url)
	_, _, err := (&websocket.Dialer{HTTP2: h, Proxy: http.ProxyURL(mustURL(proxy.URL))}).Dial(url, nil)
	require.Error(t, err)
}

// TestHTTP2GoAwayBeforeTheAnswer: a server that is shutting down has not seen the request,
// which goes to the next connection.
func TestHTTP2GoAwayBeforeTheAnswer(t *testing.T) {
	websocket.NeedsSockets(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for first := true; ; first = false {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				f, err := newFrameConn(c, true, h2DefaultWindow)
				if err != nil {
					return
				}
				if !first {
					f.accept()
					return
				}
				f.headers()
				f.goAway(0)
			}()
		}
	}()
	d := websocket.Dialer{HTTP2: &websocket.HTTP2{}, HandshakeTimeout: 20 * time.Second}
	defer d.CloseIdleConnections()
	dialOnce(t, &d, "ws://"+l.Addr().String()+"/")
}

// TestHTTP2RefusalThatStalls: Dial ends with its limit while a refusal's body does not come.
func TestHTTP2RefusalThatStalls(t *testing.T) {
	release := make(chan struct{})
	s := serveHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		http.NewResponseController(w).Flush()
		<-release
	}))
	defer close(release)
	d := s.dialer(t)
	d.HandshakeTimeout = time.Second
	_, resp, err := d.Dial(s.url(), nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
}

// TestHTTP2NotAgreedBesideAPool: a connection to a server that speaks HTTP/1.1 only is
// closed, also where there are connections over HTTP/2 already.
func TestHTTP2NotAgreedBesideAPool(t *testing.T) {
	s := serveHTTP2(t, echoHTTP2(&websocket.Upgrader{}))
	d := s.dialer(t)
	dialOnce(t, d, s.url())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err == nil {
			_, _, err = c.ReadMessage()
			c.Close()
		}
		ended <- err
	})}
	go server.Serve(tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates})) // without ALPN
	defer server.Close()
	_, _, err = d.Dial("wss://"+l.Addr().String()+"/", nil)
	require.ErrorIs(t, err, websocket.ErrHTTP2)
	require.ErrorIs(t, wait(t, ended, "the server"), net.ErrClosed)
}
