package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestServerRefusesMalformedRequests: what net/http refuses and what is left to
// this package, seen from the other end of the wire. Behind every refusal the
// connection is closed, so that nothing of a body is taken for a request.
func TestServerRefusesMalformedRequests(t *testing.T) {
	for _, test := range []struct {
		requestEdit
		status int
	}{
		{requestEdit{"no Host", "Host: example.com\r\n", ""}, 400},
		{addedLine("two Hosts", "Host: example.org"), 400},
		{addedLine("Host repeated", "Host: example.com"), 400},
		{requestEdit{"space in the Host", "example.com", "example.com evil"}, 400},
		{requestEdit{"NUL in the Host", "example.com", "example\x00.com"}, 400},
		{addedLine("space before the colon", "Origin : http://example.com"), 400},
		{addedLine("folded line", "Origin: http://example.com\r\n evil"), 403}, // net/http joins it
		{requestEdit{"HTTP/1.0 that stays", "HTTP/1.1\r\n", "HTTP/1.0\r\nKeep-Alive: timeout=5\r\n"}, 400},
		{requestEdit{"HTTP/2.0 in words", "HTTP/1.1", "HTTP/2.0"}, 505},
		{requestEdit{"no path", "GET /chat?room=1 ", "GET "}, 400},
		{addedLine("Content-Length", "Content-Length: 1"), 400},
		{addedLine("huge Content-Length", "Content-Length: 9223372036854775807"), 400},
		{addedLine("negative Content-Length", "Content-Length: -1"), 400},
		{addedLine("two Content-Lengths", "Content-Length: 0\r\nContent-Length: 5"), 400},
		{addedLine("Transfer-Encoding", "Transfer-Encoding: chunked"), 400},
		{addedLine("both", "Transfer-Encoding: chunked\r\nContent-Length: 0"), 400},
		{addedLine("unknown Transfer-Encoding", "Transfer-Encoding: gzip"), 501},
		{addedLine("Transfer-Encoding in a list", "Transfer-Encoding: chunked, identity"), 501},
		{addedLine("extensions malformed", "Sec-WebSocket-Extensions: permessage-deflate;"), 400},
		{addedLine("too many extensions", "Sec-WebSocket-Extensions: "+strings.Repeat("a,", maxExtensions+1)), 400},
		{addedLine("too many parameters", "Sec-WebSocket-Extensions: a"+strings.Repeat(";b", maxExtensions+1)), 400},
		{addedLine("null", "Origin: null"), 403},
		{addedLine("userinfo", "Origin: http://example.com@evil.org"), 403},
		{addedLine("userinfo of this host", "Origin: http://user@example.com"), 403},
		{addedLine("suffix", "Origin: http://notexample.com"), 403},
		{addedLine("prefix", "Origin: http://example.com.evil.org"), 403},
		{addedLine("another port", "Origin: http://example.com:8080"), 403},
		{addedLine("two Origins", "Origin: http://example.com\r\nOrigin: http://evil.org"), 403},
		{addedLine("empty Origin", "Origin:"), 403},
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

// hostileHeaders are values of header fields that are as long as they are told.
var hostileHeaders = map[string]func(n int) string{
	"commas":             func(n int) string { return strings.Repeat(",", n) },
	"spaces":             func(n int) string { return strings.Repeat(" ", n) },
	"spaces and commas":  func(n int) string { return strings.Repeat(" ,", n/2) },
	"tokens":             func(n int) string { return strings.Repeat("a,", n/2) },
	"one token":          func(n int) string { return strings.Repeat("a", n) },
	"a quote at the end": func(n int) string { return strings.Repeat("a", n) + `"` },
	"parameters":         func(n int) string { return "a" + strings.Repeat(";b", n/2) },
	"many parameters":    func(n int) string { return strings.Repeat("a"+strings.Repeat(";b=1", 100)+",", n/402+1) },
	"the same offer":     func(n int) string { return strings.Repeat("permessage-deflate; x,", n/22+1) },
	"quoted":             func(n int) string { return `a;b="` + strings.Repeat("c", n) + `"` },
	"escaped":            func(n int) string { return `a;b="` + strings.Repeat(`\c`, n/2) + `"` },
	"unended":            func(n int) string { return `a;b="` + strings.Repeat(`\`, n) },
	"spaces in between":  func(n int) string { return "a" + strings.Repeat(" ", n/2) + ";" + strings.Repeat(" ", n/2) + "b" },
}

// hostileParsers are what reads them, for a server and for a client.
var hostileParsers = map[string]func(value []string) int{
	"upgrade": func(v []string) int {
		IsWebSocketUpgrade(&http.Request{Header: http.Header{headerConnection: v, headerUpgrade: v}})
		return 0
	},
	"subprotocols": func(v []string) int {
		return len(Subprotocols(&http.Request{Header: http.Header{headerProtocol: v}}))
	},
	"offer": func(v []string) int {
		agreed, _ := acceptExtensions(http.Header{headerExtensions: v}, &Compression{})
		return len(agreed.extensions) / 100
	},
	"answer": func(v []string) int {
		agreed, _ := checkExtensions(http.Header{headerExtensions: v}, &Compression{})
		return len(agreed.extensions) / 100
	},
	"response": func(v []string) int {
		h := sampleAnswer.Clone()
		h[headerProtocol] = v
		checkResponse(h, sampleKey, nil)
		return 0
	},
}

// TestHeaderParsingIsLinear: a hostile header of 1 MiB costs no more than some
// of its length in memory, and what comes of it is limited in count. That the
// time is linear too shows BenchmarkHostileHeader, whose bytes per second are
// the same for both sizes.
func TestHeaderParsingIsLinear(t *testing.T) {
	countsAllocations(t)
	for parser, parse := range hostileParsers {
		for name, header := range hostileHeaders {
			for _, n := range []int{1 << 10, 1 << 20} {
				whole, lines := []string{header(n)}, strings.SplitAfterN(header(n), ",", 1000)
				for _, value := range [][]string{whole, lines} {
					require.Less(t, allocated(func() {
						require.LessOrEqual(t, parse(value), maxSubprotocols, "%s of %s", parser, name)
					}), uint64(6*n+256<<10), "%s of %s: %d", parser, name, n)
				}
			}
		}
	}
}

func BenchmarkHostileHeader(b *testing.B) {
	for parser, parse := range hostileParsers {
		for name, header := range hostileHeaders {
			for _, n := range []int{1 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("%s/%s/%d", parser, name, n), func(b *testing.B) {
					value := []string{header(n)}
					b.SetBytes(int64(n))
					for b.Loop() {
						parse(value)
					}
				})
			}
		}
	}
}

// TestNothingBreaksOutOfARequest: line breaks, however they are written into a
// URL, do not become lines of a request, to the server or to a proxy.
func TestNothingBreaksOutOfARequest(t *testing.T) {
	const evil = "%0d%0aEvil:%20yes%0d%0a"
	raw := "\r\nEvil: yes\r\n"
	for name, u := range map[string]*url.URL{
		"path":     {Scheme: "ws", Host: "example.com", Path: "/" + raw},
		"raw path": {Scheme: "ws", Host: "example.com", Path: "/" + raw, RawPath: "/" + evil},
		"query":    {Scheme: "ws", Host: "example.com", Path: "/", RawQuery: evil},
		"bad path": {Scheme: "ws", Host: "example.com", Path: "/", RawPath: "/" + raw},
		"bare":     {Scheme: "ws", Host: "example.com", Path: "/", RawQuery: raw},
		"opaque":   {Scheme: "ws", Opaque: "//example.com/" + raw},
		"host":     {Scheme: "ws", Host: "example.com" + raw, Path: "/"},
		"escaped":  {Scheme: "ws", Host: "example.com" + evil, Path: "/"},
		"zone":     {Scheme: "ws", Host: "[fe80::1%25" + evil + "]", Path: "/"},
		"raw zone": {Scheme: "ws", Host: "[fe80::1%" + raw + "]", Path: "/"},
		"user":     {Scheme: "ws", Host: "example.com", Path: "/", User: url.UserPassword(raw, raw)},
	} {
		for _, proxy := range []*url.URL{nil, {Scheme: "http", Host: "proxy.example", User: url.UserPassword(raw, raw)}, {Scheme: "http", Host: "proxy.example" + raw}} {
			t.Run(fmt.Sprintf("%s/%v", name, proxy != nil), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testNothingBreaksOut(t, u, proxy) })
			})
		}
	}
}

func testNothingBreaksOut(t *testing.T, u, proxy *url.URL) {
	s := newFakeNetwork(acceptHandshake)
	var written bytes.Buffer // requests are not in s.requests if they are none
	d := &Dialer{HandshakeTimeout: time.Minute}
	d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := s.dial(ctx, network, addr)
		return &recordingConn{conn, &written}, err
	}
	if proxy != nil {
		d.Proxy = http.ProxyURL(proxy)
		s.serve = func(conn net.Conn) {
			s.answer(conn, func(*http.Request) string { return "HTTP/1.1 200 OK\r\n\r\n" })
			s.answerOne(conn, acceptHandshake)
		}
	}
	if c, _, err := d.Dial(u.String(), nil); err == nil {
		require.NoError(t, c.Close())
	}
	s.open.Wait()
	synctest.Wait()
	for _, request := range strings.SplitAfter(written.String(), "\r\n\r\n") {
		assert.NotContains(t, strings.ToLower(request), "\nevil:")
		line, _, _ := strings.Cut(request, "\r\n")
		assert.LessOrEqual(t, strings.Count(line, " "), 2, "no more than the method, the target and the version")
	}
}

// A recordingConn keeps what is written.
type recordingConn struct {
	net.Conn
	written *bytes.Buffer
}

func (w *recordingConn) Write(p []byte) (int, error) {
	w.written.Write(p)
	return w.Conn.Write(p)
}

// TestZonesStayAtHome: RFC 6874, Section 4: the zone of an address means nothing
// to a proxy or a server.
func TestZonesStayAtHome(t *testing.T) {
	for _, zone := range []string{"eth0", "Ethernet%202", "a%20HTTP"} {
		synctest.Test(t, func(t *testing.T) {
			s := &fakeNetwork{}
			s.serve = func(conn net.Conn) {
				s.answer(conn, func(*http.Request) string { return "HTTP/1.1 200 OK\r\n\r\n" })
				discardAll(conn)
			}
			proxy := &url.URL{Scheme: "http", Host: "proxy.example"}
			d := &Dialer{NetDialContext: s.dial, Proxy: http.ProxyURL(proxy), HandshakeTimeout: time.Minute}
			_, _, err := d.Dial("ws://[fe80::1%25"+zone+"]/", nil)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			s.open.Wait()
			require.Len(t, s.requests, 1)
			assert.True(t, strings.HasPrefix(s.requests[0], "CONNECT [fe80::1]:80 HTTP/1.1\r\nHost: [fe80::1]:80\r\n"), s.requests[0])
		})
	}
}

// TestZonesDoNotConfuseNoProxy: the zone of an IPv6 address is no name of a host
// to NO_PROXY. net/http reads the environment once, so that this needs a process
// of its own.
func TestZonesDoNotConfuseNoProxy(t *testing.T) {
	if os.Getenv("NO_PROXY") != ".example.com" {
		out := rerun(t, "TestZonesDoNotConfuseNoProxy",
			"HTTP_PROXY=http://proxy.example:3128", "NO_PROXY=.example.com", "http_proxy=", "no_proxy=")
		require.Contains(t, out, "--- PASS: TestZonesDoNotConfuseNoProxy")
		return
	}
	for server, want := range map[string]string{
		"ws://other.example/":                "tcp proxy.example:3128",
		"ws://www.example.com/":              "tcp www.example.com:80",
		"ws://[fe80::1%25.example.com]/":     "tcp proxy.example:3128",
		"ws://[fe80::1%25www.example.com]/":  "tcp proxy.example:3128",
		"ws://[2001:db8::1%25.example.com]/": "tcp proxy.example:3128",
	} {
		s := &fakeNetwork{serve: func(net.Conn) {}}
		d := *DefaultDialer
		d.NetDialContext = s.dial
		_, _, err := d.Dial(server, nil)
		require.Error(t, err)
		assert.Equal(t, []string{want}, s.dialed(), server)
	}
}

// TestRedirectsForwardNothing: the other host hears nothing, least of all
// credentials.
func TestRedirectsForwardNothing(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		asked := 0
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
		s := httptest.NewServer(http.RedirectHandler(other.URL, status))
		c, resp, err := (&Dialer{}).Dial("ws://user:secret@"+s.Listener.Addr().String()+"/", http.Header{"Cookie": {"secret=1"}})
		require.Equal(t, ErrBadHandshake, err)
		require.Nil(t, c)
		require.Equal(t, status, resp.StatusCode)
		s.Close()
		other.Close()
		require.Zero(t, asked)
	}
}

// TestCloseFrameSurvivesUnreadDataOverTLS: a peer that has sent more than was
// read gets the close frame, and the end that TLS has for it.
func TestCloseFrameSurvivesUnreadDataOverTLS(t *testing.T) {
	cert, roots := exampleCertificate(t)
	for _, client := range []bool{false, true} {
		a, b := socketPair(t)
		server, other := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}}), tls.Client(b, &tls.Config{RootCAs: roots, ServerName: "example.com"})
		tested, remote := server, other
		if client {
			tested, remote = other, server
		}
		go remote.HandshakeContext(context.Background())
		require.NoError(t, tested.HandshakeContext(t.Context()))
		c := newConn(tested, connConfig{client: client})
		p := &peer{masked: !client}
		go remote.Write(append(p.frame(true, 3, "wrong"), make([]byte, 300<<10)...))
		read := make(chan error)
		go func() {
			_, _, err := c.ReadMessage()
			read <- err
		}()
		got, err := io.ReadAll(remote)
		require.NoError(t, err, "the end, and no reset")
		remote.Close()
		require.Equal(t, error(errReservedOpcode), <-read)
		_, closes := countFrames(t, got)
		require.Equal(t, 1, closes)
	}
}
