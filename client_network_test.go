package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDialFunctions checks which of the dial functions is called.
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
			cause := errors.New("dial failed")
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
	s := httptest.NewTLSServer(newTestHandler(t))
	t.Cleanup(s.Close)
	dialer := &tls.Dialer{Config: clientTLSConfig(s)}
	d := &Dialer{NetDialTLSContext: dialer.DialContext, TLSClientConfig: &tls.Config{ServerName: "has no effect"}}
	c, _, err := d.Dial(s.URL, nil)
	require.NoError(t, err)
	defer c.Close()
	requireEcho(t, c)
}

func TestDialUnixSocket(t *testing.T) {
	path := listenUnix(t, newTestHandler(t))
	d := &Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	c, _, err := d.Dial("ws://example.com/", http.Header{"Origin": {"http://example.com"}})
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, path, c.RemoteAddr().String())
	assert.IsType(t, &net.UnixConn{}, c.NetConn())
	requireEcho(t, c)
}

func TestDialIPv6(t *testing.T) {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on the loopback interface: ", err)
	}
	startServing(t, &http.Server{Handler: newTestHandler(t)}, listener)
	origin := http.Header{"Origin": {"http://" + listener.Addr().String()}}
	c, _, err := (&Dialer{}).Dial("ws://"+listener.Addr().String(), origin)
	require.NoError(t, err)
	defer c.Close()
	requireEcho(t, c)
}

func TestDialRefusedConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	c, resp, err := (&Dialer{}).Dial("ws://"+listener.Addr().String(), nil)
	var failed *net.OpError
	require.ErrorAs(t, err, &failed)
	switch runtime.GOOS {
	case "js": // where there are no system calls
	case "windows": // which has errors of its own: this is WSAECONNREFUSED
		assert.ErrorIs(t, err, syscall.Errno(10061))
	default:
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
				s := &fakeNetwork{serve: func(conn net.Conn) { discardAll(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})) }}
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

func TestDialTrace(t *testing.T) {
	s := httptest.NewTLSServer(newTestHandler(t))
	t.Cleanup(s.Close)
	var (
		mu     sync.Mutex
		events []string
		traced net.Conn
	)
	record := func(event string) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, event)
	}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:              func(string) { record("GetConn") },
		ConnectStart:         func(string, string) { record("ConnectStart") },
		ConnectDone:          func(string, string, error) { record("ConnectDone") },
		TLSHandshakeStart:    func() { record("TLSHandshakeStart") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { record("TLSHandshakeDone") },
		GotConn:              func(info httptrace.GotConnInfo) { record("GotConn"); traced = info.Conn },
		WroteRequest:         func(httptrace.WroteRequestInfo) { record("WroteRequest") },
		GotFirstResponseByte: func() { record("GotFirstResponseByte") },
	})
	c, _, err := (&Dialer{TLSClientConfig: clientTLSConfig(s)}).DialContext(ctx, s.URL, nil)
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

func TestClientConnAccessors(t *testing.T) {
	s := newTestHandler(t).listen(t)
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
	requireEcho(t, c)
}

func TestNewClient(t *testing.T) {
	s := newTestHandler(t).listen(t)
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
	requireEcho(t, c)
}

func TestNewClientFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeNetwork(func(*http.Request) string { return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" })
		netConn, err := s.dial(t.Context(), "", "")
		require.NoError(t, err)
		c, resp, err := NewClient(netConn, &url.URL{Scheme: "ws", Host: "example.com"}, nil, 0, 0)
		require.True(t, err == ErrBadHandshake, "%v", err)
		assert.Nil(t, c)
		assert.Equal(t, 404, resp.StatusCode)
		s.open.Wait()
	})
}

func TestDialerIsSafeForConcurrentUse(t *testing.T) {
	s := httptest.NewTLSServer(newTestHandler(t))
	t.Cleanup(s.Close)
	d := &Dialer{TLSClientConfig: clientTLSConfig(s), Subprotocols: []string{"chat"}, HandshakeTimeout: testTimeout}
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
