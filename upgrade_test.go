package websocket

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

func TestUpgradeHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, remote := newPipeHijacker(10, nil) // less than the answer
		start := time.Now()
		c, err := (&Upgrader{HandshakeTimeout: time.Minute}).Upgrade(w, parseRequest(t, sampleRequest), nil)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Nil(t, c)
		assert.Equal(t, time.Minute, time.Since(start))
		rest, err := io.ReadAll(remote)
		require.NoError(t, err, "the connection is closed")
		assert.Len(t, rest, 10)
	})
}

func TestUpgradeWriteFails(t *testing.T) {
	w, remote := newPipeHijacker(0, nil)
	require.NoError(t, remote.Close())
	c, err := new(Upgrader).Upgrade(w, parseRequest(t, sampleRequest), nil)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Nil(t, c)
	_, err = w.conn.Write([]byte("x"))
	assert.ErrorIs(t, err, net.ErrClosed)
}

// TestDeadlinesOfTheServerEnd: neither the deadlines of http.Server nor that
// of HandshakeTimeout outlast the handshake.
func TestDeadlinesOfTheServerEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestHandler(t)
		d.HandshakeTimeout = time.Second
		local, remote := wstest.Pipe(0, wstest.Whole)
		startServing(t, &http.Server{
			Handler: d, ReadTimeout: time.Second, ReadHeaderTimeout: time.Second, WriteTimeout: time.Second, IdleTimeout: time.Second,
		}, newOneConnListener(local))
		c, _, err := (&Dialer{NetDial: func(string, string) (net.Conn, error) { return remote, nil }}).Dial("ws://example.com/", nil)
		require.NoError(t, err)
		for range 3 {
			time.Sleep(time.Hour)
			require.NoError(t, c.WriteMessage(TextMessage, []byte("still there?")))
			_, p, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, "still there?", string(p))
		}
		require.NoError(t, c.Close())
	})
}

// TestDeadlinesOfTheServerEndOnSockets is the same in real time.
func TestDeadlinesOfTheServerEndOnSockets(t *testing.T) {
	const timeout = 200 * time.Millisecond // in which the handshake has to be done
	d := newTestHandler(t)
	s := httptest.NewUnstartedServer(d)
	s.Config.ReadTimeout, s.Config.WriteTimeout = timeout, timeout
	s.Start()
	t.Cleanup(s.Close)
	c, _, err := (&Dialer{}).Dial(s.URL, nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(timeout+timeout/2)))
	_, _, err = c.ReadMessage()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the server has nothing to say")
	expectEcho(t, c)
}

// TestDeadlinesOfForeignHijackerEnd: a server other than net/http's may leave
// its deadlines where they are.
func TestDeadlinesOfForeignHijackerEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, remote := newPipeHijacker(0, nil)
		require.NoError(t, w.conn.SetDeadline(time.Now().Add(time.Minute)))
		c, err := new(Upgrader).Upgrade(w, parseRequest(t, sampleRequest), nil)
		require.NoError(t, err)
		time.AfterFunc(time.Hour, func() { remote.Write((&peer{masked: true}).text("still there?")) })
		expectMessages(t, c, []string{"still there?"})
		require.NoError(t, c.WriteMessage(TextMessage, nil))
		require.NoError(t, c.Close())
	})
}

// A oneConnListener is a net.Listener with one connection.
type oneConnListener struct {
	conns chan net.Conn
	once  sync.Once
}

func newOneConnListener(conn net.Conn) *oneConnListener {
	h := &oneConnListener{conns: make(chan net.Conn, 1)}
	h.conns <- conn
	return h
}

func (h *oneConnListener) Accept() (net.Conn, error) {
	if conn, ok := <-h.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (h *oneConnListener) Close() error {
	h.once.Do(func() { close(h.conns) })
	return nil
}

func (h *oneConnListener) Addr() net.Addr { return &net.UnixAddr{Name: "listener", Net: "unix"} }

// TestServerConnTells: what a connection of a server says of itself.
func TestServerConnTells(t *testing.T) {
	for name, test := range map[string]struct {
		start func(http.Handler) *httptest.Server
		url   string
	}{
		"plain": {httptest.NewServer, "ws://example.com/chat%2F1?room=1"},
		"TLS":   {httptest.NewTLSServer, "wss://example.com/chat%2F1?room=1"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestHandler(t)
			conns := make(chan *Conn, 1)
			d.serve = func(c *Conn) {
				conns <- c
				c.ReadMessage()
			}
			s := test.start(d)
			t.Cleanup(s.Close)
			client, _, err := (&Dialer{TLSClientConfig: trusting(s)}).Dial(s.URL+"/chat%2F1?room=1", http.Header{"Host": {"example.com"}})
			require.NoError(t, err)
			defer client.Close()
			c := <-conns
			assert.Equal(t, test.url, c.URL())
			assert.Equal(t, "", c.Subprotocol())
			assert.Equal(t, "", c.Extensions())
			assert.Equal(t, StateOpen, c.State())
			assert.Equal(t, client.LocalAddr().String(), c.RemoteAddr().String())
			assert.Equal(t, s.Listener.Addr().String(), c.LocalAddr().String())
			assert.Equal(t, c.NetConn(), c.UnderlyingConn())
			if name == "TLS" {
				assert.IsType(t, &tls.Conn{}, c.NetConn())
			} else {
				assert.IsType(t, &net.TCPConn{}, c.NetConn())
			}
		})
	}
}

// TestRequestedURL: Conn.URL of a server, for request targets of all forms.
func TestRequestedURL(t *testing.T) {
	for target, want := range map[string]string{
		"/":                                "ws://example.com/",
		"/chat%2F1?room=1&x=%23":           "ws://example.com/chat%2F1?room=1&x=%23",
		"http://example.org/chat?room=1":   "ws://example.org/chat?room=1",
		"http://example.org:8080":          "ws://example.org:8080/",
		"https://user@example.org/a%2Fb?c": "ws://example.org/a%2Fb?c",
		"/a#b":                             "ws://example.com/a%23b",
		"/a?b#c":                           "ws://example.com/a?b%23c",
		"//other.example/":                 "ws://example.com//other.example/",
	} {
		text := strings.Replace(sampleRequest, "/chat?room=1", target, 1)
		d := newTestHandler(t)
		urls := make(chan string, 1)
		d.serve = func(c *Conn) { urls <- c.URL() }
		answer := rawExchange(t, d.listen(t).Listener.Addr(), text)
		require.Equal(t, 101, answer.status, target)
		got := <-urls
		assert.Equal(t, want, got, target)
		_, err := parseURL(got)
		assert.NoError(t, err, "it can be dialed")
	}
}

func TestUpgradeWithoutHijacker(t *testing.T) {
	broken := errors.New("not today")
	for _, test := range []struct {
		name   string
		wrap   func(http.ResponseWriter) http.ResponseWriter
		cause  error
		reason string
	}{
		{"cannot", func(w http.ResponseWriter) http.ResponseWriter { return opaqueWriter{w} }, http.ErrNotSupported,
			"websocket.opaqueWriter has neither a Hijack nor an Unwrap method"},
		{"cannot behind Unwrap", func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{opaqueWriter{w}} }, http.ErrNotSupported,
			"websocket.opaqueWriter has neither a Hijack nor an Unwrap method"},
		{"fails", func(w http.ResponseWriter) http.ResponseWriter { return brokenHijacker{w, broken} }, broken,
			"websocket.brokenHijacker.Hijack"},
		{"fails behind Unwrap", func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{brokenHijacker{w, broken}} }, broken,
			"websocket.brokenHijacker.Hijack"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.wrap = test.wrap
			answer := rawExchange(t, d.listen(t).Listener.Addr(), sampleRequest)
			assert.Equal(t, http.StatusInternalServerError, answer.status)
			assert.Equal(t, []string{"close"}, answer.header["Connection"])
			assert.Contains(t, answer.body, test.cause.Error())
			assert.Contains(t, answer.body, test.reason)
			err := <-d.outcomes
			var refused HandshakeError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, 500, refused.Status())
			assert.ErrorIs(t, err, test.cause)
		})
	}
}

// A brokenHijacker fails to hijack.
type brokenHijacker struct {
	http.ResponseWriter
	err error
}

func (w brokenHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, w.err }

// TestDeprecatedUpgradeLeavesTheAnswerAlone: the caller may serve a page.
func TestDeprecatedUpgradeLeavesTheAnswerAlone(t *testing.T) {
	w := httptest.NewRecorder()
	_, err := Upgrade(w, httptest.NewRequest("POST", "/", nil), nil, 0, 0)
	require.Error(t, err)
	require.Empty(t, w.Header())
}
