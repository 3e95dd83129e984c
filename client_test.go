package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// A fakeNetwork is a network in memory for a Dialer. It records what is dialed
// and runs the server.
type fakeNetwork struct {
	serve    func(conn net.Conn)
	delay    time.Duration // before a connection is there, whatever the context says
	hang     bool          // no connection until the context ends
	mu       sync.Mutex
	dials    []string
	requests []string  // as they were sent
	open     openCount // what the Dialer has to close yet
}

// dialed returns what was dialed.
func (s *fakeNetwork) dialed() []string {
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
func (s *fakeNetwork) dial(ctx context.Context, network, addr string) (net.Conn, error) {
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
		s.serve(remote)
	}()
	return &fakeNetworkConn{local, sync.OnceFunc(func() { s.open.Add(-1) })}, nil
}

// A fakeNetworkConn calls a function when it is closed.
type fakeNetworkConn struct {
	*wstest.Conn
	closed func()
}

func (c *fakeNetworkConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// newFakeNetwork returns a network whose server answers each request with what
// answer returns, and then waits for the client to close.
func newFakeNetwork(answer func(r *http.Request) string) *fakeNetwork {
	s := &fakeNetwork{}
	s.serve = func(conn net.Conn) { s.answerOne(conn, answer) }
	return s
}

func (s *fakeNetwork) answerOne(conn net.Conn, answer func(r *http.Request) string) {
	s.answer(conn, answer)
	io.Copy(io.Discard, conn)
}

// answer records and answers a request. The client sends nothing more before
// it has the answer.
func (s *fakeNetwork) answer(conn net.Conn, answer func(r *http.Request) string) {
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
	text := string(appendResponse(nil, r.Header.Get("Sec-WebSocket-Key"), "", "", nil))
	return strings.TrimSuffix(text, "\r\n") + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func acceptHandshake(r *http.Request) string { return accepted(r) }

// discardAll is a server that says nothing.
func discardAll(conn net.Conn) { io.Copy(io.Discard, conn) }

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
				s := newFakeNetwork(acceptHandshake)
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
		s := newFakeNetwork(func(r *http.Request) string { return accepted(r, "Sec-WebSocket-Protocol: b", "X-Answer: yes") })
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
			assert.Contains(t, s.requests[i], "\r\nUpgrade: websocket\r\n", "no space behind it")
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

// TestDialCallersSpelling: fields that net/http writes itself come once, or
// not at all where a handshake has none, however the caller spells them.
func TestDialCallersSpelling(t *testing.T) {
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
				s := newFakeNetwork(func(r *http.Request) string { return answer(r) + string((&peer{}).text("hello")) })
				c, _, err := (&Dialer{NetDialContext: s.dial, Subprotocols: []string{"chat"}}).Dial("ws://example.com/", nil)
				require.NoError(t, err)
				expectMessages(t, c, []string{"hello"})
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
			b := newEarlyServer(t, scheme)
			eachEarly(t, func(t *testing.T, messages []string, late, buffer int) {
				early, rest := earlyFrames(messages, false, late)
				b.early <- early
				d := &Dialer{ReadBufferSize: buffer, TLSClientConfig: b.trust}
				c, _, err := d.Dial(b.url, nil)
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
				b.rest <- rest
				expectMessages(t, c, messages)
			})
		})
	}
}

// An earlyServer is a server that sends frames with its answer, and the rest when
// it is told to: rest is not buffered, so that the next connection's does not
// go to the one before.
type earlyServer struct {
	url         string
	trust       *tls.Config
	early, rest chan []byte
}

func newEarlyServer(t *testing.T, scheme string) *earlyServer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cert, roots := exampleCertificate(t)
	b := &earlyServer{scheme + "://" + listener.Addr().String(), &tls.Config{RootCAs: roots}, make(chan []byte, 1), make(chan []byte)}
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

func (b *earlyServer) serve(conn net.Conn) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	conn.Write(append([]byte(accepted(r)), <-b.early...))
	conn.Write(<-b.rest)
	io.Copy(io.Discard, conn)
}
