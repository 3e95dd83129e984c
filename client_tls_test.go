package websocket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An alpnRecorder records what the clients of a TLS server offer by ALPN.
type alpnRecorder struct {
	mu     sync.Mutex
	offers [][]string
}

// serve starts a TLS server that accepts the given protocols, HTTP/2 and
// HTTP/1.1. It returns the address and the authorities of the server, which uses
// HTTP/1.1 whatever was negotiated, so that HTTP/2 would not work.
func (a *alpnRecorder) serve(t *testing.T, handler http.Handler, protocols ...string) (string, *x509.CertPool) {
	cert, roots := exampleCertificate(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	startServing(t, &http.Server{Handler: handler}, hiddenTLS{tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{cert},
		NextProtos:   append(protocols, "h2", "http/1.1"),
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.offers = append(a.offers, hello.SupportedProtos)
			return nil, nil
		},
	})})
	return listener.Addr().String(), roots
}

// hiddenTLS is a listener whose connections do not show http.Server that they
// use TLS.
type hiddenTLS struct{ net.Listener }

func (l hiddenTLS) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}

// recorded returns what was offered.
func (a *alpnRecorder) recorded() [][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.offers
}

// TestNextProtos checks that a server is offered the protocols in
// TLSClientConfig.NextProtos, HTTP/1.1 if there are none, through every kind of
// proxy too. A proxy is offered HTTP/1.1 only.
func TestNextProtos(t *testing.T) {
	proxies := map[string]func(*testing.T, *alpnRecorder) *url.URL{
		"no proxy": func(*testing.T, *alpnRecorder) *url.URL { return nil },
		"http": func(t *testing.T, _ *alpnRecorder) *url.URL {
			return &url.URL{Scheme: "http", Host: startServer(t, httptest.NewServer(newTestProxy(t)))}
		},
		"https": func(t *testing.T, a *alpnRecorder) *url.URL {
			addr, _ := a.serve(t, newTestProxy(t))
			return &url.URL{Scheme: "https", Host: addr}
		},
		"socks5": func(t *testing.T, _ *alpnRecorder) *url.URL {
			return &url.URL{Scheme: "socks5", Host: newTestProxy(t).serveSOCKS(t).Addr().String()}
		},
	}
	for _, test := range []struct {
		name             string
		nextProtos, want []string
		chosen           string
	}{
		{"none", nil, []string{"http/1.1"}, "http/1.1"},
		{"HTTP/1.1", []string{"http/1.1"}, []string{"http/1.1"}, "http/1.1"},
		{"another", []string{"custom", "http/1.1"}, []string{"custom", "http/1.1"}, "custom"},
		{"others alone", []string{"other", "custom"}, []string{"other", "custom"}, "custom"},
		{"HTTP/2 as well", []string{"h2", "http/1.1"}, []string{"http/1.1"}, "http/1.1"},
		{"HTTP/2 alone", []string{"h2"}, []string{"http/1.1"}, "http/1.1"},
	} {
		for name, start := range proxies {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				var atServer, atProxy alpnRecorder
				addr, roots := atServer.serve(t, newTestHandler(t), "custom")
				proxy := start(t, &atProxy)
				config := &tls.Config{RootCAs: roots, NextProtos: test.nextProtos}
				c, _, err := (&Dialer{TLSClientConfig: config, Proxy: http.ProxyURL(proxy)}).Dial("wss://"+addr, nil)
				require.NoError(t, err)
				defer c.Close()
				requireEcho(t, c)
				assert.Equal(t, [][]string{test.want}, atServer.recorded())
				assert.Equal(t, test.chosen, c.NetConn().(*tls.Conn).ConnectionState().NegotiatedProtocol)
				assert.Equal(t, test.nextProtos, config.NextProtos, "the configuration is not changed")
				if name == "https" {
					assert.Equal(t, [][]string{{"http/1.1"}}, atProxy.recorded())
				}
			})
		}
	}
}

// TestNextProtosWithoutConfig checks that a nil TLSClientConfig offers HTTP/1.1.
func TestNextProtosWithoutConfig(t *testing.T) {
	var a alpnRecorder
	addr, _ := a.serve(t, newTestHandler(t))
	_, _, err := (&Dialer{}).Dial("wss://"+addr, nil)
	var untrusted *tls.CertificateVerificationError
	require.ErrorAs(t, err, &untrusted)
	assert.Equal(t, [][]string{{"http/1.1"}}, a.recorded())
}

// TestNetDialTLSContextForProxy checks that NetDialTLSContext connects to an https
// proxy, for ws and for wss URLs.
func TestNetDialTLSContextForProxy(t *testing.T) {
	for _, serve := range []func(http.Handler) *httptest.Server{httptest.NewServer, httptest.NewTLSServer} {
		s := serve(newTestHandler(t))
		t.Cleanup(s.Close)
		proxy := httptest.NewTLSServer(newTestProxy(t))
		t.Cleanup(proxy.Close)
		var dialed []string
		d := &Dialer{
			TLSClientConfig: clientTLSConfig(newTLSServer(t)),
			NetDialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialed = append(dialed, network+" "+addr)
				return (&tls.Dialer{Config: clientTLSConfig(proxy)}).DialContext(ctx, network, addr)
			},
			NetDialContext: func(context.Context, string, string) (net.Conn, error) { panic("not for an https proxy") },
			Proxy:          http.ProxyURL(&url.URL{Scheme: "https", Host: proxy.Listener.Addr().String()}),
		}
		c, _, err := d.Dial(s.URL, nil)
		require.NoError(t, err, s.URL)
		requireEcho(t, c)
		assert.Equal(t, []string{"tcp " + proxy.Listener.Addr().String()}, dialed)
		require.NoError(t, c.Close())
	}
}

// TestTraceOfTLSHandshakes checks that the hooks are called for every TLS
// handshake, that with an https proxy included.
func TestTraceOfTLSHandshakes(t *testing.T) {
	proxy := httptest.NewTLSServer(newTestProxy(t))
	t.Cleanup(proxy.Close)
	for _, test := range []struct {
		name    string
		serve   func(http.Handler) *httptest.Server
		proxied bool
		want    int // handshakes
	}{
		{"wss", httptest.NewTLSServer, false, 1},
		{"ws through a proxy", httptest.NewServer, true, 1},
		{"wss through a proxy", httptest.NewTLSServer, true, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.serve(newTestHandler(t))
			t.Cleanup(s.Close)
			d := &Dialer{TLSClientConfig: clientTLSConfig(proxy)}
			if test.proxied {
				d.Proxy = http.ProxyURL(&url.URL{Scheme: "https", Host: proxy.Listener.Addr().String()})
			}
			events := make(chan string, 10)
			dial := func() error {
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					TLSHandshakeStart: func() { events <- "start" },
					TLSHandshakeDone: func(state tls.ConnectionState, err error) {
						assert.Equal(t, err == nil, state.HandshakeComplete)
						if err != nil {
							events <- "failed"
						} else {
							events <- "done"
						}
					},
				})
				c, _, err := d.DialContext(ctx, s.URL, nil)
				if err == nil {
					c.Close()
				}
				return err
			}
			require.NoError(t, dial())
			for range test.want {
				require.Equal(t, "start", <-events)
				require.Equal(t, "done", <-events)
			}
			d.TLSClientConfig = nil
			require.Error(t, dial())
			require.Equal(t, "start", <-events)
			require.Equal(t, "failed", <-events)
			require.Empty(t, events)
		})
	}
}
