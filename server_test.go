package websocket

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestServerRefusesMalformedRequests checks what net/http refuses together with
// what this package refuses. The connection is closed after every refusal, so
// that no part of a body is taken for another request.
func TestServerRefusesMalformedRequests(t *testing.T) {
	for _, test := range []struct {
		requestEdit
		status int
	}{
		{requestEdit{"no Host", "Host: example.com\r\n", ""}, 400},
		{addHeader("two Hosts", "Host: example.org"), 400},
		{addHeader("Host repeated", "Host: example.com"), 400},
		{requestEdit{"space in the Host", "example.com", "example.com injected"}, 400},
		{requestEdit{"NUL in the Host", "example.com", "example\x00.com"}, 400},
		{addHeader("space before the colon", "Origin : http://example.com"), 400},
		{addHeader("folded line", "Origin: http://example.com\r\n injected"), 403}, // net/http joins the lines
		{requestEdit{"HTTP/1.0 with Keep-Alive", "HTTP/1.1\r\n", "HTTP/1.0\r\nKeep-Alive: timeout=5\r\n"}, 400},
		{requestEdit{"HTTP/2.0 as text", "HTTP/1.1", "HTTP/2.0"}, 505},
		{requestEdit{"no path", "GET /chat?room=1 ", "GET "}, 400},
		{addHeader("Content-Length", "Content-Length: 1"), 400},
		{addHeader("huge Content-Length", "Content-Length: 9223372036854775807"), 400},
		{addHeader("negative Content-Length", "Content-Length: -1"), 400},
		{addHeader("two Content-Lengths", "Content-Length: 0\r\nContent-Length: 5"), 400},
		{addHeader("Transfer-Encoding", "Transfer-Encoding: chunked"), 400},
		{addHeader("both", "Transfer-Encoding: chunked\r\nContent-Length: 0"), 400},
		{addHeader("unknown Transfer-Encoding", "Transfer-Encoding: gzip"), 501},
		{addHeader("Transfer-Encoding in a list", "Transfer-Encoding: chunked, identity"), 501},
		{addHeader("extensions malformed", "Sec-WebSocket-Extensions: permessage-deflate;"), 400},
		{addHeader("too many extensions", "Sec-WebSocket-Extensions: "+strings.Repeat("a,", maxExtensions+1)), 400},
		{addHeader("too many parameters", "Sec-WebSocket-Extensions: a"+strings.Repeat(";b", maxExtensions+1)), 400},
		{addHeader("null", "Origin: null"), 403},
		{addHeader("userinfo", "Origin: http://example.com@evil.org"), 403},
		{addHeader("userinfo of this host", "Origin: http://user@example.com"), 403},
		{addHeader("suffix", "Origin: http://notexample.com"), 403},
		{addHeader("prefix", "Origin: http://example.com.evil.org"), 403},
		{addHeader("another port", "Origin: http://example.com:8080"), 403},
		{addHeader("two Origins", "Origin: http://example.com\r\nOrigin: http://evil.org"), 403},
		{addHeader("empty Origin", "Origin:"), 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.EnableCompression = true
			smuggled := strings.Replace(sampleRequest, "/chat?room=1", "/smuggled", 1)
			answer := rawExchange(t, d.listen(t).Listener.Addr(), test.text(t)+smuggled)
			require.Equal(t, test.status, answer.status, answer.body)
			assert.Equal(t, "close", answer.header["Connection"][0])
			assert.NotContains(t, answer.body, "101 Switching")
			assert.Zero(t, d.hijacks.Load())
		})
	}
}

func TestUpgradeRefuses(t *testing.T) {
	for _, test := range refusedRequests {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			answer := rawExchange(t, d.listen(t).Listener.Addr(), test.text(t))
			assert.Equal(t, test.status, answer.status)
			err := <-d.upgradeErrors
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
			d.handle = func(*Conn) {}
			answer := rawExchange(t, d.listen(t).Listener.Addr(), test.text(t))
			require.NoError(t, <-d.upgradeErrors)
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
		{"another host that CheckOrigin allows", "http://evil.org", yes, 101},
		{"same host that CheckOrigin refuses", "http://example.com", no, 403},
		{"none", "", no, 403},
		{"long, with escapes", "http://" + strings.Repeat("\u00fc\u2028", 1000), nil, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.CheckOrigin = test.check
			d.handle = func(*Conn) {}
			answer := rawExchange(t, d.listen(t).Listener.Addr(), addHeader("", "Origin: "+test.origin).text(t))
			require.Equal(t, test.status, answer.status)
			err := <-d.upgradeErrors
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

// TestUpgradeAsksCheckOriginLast checks that CheckOrigin is called for valid
// handshakes only.
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
			require.ErrorAs(t, <-d.upgradeErrors, &refused)
			assert.Equal(t, 500, refused.Status())
			assert.Zero(t, d.hijacks.Load())
		})
	}
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
		{"none supported", "a", nil, nil, ""},
		{"by header", "a, b", nil, http.Header{"Sec-Websocket-Protocol": {"b"}}, "b"},
		{"by header, spelled as in the RFC", "a, b", nil, http.Header{"Sec-WebSocket-Protocol": {"b"}}, "b"},
		{"Subprotocols before the header", "a, b", []string{"a"}, http.Header{"Sec-Websocket-Protocol": {"b"}}, "a"},
		{"no Subprotocols before the header", "x", []string{}, http.Header{"Sec-Websocket-Protocol": {"x"}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newTestHandler(t)
			d.Subprotocols, d.header = test.server, test.header
			chosen := make(chan string, 1)
			d.handle = func(c *Conn) { chosen <- c.Subprotocol() }
			answer := rawExchange(t, d.listen(t).Listener.Addr(), addHeader("", "Sec-WebSocket-Protocol: "+test.offered).text(t))
			require.NoError(t, <-d.upgradeErrors)
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
	d.handle = func(*Conn) {}
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
		assert.Empty(t, w.Body.String(), "the hook writes the response")
		assert.Contains(t, w.Header().Get("Connection"), "close")
		assert.Equal(t, test.status == 405, w.Header().Get("Allow") == "GET")
		assert.Equal(t, test.status == 426, w.Header().Get("Upgrade") == "websocket")
	}
}

func TestUpgradeFunction(t *testing.T) {
	header := http.Header{"Sec-Websocket-Protocol": {"chat"}, "X": {"y"}}
	r := parseRequest(t, addHeader("", "Origin: http://evil.org").text(t))
	w, remote := newPipeHijacker(0, nil)
	c, err := Upgrade(w, r, header, 1, 1)
	require.NoError(t, err, "the caller has to check the origin")
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
	assert.Empty(t, recorder.Body.String(), "the caller writes the response")
}

// TestServerConnAccessors checks the addresses, the URL and the state of a
// server's connection.
func TestServerConnAccessors(t *testing.T) {
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
			d.handle = func(c *Conn) {
				conns <- c
				c.ReadMessage()
			}
			s := test.start(d)
			t.Cleanup(s.Close)
			client, _, err := (&Dialer{TLSClientConfig: clientTLSConfig(s)}).Dial(s.URL+"/chat%2F1?room=1", http.Header{"Host": {"example.com"}})
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

// TestRequestedURL checks Conn.URL of a server for all forms of request targets.
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
		d.handle = func(c *Conn) { urls <- c.URL() }
		answer := rawExchange(t, d.listen(t).Listener.Addr(), text)
		require.Equal(t, 101, answer.status, target)
		got := <-urls
		assert.Equal(t, want, got, target)
		_, err := parseURL(got)
		assert.NoError(t, err, "it can be dialed")
	}
}

// TestDeprecatedUpgradeWritesNoError checks that the response to a request that
// is refused is left to the caller.
func TestDeprecatedUpgradeWritesNoError(t *testing.T) {
	w := httptest.NewRecorder()
	_, err := Upgrade(w, httptest.NewRequest("POST", "/", nil), nil, 0, 0)
	require.Error(t, err)
	require.Empty(t, w.Header())
}
