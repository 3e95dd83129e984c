package websocket

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoProxyWithIPv6Zone checks that NO_PROXY does not match the zone of an IPv6
// address. net/http reads the environment once, so that this needs a process of
// its own.
func TestNoProxyWithIPv6Zone(t *testing.T) {
	if os.Getenv(isRerun) == "" {
		out := rerun(t, "TestNoProxyWithIPv6Zone", "HTTP_PROXY=http://proxy.example:3128", "NO_PROXY=.example.com")
		require.Contains(t, out, "--- PASS: TestNoProxyWithIPv6Zone")
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

// TestDialThroughProxy connects through every kind of proxy, to servers with TLS
// and without, over HTTP/1.1 and HTTP/2.
func TestDialThroughProxy(t *testing.T) {
	servers := map[string]func(http.Handler) *httptest.Server{
		"ws":        httptest.NewServer,
		"wss":       httptest.NewTLSServer,
		"ws/http2":  newHTTP2Server,
		"wss/http2": newHTTP2TLSServer,
	}
	proxies := map[string]func(*testing.T, *testProxy) string{
		"http":   func(t *testing.T, m *testProxy) string { return startServer(t, httptest.NewServer(m)) },
		"https":  func(t *testing.T, m *testProxy) string { return startServer(t, httptest.NewTLSServer(m)) },
		"socks5": func(t *testing.T, m *testProxy) string { return m.serveSOCKS(t).Addr().String() },
	}
	for scheme, serve := range servers {
		for proxyScheme, start := range proxies {
			for _, userinfo := range []string{"", "user:s%3Acret@"} {
				t.Run(scheme+"/"+proxyScheme+"/"+userinfo, func(t *testing.T) {
					s := serve(newTestHandler(t))
					t.Cleanup(s.Close)
					m := newTestProxy(t)
					proxy, err := url.Parse(proxyScheme + "://" + userinfo + start(t, m))
					require.NoError(t, err)
					dialThroughProxy(t, s, m, proxy, strings.HasSuffix(scheme, "http2"))
				})
			}
		}
	}
}

// newHTTP2Server returns a server that speaks unencrypted HTTP/2 alone.
func newHTTP2Server(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	return s
}

func newHTTP2TLSServer(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	return s
}

// dialThroughProxy dials s through a proxy and checks the connection.
func dialThroughProxy(t *testing.T, s *httptest.Server, m *testProxy, proxy *url.URL, http2 bool) {
	var asked []string
	d := &Dialer{
		TLSClientConfig: clientTLSConfig(newTLSServer(t)),
		Proxy: func(r *http.Request) (*url.URL, error) {
			asked = append(asked, r.URL.String())
			return proxy, nil
		},
	}
	status := http.StatusSwitchingProtocols
	if http2 {
		d.HTTP2, status = &HTTP2{}, http.StatusOK
		t.Cleanup(d.CloseIdleConnections)
	}
	c, resp, err := d.Dial(s.URL+"/chat", nil)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, status, resp.StatusCode)
	assert.Equal(t, []string{s.URL + "/chat"}, asked)
	assert.Equal(t, "ws"+strings.TrimPrefix(s.URL, "http")+"/chat", c.URL())
	assert.Equal(t, proxy.Host, c.RemoteAddr().String())
	requireEcho(t, c)
	credentials := ":"
	if proxy.User != nil {
		credentials = "user:s:cret"
	}
	assert.Equal(t, []string{credentials + " > " + s.Listener.Addr().String()}, m.tunnels)
}

// TestEarlyBytesBehindProxy checks that frames that a server sends with its
// response arrive through a tunnel.
func TestEarlyBytesBehindProxy(t *testing.T) {
	b := newEarlyServer(t, "ws")
	m := newTestProxy(t)
	proxy := &url.URL{Scheme: "http", Host: startServer(t, httptest.NewServer(m))}
	for name, messages := range earlyMessages {
		t.Run(name, func(t *testing.T) {
			early, rest := earlyFrames(messages, false, 3)
			b.early <- early
			c, _, err := (&Dialer{Proxy: http.ProxyURL(proxy)}).Dial(b.url, nil)
			require.NoError(t, err)
			defer c.Close()
			b.rest <- rest
			expectMessages(t, c, messages)
		})
	}
}

// TestProxyAddress checks the addresses that are dialed for proxies, and that the
// server is not dialed directly.
func TestProxyAddress(t *testing.T) {
	for proxy, want := range map[string]string{
		"http://proxy.example":        "proxy.example:80",
		"http://proxy.example:3128":   "proxy.example:3128",
		"https://proxy.example":       "proxy.example:443",
		"https://proxy.example:3128/": "proxy.example:3128",
		"socks5://proxy.example":      "proxy.example:1080",
		"socks5h://proxy.example:1":   "proxy.example:1",
		"http://[::1]":                "[::1]:80",
	} {
		for _, server := range []string{"ws://example.com/", "wss://example.com/"} {
			t.Run(proxy+" "+server, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					u, err := url.Parse(proxy)
					require.NoError(t, err)
					s := &fakeNetwork{serve: func(net.Conn) {}}
					c, resp, err := (&Dialer{NetDialContext: s.dial, Proxy: http.ProxyURL(u)}).Dial(server, nil)
					require.Error(t, err)
					assert.NotErrorIs(t, err, ErrBadHandshake)
					assert.Nil(t, c)
					assert.Nil(t, resp)
					s.open.Wait()
					assert.Equal(t, []string{"tcp " + want}, s.dialed())
				})
			})
		}
	}
}

// TestProxyRequest checks the request to an HTTP proxy for a ws URL.
func TestProxyRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxy := &url.URL{Scheme: "http", Host: "proxy.example", User: url.UserPassword("user", "secret")}
		s := &fakeNetwork{}
		s.serve = func(conn net.Conn) {
			// RFC 9110, Section 9.3.6: any 2xx opens the tunnel, and Content-Length is ignored.
			s.answer(conn, func(*http.Request) string { return "HTTP/1.1 204 Fine\r\nContent-Length: 5\r\n\r\n" })
			s.answerOne(conn, acceptHandshake) // as the server
		}
		c, _, err := (&Dialer{NetDialContext: s.dial, Proxy: http.ProxyURL(proxy)}).Dial("ws://[::1]/chat", http.Header{"Cookie": {"secret=1"}})
		require.NoError(t, err)
		require.NoError(t, c.Close())
		s.open.Wait()
		require.Len(t, s.requests, 2)
		r := parseRequest(t, s.requests[0])
		assert.Equal(t, "CONNECT", r.Method)
		assert.Equal(t, "[::1]:80", r.RequestURI)
		assert.Equal(t, "[::1]:80", r.Host)
		assert.Equal(t, "Basic dXNlcjpzZWNyZXQ=", r.Header.Get("Proxy-Authorization"))
		assert.Empty(t, r.Header["Cookie"], "only for the server")
		r = parseRequest(t, s.requests[1])
		assert.Equal(t, "/chat", r.RequestURI)
		assert.Empty(t, r.Header["Proxy-Authorization"], "only for the proxy")
	})
}

// TestProxyFails has proxies that open no tunnel. The error for a status is the
// same for ws and wss. The error for a malformed response is net/http's for wss,
// which says less.
func TestProxyFails(t *testing.T) {
	const answered = "proxyconnect tcp: proxy proxy.example:3128 answered "
	for _, test := range []struct{ name, answer, reason, wssReason string }{
		{"refused", "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
			answered + `"407 Proxy Authentication Required": the URL that Dialer.Proxy returns needs the right user and password`, answered},
		{"refused as tinyproxy does", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
			answered + `"401 Unauthorized": the URL that Dialer.Proxy returns needs the right user and password`, answered},
		{"refused with a body", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1000\r\n\r\nsorry", answered + `"502 Bad Gateway"`, answered},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://example.org\r\n\r\n", answered + `"302 Found"`, answered},
		{"a switch of protocols", "HTTP/1.1 101 Switching Protocols\r\n\r\n", answered + `"101 Switching Protocols"`, answered},
		{"no reason", "HTTP/1.1 500\r\n\r\n", answered + `"500"`, answered},
		{"a reason with escapes", "HTTP/1.1 403 \x1b[1mno\r\n\r\n", answered + `"403 \x1b[1mno"`, answered},
		{"garbage", "\x05\x00\x00 no proxy at all\r\n\r\n", "proxyconnect tcp: malformed", "malformed"},
		{"too large a head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxResponseHeader) + "\r\n\r\n", "proxyconnect tcp: the proxy's response is too long", ""},
		{"too many lines", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", maxResponseHeader/6) + "\r\n", "proxyconnect tcp: the proxy's response is too long", ""},
	} {
		if test.wssReason == answered {
			test.wssReason = test.reason
		}
		for server, reason := range map[string]string{"ws://example.com/": test.reason, "wss://example.com/": test.wssReason} {
			t.Run(test.name+" "+server, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { expectProxyError(t, server, test.answer, reason) })
			})
		}
	}
	// Over TLS, the TLS handshake fails.
	for _, behind := range []string{"H", "HTTP/1.1 101 "} {
		t.Run("bytes behind the answer "+behind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				expectProxyError(t, "ws://example.com/", "HTTP/1.1 200 OK\r\n\r\n"+behind, "proxyconnect tcp: proxy sent data after its response")
			})
		})
	}
}

// expectProxyError dials through a proxy that answers CONNECT, and expects an
// error that says reason.
func expectProxyError(t *testing.T, server, answer, reason string) {
	s := newFakeNetwork(func(*http.Request) string { return answer })
	proxy := &url.URL{Scheme: "http", Host: "proxy.example:3128", User: url.UserPassword("user", "secret")}
	c, resp, err := (&Dialer{NetDialContext: s.dial, Proxy: http.ProxyURL(proxy)}).Dial(server, nil)
	require.ErrorContains(t, err, reason)
	assert.NotContains(t, err.Error(), "secret")
	assert.NotErrorIs(t, err, ErrBadHandshake)
	assert.Nil(t, c)
	assert.Nil(t, resp, "the answer is not the server's")
	if strings.HasPrefix(reason, "proxyconnect") {
		var failed *net.OpError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "proxyconnect", failed.Op)
	}
	s.open.Wait()
	assert.Len(t, s.dialed(), 1)
}

func TestUntrustedProxy(t *testing.T) {
	cert, _ := exampleCertificate(t)
	for _, server := range []string{"ws://example.com/", "wss://example.com/"} {
		t.Run(server, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeNetwork{serve: func(conn net.Conn) { discardAll(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})) }}
				proxy := &url.URL{Scheme: "https", Host: "example.com"}
				c, resp, err := (&Dialer{NetDialContext: s.dial, Proxy: http.ProxyURL(proxy)}).Dial(server, nil)
				var failed *tls.CertificateVerificationError
				require.ErrorAs(t, err, &failed)
				assert.Contains(t, err.Error(), "proxyconnect", "the error says that it is the proxy's certificate")
				assert.Nil(t, c)
				assert.Nil(t, resp)
				s.open.Wait()
			})
		})
	}
}

// TestProxyUsesHTTP1 checks that a proxy is not offered HTTP/2 even if it
// supports it. The TLS configuration is not changed.
func TestProxyUsesHTTP1(t *testing.T) {
	for name, serve := range map[string]func(http.Handler) *httptest.Server{"ws": httptest.NewServer, "wss": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			s := serve(newTestHandler(t))
			t.Cleanup(s.Close)
			proxy := httptest.NewUnstartedServer(newTestProxy(t))
			proxy.EnableHTTP2 = true
			proxy.StartTLS()
			t.Cleanup(proxy.Close)
			config := clientTLSConfig(proxy)
			config.NextProtos = []string{"h2", "http/1.1"}
			d := &Dialer{TLSClientConfig: config, Proxy: http.ProxyURL(&url.URL{Scheme: "https", Host: proxy.Listener.Addr().String()})}
			c, _, err := d.Dial(s.URL, nil)
			require.NoError(t, err)
			defer c.Close()
			requireEcho(t, c)
			assert.Empty(t, config.ServerName)
			assert.Equal(t, []string{"h2", "http/1.1"}, config.NextProtos)
		})
	}
}

func TestProxyFunctionFails(t *testing.T) {
	cause := errors.New("no proxy found")
	s := newFakeNetwork(acceptHandshake)
	d := &Dialer{NetDialContext: s.dial, Proxy: func(*http.Request) (*url.URL, error) { return nil, cause }}
	c, resp, err := d.Dial("ws://example.com/", nil)
	require.ErrorIs(t, err, cause)
	assert.Nil(t, c)
	assert.Nil(t, resp)
	assert.Empty(t, s.dialed())
}

func TestProxyFunctionReturnsNil(t *testing.T) {
	d := &Dialer{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
	c, _, err := d.Dial(newTestHandler(t).listen(t).URL, nil)
	require.NoError(t, err)
	defer c.Close()
	requireEcho(t, c)
}

// TestUnknownProxyScheme checks that nothing is dialed for a proxy of an unknown
// kind.
func TestUnknownProxyScheme(t *testing.T) {
	for _, scheme := range []string{"", "gopher", "socks4", "ws"} {
		for _, server := range []string{"ws://example.com/", "wss://example.com/"} {
			s := newFakeNetwork(acceptHandshake)
			proxy := &url.URL{Scheme: scheme, Host: "proxy.example:1"}
			c, resp, err := (&Dialer{NetDialContext: s.dial, Proxy: http.ProxyURL(proxy)}).Dial(server, nil)
			require.ErrorContains(t, err, "proxy", "%q for %s", scheme, server)
			assert.Nil(t, c)
			assert.Nil(t, resp)
			assert.Empty(t, s.dialed())
		}
	}
}
