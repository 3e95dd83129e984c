package websocket

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testTimeout bounds what a test waits for on a real socket.
const testTimeout = 20 * time.Second

// A testHandler is an http.Handler that upgrades every request.
type testHandler struct {
	Upgrader
	header   http.Header                                   // added to the answer
	wrap     func(http.ResponseWriter) http.ResponseWriter // a middleware
	serve    func(*Conn)                                   // nil: what comes is sent back
	outcomes chan error                                    // of each Upgrade
	hijacks  atomic.Int32
	running  sync.WaitGroup
}

// newTestHandler returns a handler that the test waits for at its end.
func newTestHandler(t *testing.T) *testHandler {
	d := &testHandler{outcomes: make(chan error, 100)}
	t.Cleanup(d.running.Wait)
	return d
}

func (d *testHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.running.Add(1)
	defer d.running.Done()
	w = hijackCounter{w, &d.hijacks}
	if d.wrap != nil {
		w = d.wrap(w)
	}
	c, err := d.Upgrade(w, r, d.header)
	d.outcomes <- err
	if err != nil {
		return
	}
	defer c.Close()
	if d.serve != nil {
		d.serve(c)
		return
	}
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

// listen serves the handler on a port of the loopback interface.
func (d *testHandler) listen(t *testing.T) *httptest.Server {
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return s
}

// A hijackCounter counts the hijackings of what it wraps.
type hijackCounter struct {
	http.ResponseWriter
	count *atomic.Int32
}

func (w hijackCounter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.count.Add(1)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// An unwrapper is what a middleware of today puts around a ResponseWriter.
type unwrapper struct{ http.ResponseWriter }

func (w unwrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// An opaqueWriter is what a careless middleware puts around one.
type opaqueWriter struct{ http.ResponseWriter }

// dialAndSend opens a connection to a server, over TLS if config is not nil, and
// sends text.
func dialAndSend(t *testing.T, addr net.Addr, config *tls.Config, text string) net.Conn {
	conn, err := net.Dial(addr.Network(), addr.String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	if config != nil {
		config.ServerName = "example.com"
		conn = tls.Client(conn, config)
	}
	require.NoError(t, conn.SetDeadline(time.Now().Add(testTimeout)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

// A rawResponse is a response as it came over the wire: http.Response hides the
// Connection header.
type rawResponse struct {
	status int
	header http.Header
	body   string
}

// rawExchange sends text to a server and returns the answer, behind which the
// server has to close.
func rawExchange(t *testing.T, addr net.Addr, text string) rawResponse {
	all, err := io.ReadAll(dialAndSend(t, addr, nil, text))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
	require.NoError(t, err)
	head := textproto.NewReader(bufio.NewReader(bytes.NewReader(all)))
	_, err = head.ReadLine()
	require.NoError(t, err)
	header, err := head.ReadMIMEHeader()
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return rawResponse{resp.StatusCode, http.Header(header), string(body)}
}

// expectEcho sends messages over a connection to a testHandler and gets them back.
func expectEcho(t *testing.T, c *Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
	for _, size := range []int{0, 5, 70_000} {
		require.NoError(t, c.WriteMessage(TextMessage, []byte(long[:size])))
		kind, p, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, TextMessage, kind)
		require.Equal(t, long[:size], string(p))
	}
}

func TestUpgradeRefuses(t *testing.T) {
	for _, test := range refusedRequests {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			answer := rawExchange(t, d.listen(t).Listener.Addr(), test.text(t))
			assert.Equal(t, test.status, answer.status)
			err := <-d.outcomes
			var refused HandshakeError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, test.status, refused.Status())
			assert.Contains(t, answer.body, err.Error())
			assert.Contains(t, answer.body, test.reason)
			assert.Less(t, len(answer.body), 200, "a short reason")
			assert.Contains(t, answer.header.Get("Content-Type"), "text/plain")
			assert.Zero(t, d.hijacks.Load())
			connection, allow, upgrade := []string{"close"}, "", ""
			switch test.status {
			case http.StatusMethodNotAllowed:
				allow = "GET"
			case http.StatusUpgradeRequired:
				connection, upgrade = []string{"close", "Upgrade"}, "websocket"
			}
			assert.Equal(t, connection, answer.header["Connection"])
			assert.Equal(t, allow, answer.header.Get("Allow"))
			assert.Equal(t, upgrade, answer.header.Get("Upgrade"))
			assert.Equal(t, "13", answer.header.Get("Sec-WebSocket-Version"))
		})
	}
}

func TestUpgradeAccepts(t *testing.T) {
	for _, test := range acceptedRequests {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.serve = func(*Conn) {}
			answer := rawExchange(t, d.listen(t).Listener.Addr(), test.text(t))
			require.NoError(t, <-d.outcomes)
			assert.Equal(t, 101, answer.status)
			key := parseRequest(t, test.text(t)).Header.Get("Sec-WebSocket-Key")
			assert.Equal(t, http.Header{
				"Upgrade":              {"websocket"},
				"Connection":           {"Upgrade"},
				"Sec-Websocket-Accept": {acceptKey(key)},
			}, answer.header)
			assert.Empty(t, answer.body)
			assert.EqualValues(t, 1, d.hijacks.Load())
		})
	}
}

func TestUpgradeRefusesOrigin(t *testing.T) {
	no := func(*http.Request) bool { return false }
	yes := func(*http.Request) bool { return true }
	for _, test := range []struct {
		name, origin string
		check        func(*http.Request) bool
		status       int
	}{
		{"same host", "http://example.com", nil, 101},
		{"another host", "http://evil.org", nil, 403},
		{"null", "null", nil, 403},
		{"repeated", "http://example.com\r\nOrigin: http://example.com", nil, 403},
		{"another host, welcome", "http://evil.org", yes, 101},
		{"same host, not welcome", "http://example.com", no, 403},
		{"none", "", no, 403},
		{"long, with escapes", "http://" + strings.Repeat("\u00fc\u2028", 1000), nil, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.CheckOrigin = test.check
			d.serve = func(*Conn) {}
			answer := rawExchange(t, d.listen(t).Listener.Addr(), addedLine("", "Origin: "+test.origin).text(t))
			require.Equal(t, test.status, answer.status)
			err := <-d.outcomes
			if test.status == 101 {
				require.NoError(t, err)
				return
			}
			var refused HandshakeError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, 403, refused.Status())
			origin := strings.ReplaceAll(test.origin, "\r\nOrigin:", ",")
			if len(origin) < 100 {
				assert.Contains(t, err.Error(), `origin "`+origin+`"`)
			}
			assert.Contains(t, err.Error(), `host "example.com"`)
			assert.Contains(t, err.Error(), "Upgrader.CheckOrigin")
			assert.Less(t, len(err.Error()), 1000)
			assert.NotContains(t, err.Error(), "\u2028")
			assert.Contains(t, answer.body, err.Error())
			assert.Equal(t, []string{"close"}, answer.header["Connection"])
			assert.Zero(t, d.hijacks.Load())
		})
	}
}

// TestUpgradeAsksCheckOriginLast: a CheckOrigin sees handshakes alone.
func TestUpgradeAsksCheckOriginLast(t *testing.T) {
	for _, test := range refusedRequests {
		asked := 0
		u := Upgrader{CheckOrigin: func(*http.Request) bool { asked++; return true }}
		_, err := u.Upgrade(httptest.NewRecorder(), parseRequest(t, test.text(t)), nil)
		require.Error(t, err, test.name)
		assert.Zero(t, asked, test.name)
	}
}

func TestUpgradeRefusesResponseHeader(t *testing.T) {
	for name, header := range refusedResponseHeaders {
		t.Run(name, func(t *testing.T) {
			d := newTestHandler(t)
			d.header = header
			answer := rawExchange(t, d.listen(t).Listener.Addr(), sampleRequest)
			assert.Equal(t, http.StatusInternalServerError, answer.status)
			assert.Equal(t, []string{"close"}, answer.header["Connection"])
			assert.Empty(t, answer.header.Values("Set-Cookie"))
			var refused HandshakeError
			require.ErrorAs(t, <-d.outcomes, &refused)
			assert.Equal(t, 500, refused.Status())
			assert.Zero(t, d.hijacks.Load())
		})
	}
}

// TestUpgradeOverHTTP2 refuses what HTTP/2 has no Upgrade for, with an answer
// that HTTP/2 allows.
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
	assert.Equal(t, http.StatusUpgradeRequired, resp.StatusCode)
	// RFC 9113, Section 8.2.2: fields of the connection must not be there.
	assert.Empty(t, resp.Header.Values("Upgrade"))
	assert.Empty(t, resp.Header.Values("Connection"))
	require.Error(t, <-d.outcomes)
}

// TestUpgradeEverywhere does a handshake and sends messages wherever net/http
// serves HTTP/1.1.
func TestUpgradeEverywhere(t *testing.T) {
	for _, test := range []struct {
		name  string
		start func(t *testing.T, d *testHandler) (*Dialer, string)
	}{
		{"plain", func(t *testing.T, d *testHandler) (*Dialer, string) { return &Dialer{}, d.listen(t).URL }},
		{"middleware", func(t *testing.T, d *testHandler) (*Dialer, string) {
			d.wrap = func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{unwrapper{w}} }
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
			return &Dialer{TLSClientConfig: trusting(s)}, s.URL
		}},
		{"TLS with HTTP/2 enabled", func(t *testing.T, d *testHandler) (*Dialer, string) {
			s := httptest.NewUnstartedServer(d)
			s.EnableHTTP2 = true
			s.StartTLS()
			t.Cleanup(s.Close)
			config := trusting(s)
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
			expectEcho(t, c)
		})
	}
}

// trusting returns a configuration with which a client trusts s.
func trusting(s *httptest.Server) *tls.Config {
	return s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}

// listenUnix serves a handler on a Unix socket and returns the path of that.
func listenUnix(t *testing.T, d *testHandler) string {
	// Not t.TempDir, whose names may be longer than a socket's may be.
	dir, err := os.MkdirTemp("", "ws")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	startServing(t, &http.Server{Handler: d}, listener)
	return path
}

// startServing runs a server until the end of the test.
func startServing(t *testing.T, s *http.Server, listener net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(listener)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
}

func (h *pipeHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	reader := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(h.early), h.conn), len(h.early)+16)
	if _, err := reader.Peek(len(h.early)); err != nil {
		return nil, nil, err
	}
	return h.conn, bufio.NewReadWriter(reader, bufio.NewWriter(h.conn)), nil
}

func TestUpgradeSubprotocols(t *testing.T) {
	for _, test := range []struct {
		name, offered string
		server        []string
		header        http.Header
		want          string
	}{
		{"the server's order", "b, a", []string{"a", "b"}, nil, "a"},
		{"over several lines", "x\r\nSec-WebSocket-Protocol: b", []string{"a", "b"}, nil, "b"},
		{"none in common", "x, y", []string{"a", "b"}, nil, ""},
		{"none offered", "", []string{"a"}, nil, ""},
		{"none spoken", "a", nil, nil, ""},
		{"the header's", "a, b", nil, http.Header{"Sec-Websocket-Protocol": {"b"}}, "b"},
		{"the header's, spelt as in the RFC", "a, b", nil, http.Header{"Sec-WebSocket-Protocol": {"b"}}, "b"},
		{"not the header's", "a, b", []string{"a"}, http.Header{"Sec-Websocket-Protocol": {"b"}}, "a"},
		{"not the header's when none is in common", "x", []string{}, http.Header{"Sec-Websocket-Protocol": {"x"}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.Subprotocols, d.header = test.server, test.header
			chosen := make(chan string, 1)
			d.serve = func(c *Conn) { chosen <- c.Subprotocol() }
			answer := rawExchange(t, d.listen(t).Listener.Addr(), addedLine("", "Sec-WebSocket-Protocol: "+test.offered).text(t))
			require.NoError(t, <-d.outcomes)
			assert.Equal(t, test.want, <-chosen)
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			assert.Equal(t, want, answer.header["Sec-Websocket-Protocol"])
		})
	}
}

func TestUpgradeAddsResponseHeader(t *testing.T) {
	d := newTestHandler(t)
	d.header = http.Header{"Set-Cookie": {"a=b", "c=d"}, "x-lower": {"y"}}
	d.serve = func(*Conn) {}
	answer := rawExchange(t, d.listen(t).Listener.Addr(), sampleRequest)
	assert.Equal(t, []string{"a=b", "c=d"}, answer.header["Set-Cookie"])
	assert.Equal(t, "y", answer.header.Get("X-Lower"))
}

func TestUpgradeErrorHook(t *testing.T) {
	type call struct {
		status int
		reason error
	}
	for _, test := range refusedRequests {
		var calls []call
		u := Upgrader{Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			calls = append(calls, call{status, reason})
			w.WriteHeader(http.StatusTeapot)
		}}
		w := httptest.NewRecorder()
		_, err := u.Upgrade(w, parseRequest(t, test.text(t)), nil)
		require.Equal(t, []call{{test.status, err}}, calls, test.name)
		assert.Equal(t, http.StatusTeapot, w.Code)
		assert.Empty(t, w.Body.String(), "the answer is the hook's")
		assert.Contains(t, w.Header().Get("Connection"), "close")
		assert.Equal(t, test.status == 405, w.Header().Get("Allow") == "GET")
		assert.Equal(t, test.status == 426, w.Header().Get("Upgrade") == "websocket")
	}
}

func TestUpgradeFunction(t *testing.T) {
	header := http.Header{"Sec-Websocket-Protocol": {"chat"}, "X": {"y"}}
	r := parseRequest(t, addedLine("", "Origin: http://evil.org").text(t))
	w, remote := newPipeHijacker(0, nil)
	c, err := Upgrade(w, r, header, 1, 1)
	require.NoError(t, err, "the origin is the caller's to check")
	assert.Equal(t, "chat", c.Subprotocol())
	require.NoError(t, c.Close())
	resp, err := http.ReadResponse(bufio.NewReader(remote), nil)
	require.NoError(t, err)
	assert.Equal(t, "chat", resp.Header.Get("Sec-WebSocket-Protocol"))
	assert.Equal(t, "y", resp.Header.Get("X"))

	recorder := httptest.NewRecorder()
	_, err = Upgrade(recorder, parseRequest(t, requestEdit{"", ": 13", ": 8"}.text(t)), nil, 0, 0)
	var refused HandshakeError
	require.ErrorAs(t, err, &refused)
	assert.Empty(t, recorder.Body.String(), "the answer is the caller's")
}
