package websocket

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDialURL checks which address is dialed for a URL, and what the request and
// Conn.URL have of it.
func TestDialURL(t *testing.T) {
	for _, test := range []struct{ url, addr, host, uri, connURL string }{
		{"ws://example.com", "example.com:80", "example.com", "/", "ws://example.com/"},
		{"wss://example.com", "example.com:443", "example.com", "/", "wss://example.com/"},
		{"http://example.com/", "example.com:80", "example.com", "/", "ws://example.com/"},
		{"https://example.com/", "example.com:443", "example.com", "/", "wss://example.com/"},
		{"WS://example.com:8080/a", "example.com:8080", "example.com:8080", "/a", "ws://example.com:8080/a"},
		{"wss://example.com:1/", "example.com:1", "example.com:1", "/", "wss://example.com:1/"},
		{"ws://example.com?a=b", "example.com:80", "example.com", "/?a=b", "ws://example.com/?a=b"},
		{"ws://example.com/%2F%20?q=%23", "example.com:80", "example.com", "/%2F%20?q=%23", "ws://example.com/%2F%20?q=%23"},
		{"ws://127.0.0.1:9000/", "127.0.0.1:9000", "127.0.0.1:9000", "/", "ws://127.0.0.1:9000/"},
		{"ws://[::1]/", "[::1]:80", "[::1]", "/", "ws://[::1]/"},
		{"wss://[::1]/", "[::1]:443", "[::1]", "/", "wss://[::1]/"},
		{"wss://[::1]:9000/", "[::1]:9000", "[::1]:9000", "/", "wss://[::1]:9000/"},
		{"ws://bücher.example/", "xn--bcher-kva.example:80", "xn--bcher-kva.example", "/", "ws://b%C3%BCcher.example/"},
		{"ws://user:secret@example.com/", "example.com:80", "example.com", "/", "ws://example.com/"},
	} {
		t.Run(test.url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeNetwork(acceptHandshake)
				d := &Dialer{NetDialContext: s.dial, NetDialTLSContext: s.dial}
				c, resp, err := d.Dial(test.url, nil)
				require.NoError(t, err)
				require.Equal(t, 101, resp.StatusCode)
				require.Equal(t, []string{"tcp " + test.addr}, s.dialed())
				r := parseRequest(t, s.requests[0])
				assert.Equal(t, test.host, r.Host)
				assert.Equal(t, test.uri, r.RequestURI)
				assert.Equal(t, test.connURL, c.URL())
				require.NoError(t, c.Close())
				s.open.Wait()
			})
		})
	}
}

// TestDialRequest checks the requests that Dial sends.
func TestDialRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeNetwork(func(r *http.Request) string {
			return acceptingResponse(r, "Sec-WebSocket-Protocol: b", "X-Answer: yes")
		})
		d := &Dialer{NetDialContext: s.dial, Subprotocols: []string{"a", "b"}}
		keys := make(map[string]bool)
		for i := range 3 {
			c, resp, err := d.Dial("ws://example.com/", http.Header{"Origin": {"http://example.com"}, "X": {"1", "2"}, "Host": {"other.example"}})
			require.NoError(t, err)
			assert.Equal(t, "b", c.Subprotocol())
			assert.Equal(t, "yes", resp.Header.Get("X-Answer"))
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Empty(t, body, "the connection reads what follows")
			require.NoError(t, c.Close())

			r := parseRequest(t, s.requests[i])
			key := r.Header.Get("Sec-WebSocket-Key")
			require.True(t, isKey(key))
			keys[key] = true
			r.Header.Del("User-Agent")
			assert.Equal(t, "other.example", r.Host)
			assert.Equal(t, http.Header{
				"Upgrade":                {"websocket"},
				"Connection":             {"Upgrade"},
				"Sec-Websocket-Key":      {key},
				"Sec-Websocket-Version":  {"13"},
				"Sec-Websocket-Protocol": {"a, b"},
				"Origin":                 {"http://example.com"},
				"X":                      {"1", "2"},
			}, r.Header)
			assert.Contains(t, s.requests[i], "\r\nUpgrade: websocket\r\n", "no space at the end")
			assert.Contains(t, s.requests[i], "\r\nSec-WebSocket-Key: ", "spelled as in the RFC")
			assert.Contains(t, s.requests[i], "\r\nSec-WebSocket-Version: 13\r\n")
			assert.Contains(t, s.requests[i], "\r\nSec-WebSocket-Protocol: a, b\r\n")
		}
		assert.Len(t, keys, 3, "every request has another key")
		s.open.Wait()
	})
}

func TestDialAuthorization(t *testing.T) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, test := range []struct {
		name, userinfo string
		header         http.Header
		want           []string
	}{
		{"none", "", nil, nil},
		{"user and password", "user:secret@", nil, []string{basic("user:secret")}},
		{"user alone", "user@", nil, []string{basic("user:")}},
		{"escaped", "us%40er:p%3Aw%0D%0A@", nil, []string{basic("us@er:p:w\r\n")}},
		{"header", "", http.Header{"Authorization": {"Bearer x"}}, []string{"Bearer x"}},
		{"header before userinfo", "user:secret@", http.Header{"Authorization": {"Bearer x"}}, []string{"Bearer x"}},
		{"header in lower case", "user:secret@", http.Header{"authorization": {"Bearer x"}}, []string{"Bearer x"}},
		{"header in capitals", "user:secret@", http.Header{"AUTHORIZATION": {"Bearer x"}}, []string{"Bearer x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeNetwork(acceptHandshake)
				c, _, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://"+test.userinfo+"example.com/", test.header)
				require.NoError(t, err)
				assert.Equal(t, test.want, parseRequest(t, s.requests[0]).Header["Authorization"])
				assert.Equal(t, "ws://example.com/", c.URL(), "without credentials")
				require.NoError(t, c.Close())
			})
		})
	}
}

// TestDialHeaderSpelling checks that the fields that net/http writes itself are
// sent once, or not at all if they do not belong in a handshake, whatever the
// case of their names.
func TestDialHeaderSpelling(t *testing.T) {
	for _, spell := range []func(string) string{http.CanonicalHeaderKey, strings.ToLower, strings.ToUpper} {
		t.Run(spell("Host"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				jar, err := cookiejar.New(nil)
				require.NoError(t, err)
				jar.SetCookies(&url.URL{Scheme: "http", Host: "example.com"}, []*http.Cookie{{Name: "jar", Value: "1"}})
				s := newFakeNetwork(acceptHandshake)
				c, _, err := (&Dialer{NetDialContext: s.dial, Jar: jar}).Dial("ws://example.com/", http.Header{
					spell("Host"):              {"other.example"},
					spell("User-Agent"):        {"tester"},
					spell("Cookie"):            {"own=2"},
					spell("Content-Length"):    {"5"},
					spell("Transfer-Encoding"): {"chunked"},
					spell("Trailer"):           {"X"},
				})
				require.NoError(t, err)
				require.NoError(t, c.Close())
				text := strings.ToLower(s.requests[0])
				for line, count := range map[string]int{
					"\nhost: ": 1, "\nhost: other.example\r": 1, "\nuser-agent: ": 1, "\nuser-agent: tester\r": 1,
					"\ncookie: ": 1, "\ncookie: own=2; jar=1\r": 1, "\ncontent-length": 0, "\ntransfer-encoding": 0, "\ntrailer": 0,
				} {
					assert.Equal(t, count, strings.Count(text, line), "%q in %q", line, text)
				}
			})
		})
	}
}

// TestDialMisuse checks that Dial fails before it connects if its arguments are
// invalid.
func TestDialMisuse(t *testing.T) {
	type misuse struct {
		url          string
		header       http.Header
		subprotocols []string
	}
	tests := make(map[string]misuse)
	for u := range badURLs {
		tests["URL "+u] = misuse{url: u}
	}
	for _, name := range []string{"Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"} {
		for _, spelling := range []string{name, http.CanonicalHeaderKey(name), strings.ToLower(name), strings.ToUpper(name)} {
			tests["header "+spelling] = misuse{header: http.Header{spelling: {"x"}}}
		}
	}
	tests["two kinds of subprotocols"] = misuse{header: http.Header{"sec-websocket-protocol": {"a"}}, subprotocols: []string{"a"}}
	for _, bad := range []string{"a\r\nb: c", "a\nb", "a\rb", "a\x00b", "a\x7f"} {
		tests[fmt.Sprintf("value %q", bad)] = misuse{header: http.Header{"X": {"fine", bad}}}
		tests[fmt.Sprintf("Host %q", bad)] = misuse{header: http.Header{"Host": {bad}}}
		tests[fmt.Sprintf("host %q", bad)] = misuse{header: http.Header{"host": {bad}}}
		tests[fmt.Sprintf("Cookie %q", bad)] = misuse{header: http.Header{"Cookie": {bad}}}
		tests[fmt.Sprintf("protocol field %q", bad)] = misuse{header: http.Header{"Sec-WebSocket-Protocol": {bad}}}
	}
	for _, bad := range []string{"", "a b", "a:b", "a\r\nb", "a\n", "ä"} {
		tests[fmt.Sprintf("name %q", bad)] = misuse{header: http.Header{bad: {"x"}}}
	}
	for _, bad := range append(badSubprotocols, "", "a,b") {
		tests[fmt.Sprintf("subprotocol %q", bad)] = misuse{subprotocols: []string{"fine", bad}}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFakeNetwork(acceptHandshake)
			if !strings.HasPrefix(name, "URL ") {
				test.url = "ws://example.com/"
			}
			c, resp, err := (&Dialer{NetDialContext: s.dial, Subprotocols: test.subprotocols}).Dial(test.url, test.header)
			var failed HandshakeError
			require.ErrorAs(t, err, &failed)
			assert.NotErrorIs(t, err, ErrBadHandshake)
			assert.NotContains(t, err.Error(), "\n")
			assert.Nil(t, c)
			assert.Nil(t, resp)
			assert.Empty(t, s.dialed())
		})
	}
}

func TestDialJar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		status := ""
		s := newFakeNetwork(func(r *http.Request) string {
			return strings.Replace(acceptingResponse(r, "Set-Cookie: a="+status+"1", "Set-Cookie: b=2; Path=/other", "Content-Length: 0"), "101", status+"1", 1)
		})
		d := &Dialer{NetDialContext: s.dial, Jar: jar}
		for _, status = range []string{"10", "40"} { // cookies of an error response are kept too
			c, _, err := d.Dial("ws://example.com/", http.Header{"Cookie": {"own=0"}})
			if err == nil {
				require.NoError(t, c.Close())
			}
		}
		_, _, err = d.Dial("ws://example.com/other", nil)
		require.Equal(t, ErrBadHandshake, err)
		var cookies []string
		for _, text := range s.requests {
			cookies = append(cookies, parseRequest(t, text).Header.Get("Cookie"))
		}
		assert.Equal(t, []string{"own=0", "own=0; a=101", "b=2; a=401"}, cookies)
		assert.Empty(t, jar.Cookies(&url.URL{Scheme: "http", Host: "example.org"}))
		s.open.Wait()
	})
}

// TestDialSubprotocolHeader checks that the header offers subprotocols if
// Dialer.Subprotocols is empty.
func TestDialSubprotocolHeader(t *testing.T) {
	for name, header := range map[string]http.Header{
		"canonical":  {"Sec-Websocket-Protocol": {"a, b"}},
		"as the RFC": {"Sec-WebSocket-Protocol": {"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeNetwork(func(r *http.Request) string { return acceptingResponse(r, "Sec-WebSocket-Protocol: b") })
				c, _, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://example.com/", header)
				require.NoError(t, err)
				assert.Equal(t, "b", c.Subprotocol())
				assert.Equal(t, []string{"a", "b"}, Subprotocols(parseRequest(t, s.requests[0])))
				require.NoError(t, c.Close())
			})
		})
	}
}

func TestDialDoesNotChangeHeader(t *testing.T) {
	s := newFakeNetwork(acceptHandshake)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	jar.SetCookies(&url.URL{Scheme: "http", Host: "example.com"}, []*http.Cookie{{Name: "jar", Value: "1"}})
	header := http.Header{"Cookie": {"own=2"}, "X": {"y"}}
	c, _, err := (&Dialer{NetDialContext: s.dial, Jar: jar}).Dial("ws://user@example.com/", header)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	assert.Equal(t, http.Header{"Cookie": {"own=2"}, "X": {"y"}}, header)
}

func TestDefaultDialer(t *testing.T) {
	assert.Equal(t, 45*time.Second, DefaultDialer.HandshakeTimeout)
	require.NotNil(t, DefaultDialer.Proxy)
	c, _, err := DefaultDialer.Dial(newTestHandler(t).listen(t).URL, nil) // which is never behind a proxy
	require.NoError(t, err)
	defer c.Close()
	requireEcho(t, c)
}

// TestDialSendsAllCookies checks that the cookies of the header and those of the
// jar are sent together.
func TestDialSendsAllCookies(t *testing.T) {
	got := make(chan []*http.Cookie, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r.Cookies() }))
	defer server.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	jar.SetCookies(u, []*http.Cookie{{Name: "jar", Value: "3"}})
	d := Dialer{Jar: jar}
	_, _, err = d.Dial(server.URL, http.Header{"Cookie": {"a=1", "b=2"}})
	require.Equal(t, ErrBadHandshake, err)
	var names []string
	for _, cookie := range <-got {
		names = append(names, cookie.Name+"="+cookie.Value)
	}
	require.Equal(t, []string{"a=1", "b=2", "jar=3"}, names)
}

// TestNilDialer checks that a nil Dialer is like DefaultDialer, proxies included.
func TestNilDialer(t *testing.T) {
	require.Equal(t, DefaultDialer.HandshakeTimeout, nilDialer.HandshakeTimeout)
	require.NotNil(t, nilDialer.Proxy)
}

// TestNoRequestSplitting checks that line breaks in a URL do not make lines in the
// request to the server or to a proxy.
func TestNoRequestSplitting(t *testing.T) {
	const escaped = "%0d%0aInjected:%20yes%0d%0a"
	raw := "\r\nInjected: yes\r\n"
	for name, u := range map[string]*url.URL{
		"path":     {Scheme: "ws", Host: "example.com", Path: "/" + raw},
		"raw path": {Scheme: "ws", Host: "example.com", Path: "/" + raw, RawPath: "/" + escaped},
		"query":    {Scheme: "ws", Host: "example.com", Path: "/", RawQuery: escaped},
		"bad path": {Scheme: "ws", Host: "example.com", Path: "/", RawPath: "/" + raw},
		"bare":     {Scheme: "ws", Host: "example.com", Path: "/", RawQuery: raw},
		"opaque":   {Scheme: "ws", Opaque: "//example.com/" + raw},
		"host":     {Scheme: "ws", Host: "example.com" + raw, Path: "/"},
		"escaped":  {Scheme: "ws", Host: "example.com" + escaped, Path: "/"},
		"zone":     {Scheme: "ws", Host: "[fe80::1%25" + escaped + "]", Path: "/"},
		"raw zone": {Scheme: "ws", Host: "[fe80::1%" + raw + "]", Path: "/"},
		"user":     {Scheme: "ws", Host: "example.com", Path: "/", User: url.UserPassword(raw, raw)},
	} {
		for _, proxy := range []*url.URL{nil, {Scheme: "http", Host: "proxy.example", User: url.UserPassword(raw, raw)}, {Scheme: "http", Host: "proxy.example" + raw}} {
			t.Run(fmt.Sprintf("%s/%v", name, proxy != nil), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkRequestLines(t, u, proxy) })
			})
		}
	}
}

// checkRequestLines dials u and checks that every request is one request.
func checkRequestLines(t *testing.T, u, proxy *url.URL) {
	s := newFakeNetwork(acceptHandshake)
	var written bytes.Buffer // s.requests has valid requests only
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
		assert.NotContains(t, strings.ToLower(request), "\ninjected:")
		line, _, _ := strings.Cut(request, "\r\n")
		assert.LessOrEqual(t, strings.Count(line, " "), 2, "no more than the method, the target and the version")
	}
}

// A recordingConn records what is written.
type recordingConn struct {
	net.Conn
	written *bytes.Buffer
}

func (w *recordingConn) Write(p []byte) (int, error) {
	w.written.Write(p)
	return w.Conn.Write(p)
}

// TestIPv6ZoneIsNotSent: RFC 6874, Section 4: the zone of an address means nothing
// to a proxy or a server.
func TestIPv6ZoneIsNotSent(t *testing.T) {
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
