package websocket

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
)

// newTransport returns a transport for one request, and the proxy that it uses or nil.
func (d *Dialer) newTransport(request *http.Request) (*http.Transport, *url.URL, error) {
	t := &http.Transport{
		DialContext:            d.netDial(),
		DialTLSContext:         d.NetDialTLSContext,
		TLSClientConfig:        d.tlsConfig(),
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxResponseHeader,
		ReadBufferSize:         handOverSize,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if d.Proxy == nil {
		return t, nil, nil
	}
	proxy, err := d.Proxy(request)
	if err != nil || proxy == nil {
		return t, nil, err
	}
	switch proxy.Scheme {
	case "http", "https":
		if request.URL.Scheme == "http" {
			t.DialContext = d.tunnel(proxy)
			return t, proxy, nil
		}
		if t.DialTLSContext == nil {
			t.DialTLSContext = d.dialTLSProxy(proxy)
		}
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			return proxyError("tcp", checkConnectResponse(proxy, resp))
		}
	case "socks5", "socks5h":
	default: // net/http would take it for an HTTP proxy
		return nil, nil, HandshakeError{message: "unknown proxy scheme: " + proxy.Scheme}
	}
	t.Proxy = http.ProxyURL(proxy)
	return t, proxy, nil
}

// tlsConfig returns the configuration for the server of a wss URL, with the
// protocols to offer by ALPN. HTTP/2 is not among them: on a connection that
// agrees to it there is no upgrade.
func (d *Dialer) tlsConfig() *tls.Config {
	config := &tls.Config{}
	if d.TLSClientConfig != nil {
		config = d.TLSClientConfig.Clone()
	}
	isHTTP2 := func(protocol string) bool { return protocol == "h2" }
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), isHTTP2)
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"http/1.1"}
	}
	return config
}

// netDial returns the function that connects to a server or a proxy.
func (d *Dialer) netDial() func(ctx context.Context, network, addr string) (net.Conn, error) {
	switch {
	case d.NetDialContext != nil:
		return d.NetDialContext
	case d.NetDial != nil:
		return func(_ context.Context, network, addr string) (net.Conn, error) { return d.NetDial(network, addr) }
	}
	return new(net.Dialer).DialContext
}
