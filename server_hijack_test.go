package websocket

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
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

// TestStalledHandshakesDoNotBlockServer has a thousand clients that send a part of
// a request, and another one that is served all the same. http.Server closes the
// connections of the others after its ReadHeaderTimeout.
func TestStalledHandshakesDoNotBlockServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stalled, timeout = 1000, 10 * time.Second
		listener := newOneConnListener(nil)
		<-listener.conns
		startServing(t, &http.Server{Handler: newTestHandler(t), ReadHeaderTimeout: timeout}, listener)
		var clients sync.WaitGroup
		start := time.Now()
		for i := range stalled {
			local, remote := wstest.Pipe(0, wstest.Whole)
			listener.conns <- local
			io.WriteString(remote, sampleRequest[:1+i%(len(sampleRequest)-1)])
			clients.Go(func() {
				io.Copy(io.Discard, remote)
				assert.Equal(t, timeout, time.Since(start))
				remote.Close()
			})
		}
		synctest.Wait()
		local, remote := wstest.Pipe(0, wstest.Whole)
		listener.conns <- local
		c, _, err := (&Dialer{NetDial: func(string, string) (net.Conn, error) { return remote, nil }}).Dial("ws://example.com/", nil)
		require.NoError(t, err)
		require.NoError(t, c.WriteMessage(TextMessage, []byte("served")))
		expectMessages(t, c, []string{"served"})
		require.Equal(t, start, time.Now(), "at once")
		clients.Wait()
		require.NoError(t, c.Close())
	})
}

// TestEarlyBytesOnServer sends frames in one piece with the request.
func TestEarlyBytesOnServer(t *testing.T) {
	needsSockets(t)
	t.Run("plain", func(t *testing.T) { sendEarlyBytes(t, (*httptest.Server).Start) })
	t.Run("TLS", func(t *testing.T) { sendEarlyBytes(t, (*httptest.Server).StartTLS) })
}

// sendEarlyBytes sends frames in one piece with the request to a server.
func sendEarlyBytes(t *testing.T, start func(*httptest.Server)) {
	s, conns := newUpgradeServer(t)
	start(s)
	t.Cleanup(s.Close)
	var config *tls.Config
	if s.TLS != nil {
		config = clientTLSConfig(s)
	}
	eachEarlyCase(t, func(t *testing.T, messages []string, late, buffer int) {
		early, rest := earlyFrames(messages, true, late)
		request := strings.Replace(sampleRequest, "room=1", fmt.Sprint("buffer=", buffer), 1)
		conn := dialAndSend(t, s.Listener.Addr(), config, request+string(early))
		_, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		c := <-conns
		defer c.Close()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
		_, err = conn.Write(rest)
		require.NoError(t, err)
		expectMessages(t, c, messages)
	})
}

// TestEarlyBytesFromForeignHijacker has a server other than net/http's that has
// read more behind the request than any buffer of this package holds.
func TestEarlyBytesFromForeignHijacker(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 257, 4096, 4097, maxBuffer - 1, maxBuffer, maxBuffer + 1, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := strings.Repeat("x", size)
			early := (&peer{masked: true}).text(want)
			w, remote := newPipeHijacker(0, early)
			c, err := new(Upgrader).Upgrade(w, parseRequest(t, sampleRequest), nil)
			require.NoError(t, err)
			remote.Write((&peer{masked: true}).text("next"))
			expectMessages(t, c, []string{want, "next"})
			require.NoError(t, c.Close())
			_, _, err = c.ReadMessage()
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

// A bufferedConn reads through the bufio.Reader that its Hijack method returns.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// A wrappingHijacker is the ResponseWriter of a middleware that wraps connections.
type wrappingHijacker struct {
	http.ResponseWriter
	conn *bufferedConn
}

func (h *wrappingHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.conn.r, bufio.NewWriter(h.conn)), nil
}

// TestHijackerKeepsReader has a connection that goes on reading through the
// bufio.Reader of Hijack. What that has buffered must not be received twice.
func TestHijackerKeepsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(0, wstest.Whole)
		p := &peer{t: t, conn: b, masked: true}
		conn := &bufferedConn{a, bufio.NewReader(a)}
		p.send(p.text("early"))
		_, err := conn.r.Peek(1)
		require.NoError(t, err)
		var u Upgrader
		c, err := u.Upgrade(&wrappingHijacker{httptest.NewRecorder(), conn}, parseRequest(t, sampleRequest), nil)
		require.NoError(t, err)
		p.send(p.text("later"))
		for _, want := range []string{"early", "later"} {
			_, data, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, want, string(data))
		}
		c.Close()
	})
}

// An unwrapWriter is the ResponseWriter of a middleware with an Unwrap method.
type unwrapWriter struct{ http.ResponseWriter }

func (w unwrapWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// An opaqueWriter is the ResponseWriter of a middleware without one.
type opaqueWriter struct{ http.ResponseWriter }

// TestUpgradeOverHTTP2 checks that a request over HTTP/2 is refused, with a
// response that HTTP/2 allows.
func TestUpgradeOverHTTP2(t *testing.T) {
	d := newTestHandler(t)
	s := httptest.NewUnstartedServer(d)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	resp, err := s.Client().Get(s.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 2, resp.ProtoMajor)
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode) // it is no extended CONNECT
	// RFC 9113, Section 8.2.2: fields of the connection must not be there.
	assert.Empty(t, resp.Header.Values("Upgrade"))
	assert.Empty(t, resp.Header.Values("Connection"))
	require.Error(t, <-d.upgradeErrors)
}

// TestUpgradeOnAllServers does a handshake and sends messages wherever net/http
// serves HTTP/1.1.
func TestUpgradeOnAllServers(t *testing.T) {
	for _, test := range []struct {
		name  string
		start func(t *testing.T, d *testHandler) (*Dialer, string)
	}{
		{"plain", func(t *testing.T, d *testHandler) (*Dialer, string) { return &Dialer{}, d.listen(t).URL }},
		{"middleware", func(t *testing.T, d *testHandler) (*Dialer, string) {
			d.middleware = func(w http.ResponseWriter) http.ResponseWriter { return unwrapWriter{unwrapWriter{w}} }
			return &Dialer{}, d.listen(t).URL
		}},
		{"mux", func(t *testing.T, d *testHandler) (*Dialer, string) {
			mux := http.NewServeMux()
			mux.Handle("GET /chat/{room}", d)
			s := httptest.NewServer(mux)
			t.Cleanup(s.Close)
			return &Dialer{}, s.URL + "/chat/1"
		}},
		{"TLS", func(t *testing.T, d *testHandler) (*Dialer, string) {
			s := httptest.NewTLSServer(d)
			t.Cleanup(s.Close)
			return &Dialer{TLSClientConfig: clientTLSConfig(s)}, s.URL
		}},
		{"TLS with HTTP/2 enabled", func(t *testing.T, d *testHandler) (*Dialer, string) {
			s := httptest.NewUnstartedServer(d)
			s.EnableHTTP2 = true
			s.StartTLS()
			t.Cleanup(s.Close)
			config := clientTLSConfig(s)
			config.NextProtos = []string{"h2", "http/1.1"}
			return &Dialer{TLSClientConfig: config}, s.URL
		}},
		{"Unix socket", func(t *testing.T, d *testHandler) (*Dialer, string) {
			path := listenUnix(t, d)
			return &Dialer{NetDial: func(string, string) (net.Conn, error) { return net.Dial("unix", path) }}, "ws://localhost/"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dialer, url := test.start(t, newTestHandler(t))
			c, resp, err := dialer.Dial(url, nil)
			require.NoError(t, err)
			defer c.Close()
			assert.Equal(t, 101, resp.StatusCode)
			requireEcho(t, c)
		})
	}
}

func TestUpgradeHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, remote := newPipeHijacker(10, nil) // less than the response has
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

// TestDeadlinesOfTheServerEnd checks that neither the deadlines of http.Server
// nor that of HandshakeTimeout hold after the handshake.
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
			require.NoError(t, c.WriteMessage(TextMessage, []byte("hello")))
			_, p, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, "hello", string(p))
		}
		require.NoError(t, c.Close())
	})
}

// TestDeadlinesOfTheServerEndOnSockets is the same in real time.
func TestDeadlinesOfTheServerEndOnSockets(t *testing.T) {
	const timeout = time.Second // enough for the handshake
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
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the server sends nothing")
	requireEcho(t, c)
}

// TestDeadlinesOfForeignHijackerEnd has a server other than net/http's that
// leaves its deadlines set.
func TestDeadlinesOfForeignHijackerEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, remote := newPipeHijacker(0, nil)
		require.NoError(t, w.conn.SetDeadline(time.Now().Add(time.Minute)))
		c, err := new(Upgrader).Upgrade(w, parseRequest(t, sampleRequest), nil)
		require.NoError(t, err)
		time.AfterFunc(time.Hour, func() { remote.Write((&peer{masked: true}).text("hello")) })
		expectMessages(t, c, []string{"hello"})
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

func TestUpgradeWithoutHijacker(t *testing.T) {
	broken := errors.New("hijack failed")
	for _, test := range []struct {
		name   string
		wrap   func(http.ResponseWriter) http.ResponseWriter
		cause  error
		reason string
	}{
		{"cannot", func(w http.ResponseWriter) http.ResponseWriter { return opaqueWriter{w} }, http.ErrNotSupported,
			"websocket.opaqueWriter has neither a Hijack nor an Unwrap method"},
		{"cannot behind Unwrap", func(w http.ResponseWriter) http.ResponseWriter { return unwrapWriter{opaqueWriter{w}} }, http.ErrNotSupported,
			"websocket.opaqueWriter has neither a Hijack nor an Unwrap method"},
		{"fails", func(w http.ResponseWriter) http.ResponseWriter { return brokenHijacker{w, broken} }, broken,
			"websocket.brokenHijacker.Hijack"},
		{"fails behind Unwrap", func(w http.ResponseWriter) http.ResponseWriter { return unwrapWriter{brokenHijacker{w, broken}} }, broken,
			"websocket.brokenHijacker.Hijack"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.middleware = test.wrap
			answer := rawExchange(t, d.listen(t).Listener.Addr(), sampleRequest)
			assert.Equal(t, http.StatusInternalServerError, answer.status)
			assert.Equal(t, []string{"close"}, answer.header["Connection"])
			assert.Contains(t, answer.body, test.cause.Error())
			assert.Contains(t, answer.body, test.reason)
			err := <-d.upgradeErrors
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
