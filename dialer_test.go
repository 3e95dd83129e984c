package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
	if runtime.GOOS != "js" { // whose network in memory says it in text only
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
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
