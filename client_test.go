package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// A scene is a network in memory for a Dialer. It notes what is dialed and
// plays the server.
type scene struct {
	play     func(conn net.Conn)
	delay    time.Duration // before a connection is there, whatever the context says
	hang     bool          // no connection until the context ends
	mu       sync.Mutex
	dials    []string
	requests []string  // as they were sent
	open     openCount // what the Dialer has to close yet
}

// dialed returns what was dialed.
func (s *scene) dialed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// An openCount is a sync.WaitGroup that may be waited on at any time.
type openCount struct {
	mu   sync.Mutex
	n    int
	zero chan struct{}
}

func (o *openCount) Add(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n == 0 {
		o.zero = make(chan struct{})
	}
	if o.n += n; o.n == 0 {
		close(o.zero)
	}
}

func (o *openCount) Wait() {
	o.mu.Lock()
	zero := o.zero
	o.mu.Unlock()
	if zero != nil {
		<-zero
	}
}

// dial is for Dialer.NetDialContext.
func (s *scene) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, network+" "+addr)
	s.mu.Unlock()
	if s.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.open.Add(1)
	time.Sleep(s.delay)
	local, remote := wstest.Pipe(64<<10, wstest.Whole)
	go func() {
		defer remote.Close()
		s.play(remote)
	}()
	return &sceneConn{local, sync.OnceFunc(func() { s.open.Add(-1) })}, nil
}

// A sceneConn reports that it has been closed.
type sceneConn struct {
	*wstest.Conn
	closed func()
}

func (c *sceneConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// answering returns a scene whose server answers each request with what
// answer returns, and then waits for the client to close.
func answering(answer func(r *http.Request) string) *scene {
	s := &scene{}
	s.play = func(conn net.Conn) { s.exchange(conn, answer) }
	return s
}

func (s *scene) exchange(conn net.Conn, answer func(r *http.Request) string) {
	s.hear(conn, answer)
	io.Copy(io.Discard, conn)
}

// hear notes and answers a request, with which the client waits for the answer.
func (s *scene) hear(conn net.Conn, answer func(r *http.Request) string) {
	var text bytes.Buffer
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &text)))
	if err != nil {
		return // as seen in s.requests
	}
	s.mu.Lock()
	s.requests = append(s.requests, text.String())
	s.mu.Unlock()
	io.WriteString(conn, answer(r))
}

// accepted is the answer to a handshake, with lines added to the header.
func accepted(r *http.Request, lines ...string) string {
	accept := acceptKey(r.Header.Get("Sec-WebSocket-Key"))
	text := string(appendResponse(nil, accept, "", "", nil))
	return strings.TrimSuffix(text, "\r\n") + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func justAccept(r *http.Request) string { return accepted(r) }

// hush is a server that says nothing.
func hush(conn net.Conn) { io.Copy(io.Discard, conn) }

// TestDialURL: where a URL leads to, and what is asked for there.
func TestDialURL(t *testing.T) {
	for _, test := range []struct{ url, addr, host, uri, is string }{
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
				s := answering(justAccept)
				d := &Dialer{NetDialContext: s.dial, NetDialTLSContext: s.dial}
				c, resp, err := d.Dial(test.url, nil)
				require.NoError(t, err)
				require.Equal(t, 101, resp.StatusCode)
				require.Equal(t, []string{"tcp " + test.addr}, s.dialed())
				r := parseRequest(t, s.requests[0])
				assert.Equal(t, test.host, r.Host)
				assert.Equal(t, test.uri, r.RequestURI)
				assert.Equal(t, test.is, c.URL())
				require.NoError(t, c.Close())
				s.open.Wait()
			})
		})
	}
}

// TestDialSends: what a request looks like.
func TestDialSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := answering(func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Protocol: b", "X-Answer: yes") })
		d := &Dialer{NetDialContext: s.dial, Subprotocols: []string{"a", "b"}}
		keys := make(map[string]bool)
		for i := range 3 {
			c, resp, err := d.Dial("ws://example.com/", http.Header{"Origin": {"http://example.com"}, "X": {"1", "2"}, "Host": {"other.example"}})
			require.NoError(t, err)
			assert.Equal(t, "b", c.Subprotocol())
			assert.Equal(t, "yes", resp.Header.Get("X-Answer"))
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Empty(t, body, "the stream is the connection's")
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
			assert.Contains(t, s.requests[i], "\r\nSec-WebSocket-Key: ", "spelt as in the RFC")
			assert.Contains(t, s.requests[i], "\r\nSec-WebSocket-Version: 13\r\n")
			assert.Contains(t, s.requests[i], "\r\nSec-WebSocket-Protocol: a, b\r\n")
		}
		assert.Len(t, keys, 3, "a key for each")
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
				s := answering(justAccept)
				c, _, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://"+test.userinfo+"example.com/", test.header)
				require.NoError(t, err)
				assert.Equal(t, test.want, parseRequest(t, s.requests[0]).Header["Authorization"])
				assert.Equal(t, "ws://example.com/", c.URL(), "without credentials")
				require.NoError(t, c.Close())
			})
		})
	}
}

// TestDialCallersSpelling: fields that net/http writes itself come once, or
// not at all where a handshake has none, however the caller spells them.
func TestDialCallersSpelling(t *testing.T) {
	for _, spell := range []func(string) string{http.CanonicalHeaderKey, strings.ToLower, strings.ToUpper} {
		t.Run(spell("Host"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				jar, err := cookiejar.New(nil)
				require.NoError(t, err)
				jar.SetCookies(&url.URL{Scheme: "http", Host: "example.com"}, []*http.Cookie{{Name: "jar", Value: "1"}})
				s := answering(justAccept)
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

// TestDialMisuse: what is wrong before anything is sent is not sent.
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
		tests[fmt.Sprintf("subprotocol %q", bad)] = misuse{subprotocols: []string{"fine", bad}}
	}
	tests["subprotocols in a list"] = misuse{subprotocols: []string{"a,b"}}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := answering(justAccept)
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

func TestDialAcceptsAnswers(t *testing.T) {
	plain := func(r *http.Request) string { return accepted(r) }
	for name, answer := range map[string]func(r *http.Request) string{
		"tokens in another case": func(r *http.Request) string {
			return strings.NewReplacer("websocket", "WebSocket", "Connection: Upgrade", "connection: UPGRADE").Replace(accepted(r))
		},
		"tokens in lists": func(r *http.Request) string {
			return strings.NewReplacer("websocket", "h2c, websocket", ": Upgrade", ": keep-alive, upgrade").Replace(accepted(r))
		},
		"tokens in lines":     func(r *http.Request) string { return accepted(r, "Upgrade: h2c", "Connection: keep-alive") },
		"a subprotocol":       func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Protocol: chat") },
		"no extension":        func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Extensions:") },
		"another reason":      func(r *http.Request) string { return strings.Replace(accepted(r), "Switching Protocols", "Fine", 1) },
		"after Early Hints":   func(r *http.Request) string { return "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + accepted(r) },
		"a large header":      func(r *http.Request) string { return accepted(r, "X: "+strings.Repeat("x", 60_000)) },
		"as it is":            plain,
		"Content-Length zero": func(r *http.Request) string { return accepted(r, "Content-Length: 0") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := answering(func(r *http.Request) string { return answer(r) + string((&peer{}).text("hello")) })
				c, _, err := (&Dialer{NetDialContext: s.dial, Subprotocols: []string{"chat"}}).Dial("ws://example.com/", nil)
				require.NoError(t, err)
				expectMessages(t, c, []string{"hello"})
				require.NoError(t, c.Close())
				s.open.Wait()
			})
		})
	}
}

// TestDialRefusesAnswers: a 101 that does not open a connection.
func TestDialRefusesAnswers(t *testing.T) {
	edit := func(old, new string) func(*http.Request) string {
		return func(r *http.Request) string { return strings.Replace(accepted(r), old, new, 1) }
	}
	for _, test := range []struct {
		name   string
		answer func(*http.Request) string
		reason string
	}{
		{"no Upgrade", edit("Upgrade: websocket\r\n", ""), "Upgrade header"},
		{"another Upgrade", edit("websocket", "h2c"), "Upgrade header"},
		{"no Connection", edit("Connection: Upgrade\r\n", ""), "Connection header"},
		{"another Connection", edit("Connection: Upgrade", "Connection: keep-alive"), "Connection header"},
		{"another Accept", edit("Accept: ", "Accept: x"), "Sec-WebSocket-Accept"},
		{"no Accept", edit("Accept: ", "Other: "), "Sec-WebSocket-Accept"},
		{"the sample's Accept", func(*http.Request) string { return string(appendResponse(nil, sampleAccept, "", "", nil)) }, "Sec-WebSocket-Accept"},
		{"Accept repeated", func(r *http.Request) string {
			return accepted(r, "Sec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key")))
		}, "Sec-WebSocket-Accept"},
		{"an extension", func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Extensions: permessage-deflate") }, "extension"},
		{"a subprotocol", func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Protocol: mqtt") }, "subprotocol"},
		{"an Upgrade that net/http does not see", edit("Upgrade: websocket", "Upgrade:\r\nUpgrade: websocket"), "net/http"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := answering(test.answer)
				c, resp, err := (&Dialer{NetDialContext: s.dial, Subprotocols: []string{"chat"}}).Dial("ws://example.com/", nil)
				require.ErrorIs(t, err, ErrBadHandshake)
				var failed HandshakeError
				require.ErrorAs(t, err, &failed)
				assert.Contains(t, err.Error(), test.reason)
				assert.Nil(t, c)
				require.NotNil(t, resp)
				assert.Equal(t, 101, resp.StatusCode)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Empty(t, body)
				s.open.Wait()
			})
		})
	}
}

// TestDialRefused: another status than 101, with the start of the body.
func TestDialRefused(t *testing.T) {
	const size = 5000
	for _, test := range []struct{ name, head, body string }{
		{"Content-Length", "401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 5000", long[:size]},
		{"chunked", "500 Internal Server Error\r\nTransfer-Encoding: chunked", "1388\r\n" + long[:size] + "\r\n0\r\n\r\n"},
		{"until the end", "403 Forbidden", long[:size]},
		{"redirect", "302 Found\r\nLocation: ws://example.org/\r\nContent-Length: 5000", long[:size]},
		{"permanent redirect", "308 Permanent Redirect\r\nLocation: /other\r\nContent-Length: 5000", long[:size]},
		{"success of another kind", "200 OK\r\nContent-Length: 5000", long[:size]},
		{"with the headers of a handshake", "426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5000", long[:size]},
		{"no body", "503 Service Unavailable\r\nContent-Length: 0", ""},
		{"a short body", "503 Service Unavailable\r\nContent-Length: 5", "sorry"},
		{"a body cut short", "503 Service Unavailable\r\nContent-Length: 10", "sorry"},
		{"compressed", "400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 5", "\x1f\x8b..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{}
				s.play = func(conn net.Conn) {
					s.hear(conn, func(*http.Request) string { return "HTTP/1.1 " + test.head + "\r\n\r\n" + test.body })
				}
				c, resp, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://example.com/", nil)
				require.True(t, err == ErrBadHandshake, "%v", err)
				assert.Nil(t, c)
				s.open.Wait()
				assert.Equal(t, test.head[:3], fmt.Sprint(resp.StatusCode))
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Len(t, body, min(1024, len(test.body)))
				assert.Contains(t, test.body, string(body))
				assert.Len(t, s.dialed(), 1, "no redirect is followed")
				require.NoError(t, resp.Body.Close())
			})
		})
	}
}

// TestDialNoHTTP: what is no answer, or no end of one.
func TestDialNoHTTP(t *testing.T) {
	forever := func(start, more string) func(net.Conn) {
		return func(conn net.Conn) {
			_, err := io.WriteString(conn, start)
			for err == nil {
				_, err = io.WriteString(conn, more)
			}
		}
	}
	for name, play := range map[string]func(net.Conn){
		"nothing":                        func(conn net.Conn) {},
		"half a head":                    func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgr") },
		"another protocol":               func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n") },
		"a header that is none":          func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nno colon\r\n\r\n") },
		"a status line without end":      forever("HTTP/1.1 101 ", "x"),
		"a line without end":             forever("HTTP/1.1 101 Switching Protocols\r\nX: ", "xxxxxxxxxxxxxxx"),
		"lines without end":              forever("HTTP/1.1 101 Switching Protocols\r\n", "X: y\r\n"),
		"Early Hints without end":        forever("", "HTTP/1.1 103 Early Hints\r\nLink: xxxxxxxxxxxxxxxxxx\r\n\r\n"),
		"Early Hints and half an answer": func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{}
				s.play = func(conn net.Conn) {
					http.ReadRequest(bufio.NewReader(conn))
					play(conn)
				}
				c, resp, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://example.com/", nil)
				require.Error(t, err)
				assert.NotErrorIs(t, err, ErrBadHandshake)
				assert.Nil(t, c)
				assert.Nil(t, resp)
				s.open.Wait()
			})
		})
	}
}

// TestDialEnds stops a Dial in each of its stages, by a context or by
// HandshakeTimeout.
func TestDialEnds(t *testing.T) {
	const forever = -1
	cert, roots := exampleCertificate(t)
	untilRequest := func(answer string) func(net.Conn) {
		return func(conn net.Conn) { (&scene{}).exchange(conn, func(*http.Request) string { return answer }) }
	}
	for _, test := range []struct {
		name, url, proxy string
		delay            time.Duration
		play             func(net.Conn)
	}{
		{"dialing", "ws://example.com/", "", forever, hush},
		{"dialing for TLS", "wss://example.com/", "", forever, hush},
		{"dialing a proxy", "ws://example.com/", "http://proxy.example/", forever, hush},
		{"dialing deaf", "ws://example.com/", "", time.Hour, hush},
		{"dialing deaf for TLS", "wss://example.com/", "", time.Hour, hush},
		{"dialing a proxy deaf", "ws://example.com/", "http://proxy.example/", time.Hour, hush},
		{"TLS handshake", "wss://example.com/", "", 0, hush},
		{"TLS handshake with a proxy", "ws://example.com/", "https://example.com/", 0, hush},
		{"TLS handshake with a proxy for TLS", "wss://example.com/", "https://example.com/", 0, hush},
		{"CONNECT", "ws://example.com/", "http://proxy.example/", 0, hush},
		{"CONNECT for TLS", "wss://example.com/", "http://proxy.example/", 0, hush},
		{"half an answer to CONNECT", "ws://example.com/", "http://proxy.example/", 0, untilRequest("HTTP/1.1 200 OK\r\n")},
		{"SOCKS", "ws://example.com/", "socks5://proxy.example/", 0, hush},
		{"behind a tunnel", "ws://example.com/", "http://proxy.example/", 0, untilRequest("HTTP/1.1 200 OK\r\n\r\n")},
		{"TLS handshake behind a tunnel", "wss://example.com/", "http://proxy.example/", 0, untilRequest("HTTP/1.1 200 OK\r\n\r\n")},
		{"no answer", "ws://example.com/", "", 0, hush},
		{"no answer under TLS", "wss://example.com/", "", 0, func(conn net.Conn) {
			hush(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}}))
		}},
		{"half an answer", "ws://example.com/", "", 0, untilRequest("HTTP/1.1 101 Switching Proto")},
		{"Early Hints alone", "ws://example.com/", "", 0, untilRequest("HTTP/1.1 103 Early Hints\r\n\r\n")},
	} {
		for name, end := range dialEnds {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &scene{play: test.play, delay: test.delay, hang: test.delay == forever}
					d := &Dialer{NetDialContext: s.dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
					if test.proxy != "" {
						d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(test.proxy) }
					}
					start := time.Now()
					c, resp, err := d.DialContext(end.start(t, d), test.url, nil)
					require.ErrorIs(t, err, end.want)
					assert.Equal(t, dialTime, time.Since(start))
					assert.Nil(t, c)
					assert.Nil(t, resp)
					s.open.Wait()
					assert.Len(t, s.dialed(), 1)
				})
			})
		}
	}
}

// dialTime is when the contexts of dialEnds end.
const dialTime = 30 * time.Second

var errDialCause = errors.New("changed my mind")

// dialEnds are the ways to end a Dial after dialTime.
var dialEnds = map[string]struct {
	want  error
	start func(t *testing.T, d *Dialer) context.Context
}{
	"canceled": {context.Canceled, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(dialTime, cancel)
		return ctx
	}},
	"canceled for a cause": {errDialCause, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(dialTime, func() { cancel(errDialCause) })
		return ctx
	}},
	"canceled for a cause, still canceled": {context.Canceled, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(dialTime, func() { cancel(errDialCause) })
		return ctx
	}},
	"deadline": {context.DeadlineExceeded, func(t *testing.T, _ *Dialer) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), dialTime)
		t.Cleanup(cancel)
		return ctx
	}},
	"HandshakeTimeout": {context.DeadlineExceeded, func(t *testing.T, d *Dialer) context.Context {
		d.HandshakeTimeout = dialTime
		return t.Context()
	}},
}

// TestDialEndsInErrorBody: the answer is known, so that it is returned with
// what there is of its body.
func TestDialEndsInErrorBody(t *testing.T) {
	for name, end := range dialEnds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := answering(func(*http.Request) string { return "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nbecause" })
				d := &Dialer{NetDialContext: s.dial}
				start := time.Now()
				c, resp, err := d.DialContext(end.start(t, d), "ws://example.com/", nil)
				require.True(t, err == ErrBadHandshake, "%v", err)
				assert.Equal(t, dialTime, time.Since(start))
				assert.Nil(t, c)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, "because", string(body))
				s.open.Wait()
			})
		})
	}
}

func TestDialWithEndedContext(t *testing.T) {
	s := answering(justAccept)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, resp, err := (&Dialer{NetDialContext: s.dial}).DialContext(ctx, "ws://example.com/", nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, resp)
	assert.Empty(t, s.dialed())
}

// TestContextEndsAfterDial: what ended a Dial does not end the connection.
func TestContextEndsAfterDial(t *testing.T) {
	cert, roots := exampleCertificate(t)
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{}
				s.play = func(conn net.Conn) {
					if scheme == "wss" {
						conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
					}
					s.exchange(conn, func(r *http.Request) string {
						time.AfterFunc(time.Hour, func() { conn.Write((&peer{}).text("late")) })
						return accepted(r)
					})
				}
				d := &Dialer{NetDialContext: s.dial, HandshakeTimeout: time.Minute, TLSClientConfig: &tls.Config{RootCAs: roots}}
				ctx, cancel := context.WithCancel(t.Context())
				c, _, err := d.DialContext(ctx, scheme+"://example.com/", nil)
				require.NoError(t, err)
				cancel()
				expectMessages(t, c, []string{"late"})
				require.NoError(t, c.WriteMessage(TextMessage, nil))
				require.NoError(t, c.Close())
				s.open.Wait()
			})
		})
	}
}

// exampleCertificate returns a certificate for example.com and 127.0.0.1, and
// who trusts it.
func exampleCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return s.TLS.Certificates[0], trusting(s).RootCAs
}

// TestEarlyBytesOnClient sends frames in one piece with the answer.
func TestEarlyBytesOnClient(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			b := newBarker(t, scheme)
			eachEarly(t, func(t *testing.T, messages []string, late, buffer int) {
				early, rest := earlyFrames(messages, false, late)
				b.early <- early
				d := &Dialer{ReadBufferSize: buffer, TLSClientConfig: b.trust}
				c, _, err := d.Dial(b.url, nil)
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, c.SetReadDeadline(time.Now().Add(doorPatience)))
				b.rest <- rest
				expectMessages(t, c, messages)
			})
		})
	}
}

// A barker is a server that says something with its answer, and the rest when
// it is told to: rest is not buffered, so that the next connection's does not
// go to the one before.
type barker struct {
	url         string
	trust       *tls.Config
	early, rest chan []byte
}

func newBarker(t *testing.T, scheme string) *barker {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cert, roots := exampleCertificate(t)
	b := &barker{scheme + "://" + listener.Addr().String(), &tls.Config{RootCAs: roots}, make(chan []byte, 1), make(chan []byte)}
	if scheme == "wss" {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { listener.Close() })
	return b
}

func (b *barker) serve(conn net.Conn) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	conn.Write(append([]byte(accepted(r)), <-b.early...))
	conn.Write(<-b.rest)
	io.Copy(io.Discard, conn)
}

// TestDialFunctions: which of the dial functions is called for what.
func TestDialFunctions(t *testing.T) {
	for _, test := range []struct{ name, url, set, want string }{
		{"NetDial", "ws://example.com/", "NetDial", "NetDial example.com:80"},
		{"NetDialContext before NetDial", "ws://example.com/", "NetDial NetDialContext", "NetDialContext example.com:80"},
		{"no TLS", "ws://example.com/", "NetDial NetDialTLSContext", "NetDial example.com:80"},
		{"TLS", "wss://example.com/", "NetDial NetDialContext NetDialTLSContext", "NetDialTLSContext example.com:443"},
		{"https", "https://example.com:1/", "NetDialTLSContext", "NetDialTLSContext example.com:1"},
		{"TLS over NetDial", "wss://example.com/", "NetDial", "NetDial example.com:443"},
		{"TLS over NetDialContext", "wss://example.com/", "NetDialContext", "NetDialContext example.com:443"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cause := errors.New("no way")
			var got []string
			type key struct{}
			ctx := context.WithValue(t.Context(), key{}, "value")
			dial := func(name string) func(context.Context, string, string) (net.Conn, error) {
				if !strings.Contains(" "+test.set+" ", " "+name+" ") {
					return nil
				}
				return func(ctx context.Context, network, addr string) (net.Conn, error) {
					assert.Equal(t, "tcp", network)
					assert.Equal(t, "value", ctx.Value(key{}))
					got = append(got, name+" "+addr)
					return nil, cause
				}
			}
			d := &Dialer{NetDialContext: dial("NetDialContext"), NetDialTLSContext: dial("NetDialTLSContext")}
			if f := dial("NetDial"); f != nil {
				d.NetDial = func(network, addr string) (net.Conn, error) { return f(ctx, network, addr) }
			}
			c, resp, err := d.DialContext(ctx, test.url, nil)
			require.ErrorIs(t, err, cause)
			assert.Nil(t, c)
			assert.Nil(t, resp)
			assert.Equal(t, []string{test.want}, got)
		})
	}
}

func TestDialNetDialTLSContext(t *testing.T) {
	s := httptest.NewTLSServer(newDoor(t))
	t.Cleanup(s.Close)
	dialer := &tls.Dialer{Config: trusting(s)}
	d := &Dialer{NetDialTLSContext: dialer.DialContext, TLSClientConfig: &tls.Config{ServerName: "has no effect"}}
	c, _, err := d.Dial(s.URL, nil)
	require.NoError(t, err)
	defer c.Close()
	expectEcho(t, c)
}

func TestDialUnixSocket(t *testing.T) {
	path := unixDoor(t, newDoor(t))
	d := &Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	c, _, err := d.Dial("ws://example.com/", http.Header{"Origin": {"http://example.com"}})
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, path, c.RemoteAddr().String())
	assert.IsType(t, &net.UnixConn{}, c.NetConn())
	expectEcho(t, c)
}

func TestDialIPv6(t *testing.T) {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on the loopback interface: ", err)
	}
	doorServe(t, &http.Server{Handler: newDoor(t)}, listener)
	origin := http.Header{"Origin": {"http://" + listener.Addr().String()}}
	c, _, err := (&Dialer{}).Dial("ws://"+listener.Addr().String(), origin)
	require.NoError(t, err)
	defer c.Close()
	expectEcho(t, c)
}

func TestDialRefusedConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	c, resp, err := (&Dialer{}).Dial("ws://"+listener.Addr().String(), nil)
	var failed *net.OpError
	require.ErrorAs(t, err, &failed)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.NotErrorIs(t, err, ErrBadHandshake)
	assert.Nil(t, c)
	assert.Nil(t, resp)
}

func TestDialUntrustedServer(t *testing.T) {
	cert, roots := exampleCertificate(t)
	for name, test := range map[string]struct {
		url    string
		config *tls.Config
	}{
		"unknown authority":   {"wss://example.com/", nil},
		"another name":        {"wss://example.org/", &tls.Config{RootCAs: roots}},
		"another name wanted": {"wss://example.com/", &tls.Config{RootCAs: roots, ServerName: "example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{play: func(conn net.Conn) { hush(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})) }}
				c, resp, err := (&Dialer{NetDialContext: s.dial, TLSClientConfig: test.config}).Dial(test.url, nil)
				var failed *tls.CertificateVerificationError
				require.ErrorAs(t, err, &failed)
				assert.Nil(t, c)
				assert.Nil(t, resp)
				s.open.Wait()
			})
		})
	}
}

func TestDialJar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		status := ""
		s := answering(func(r *http.Request) string {
			return strings.Replace(accepted(r, "Set-Cookie: a="+status+"1", "Set-Cookie: b=2; Path=/other", "Content-Length: 0"), "101", status+"1", 1)
		})
		d := &Dialer{NetDialContext: s.dial, Jar: jar}
		for _, status = range []string{"10", "40"} { // what a refusal sets is kept, too
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

func TestDialTrace(t *testing.T) {
	s := httptest.NewTLSServer(newDoor(t))
	t.Cleanup(s.Close)
	var (
		mu     sync.Mutex
		events []string
		traced net.Conn
	)
	note := func(event string) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, event)
	}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:              func(string) { note("GetConn") },
		ConnectStart:         func(string, string) { note("ConnectStart") },
		ConnectDone:          func(string, string, error) { note("ConnectDone") },
		TLSHandshakeStart:    func() { note("TLSHandshakeStart") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { note("TLSHandshakeDone") },
		GotConn:              func(info httptrace.GotConnInfo) { note("GotConn"); traced = info.Conn },
		WroteRequest:         func(httptrace.WroteRequestInfo) { note("WroteRequest") },
		GotFirstResponseByte: func() { note("GotFirstResponseByte") },
	})
	c, _, err := (&Dialer{TLSClientConfig: trusting(s)}).DialContext(ctx, s.URL, nil)
	require.NoError(t, err)
	defer c.Close()
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{
		"GetConn", "ConnectStart", "ConnectDone", "TLSHandshakeStart", "TLSHandshakeDone",
		"GotConn", "WroteRequest", "GotFirstResponseByte",
	}, events)
	assert.Equal(t, c.NetConn(), traced)
}

// TestDialOffersCallersSubprotocols: without Dialer.Subprotocols the header
// says what may be chosen.
func TestDialOffersCallersSubprotocols(t *testing.T) {
	for name, header := range map[string]http.Header{
		"canonical":  {"Sec-Websocket-Protocol": {"a, b"}},
		"as the RFC": {"Sec-WebSocket-Protocol": {"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := answering(func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Protocol: b") })
				c, _, err := (&Dialer{NetDialContext: s.dial}).Dial("ws://example.com/", header)
				require.NoError(t, err)
				assert.Equal(t, "b", c.Subprotocol())
				assert.Equal(t, []string{"a", "b"}, Subprotocols(parseRequest(t, s.requests[0])))
				require.NoError(t, c.Close())
			})
		})
	}
}

func TestDialLeavesTheCallersHeader(t *testing.T) {
	s := answering(justAccept)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	jar.SetCookies(&url.URL{Scheme: "http", Host: "example.com"}, []*http.Cookie{{Name: "jar", Value: "1"}})
	header := http.Header{"Cookie": {"own=2"}, "X": {"y"}}
	c, _, err := (&Dialer{NetDialContext: s.dial, Jar: jar}).Dial("ws://user@example.com/", header)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	assert.Equal(t, http.Header{"Cookie": {"own=2"}, "X": {"y"}}, header)
}

func TestClientConnTells(t *testing.T) {
	s := newDoor(t).listen(t)
	var d *Dialer // nil is the zero value
	c, resp, err := d.Dial(s.URL+"/chat?a=b", nil)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, 101, resp.StatusCode)
	assert.Equal(t, "ws"+strings.TrimPrefix(s.URL, "http")+"/chat?a=b", c.URL())
	assert.Equal(t, "", c.Subprotocol())
	assert.Equal(t, s.Listener.Addr().String(), c.RemoteAddr().String())
	assert.IsType(t, &net.TCPConn{}, c.NetConn())
	assert.Equal(t, c.NetConn().LocalAddr(), c.LocalAddr())
	assert.Equal(t, c.NetConn(), c.UnderlyingConn())
	assert.Equal(t, StateOpen, c.State())
	expectEcho(t, c)
}

func TestNewClient(t *testing.T) {
	s := newDoor(t).listen(t)
	netConn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	u, err := url.Parse("ws://example.com/chat")
	require.NoError(t, err)
	c, resp, err := NewClient(netConn, u, http.Header{"Origin": {"http://example.com"}}, 1, 1)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, 101, resp.StatusCode)
	assert.Equal(t, netConn, c.NetConn())
	assert.Equal(t, "ws://example.com/chat", c.URL())
	expectEcho(t, c)
}

func TestNewClientFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := answering(func(*http.Request) string { return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" })
		netConn, err := s.dial(t.Context(), "", "")
		require.NoError(t, err)
		c, resp, err := NewClient(netConn, &url.URL{Scheme: "ws", Host: "example.com"}, nil, 0, 0)
		require.True(t, err == ErrBadHandshake, "%v", err)
		assert.Nil(t, c)
		assert.Equal(t, 404, resp.StatusCode)
		s.open.Wait()
	})
}

func TestDefaultDialer(t *testing.T) {
	assert.Equal(t, 45*time.Second, DefaultDialer.HandshakeTimeout)
	require.NotNil(t, DefaultDialer.Proxy)
	c, _, err := DefaultDialer.Dial(newDoor(t).listen(t).URL, nil) // which is never behind a proxy
	require.NoError(t, err)
	defer c.Close()
	expectEcho(t, c)
}

func TestDialerIsSafeForConcurrentUse(t *testing.T) {
	s := httptest.NewTLSServer(newDoor(t))
	t.Cleanup(s.Close)
	d := &Dialer{TLSClientConfig: trusting(s), Subprotocols: []string{"chat"}, HandshakeTimeout: doorPatience}
	errs := make(chan error, 10)
	for range cap(errs) {
		go func() {
			c, _, err := d.Dial(s.URL, http.Header{"X": {"y"}})
			if err == nil {
				err = errors.Join(c.WriteMessage(TextMessage, []byte("hello")), c.Close())
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		assert.NoError(t, <-errs)
	}
}

// TestDialKeepsEveryCookie: the caller's lines and the jar's cookies go out
// together.
func TestDialKeepsEveryCookie(t *testing.T) {
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

// TestDeadlineOfNetDial: one that was to bound the handshake ends with it.
func TestDeadlineOfNetDial(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(Upgrader).Upgrade(w, r, nil)
		if assert.NoError(t, err) {
			c.ReadMessage()
			c.Close()
		}
	}))
	defer server.Close()
	var deadlines []time.Time
	d := Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		return &deadlineConn{conn, &deadlines}, err
	}}
	c, _, err := d.Dial(server.URL, nil)
	require.NoError(t, err)
	defer c.Close()
	require.NotEmpty(t, deadlines)
	require.True(t, deadlines[len(deadlines)-1].IsZero())
}

// A deadlineConn notes the deadlines that are set.
type deadlineConn struct {
	net.Conn
	deadlines *[]time.Time
}

func (c *deadlineConn) SetDeadline(t time.Time) error {
	*c.deadlines = append(*c.deadlines, t)
	return c.Conn.SetDeadline(t)
}

// TestNilDialerIsTheDefault: proxies and all.
func TestNilDialerIsTheDefault(t *testing.T) {
	require.Equal(t, DefaultDialer.HandshakeTimeout, nilDialer.HandshakeTimeout)
	require.NotNil(t, nilDialer.Proxy)
}
