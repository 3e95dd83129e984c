package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
)

// tunnel returns a dial function that asks an HTTP proxy for a connection to
// the server: RFC 6455, Section 4.1, item 3. net/http does that for https URLs
// only. It would send the handshake to the proxy, which few proxies upgrade.
func (d *Dialer) tunnel(proxy *url.URL) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.dialProxy(ctx, network, proxy)
		if err != nil {
			return nil, proxyError(network, err)
		}
		// Closing ends a read or a write that is in progress when ctx ends.
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		err = connect(conn, proxy, withoutZone(addr))
		if !stop() {
			err = context.Cause(ctx)
		}
		if err != nil {
			conn.Close()
			return nil, proxyError(network, err)
		}
		return conn, nil
	}
}

// proxyError wraps an error as net/http does. It returns nil for nil.
func proxyError(network string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "proxyconnect", Net: network, Err: err}
}

// withoutZone returns an address without the zone of its IPv6 host. A zone means
// nothing to other hosts and may contain spaces: RFC 6874, Section 4.
func withoutZone(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	host, _, _ = strings.Cut(host, "%")
	return net.JoinHostPort(host, port)
}

// dialProxy connects to the proxy itself.
func (d *Dialer) dialProxy(ctx context.Context, network string, proxy *url.URL) (net.Conn, error) {
	addr := net.JoinHostPort(proxy.Hostname(), portOr(proxy, proxy.Scheme))
	if proxy.Scheme == "https" && d.NetDialTLSContext != nil {
		return d.NetDialTLSContext(ctx, network, addr)
	}
	conn, err := d.netDial()(ctx, network, addr)
	if err != nil || proxy.Scheme != "https" {
		return conn, err
	}
	config := d.tlsConfig()
	if config.ServerName == "" {
		config.ServerName = proxy.Hostname()
	}
	config.NextProtos = []string{"http/1.1"} // those of the application are for the server
	tlsConn := tls.Client(conn, config)
	if err := handshakeTLS(ctx, tlsConn); err != nil {
		conn.Close()
		return nil, err
	}
	return tlsConn, nil
}

// handshakeTLS does a TLS handshake and calls the hooks of httptrace.
func handshakeTLS(ctx context.Context, conn *tls.Conn) error {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := conn.HandshakeContext(ctx)
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(conn.ConnectionState(), err)
	}
	return err
}

// dialTLSProxy returns a function that connects to an https proxy, for the
// DialTLSContext of a transport.
func (d *Dialer) dialTLSProxy(proxy *url.URL) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := d.dialProxy(ctx, network, proxy)
		if tlsConn, ok := conn.(*tls.Conn); ok {
			// With a *tls.Conn net/http would call the hooks a second time.
			conn = struct{ *tls.Conn }{tlsConn}
		}
		return conn, err
	}
}

// connect asks the proxy on conn for a tunnel to addr: RFC 9110,
// Section 9.3.6.
func connect(conn net.Conn, proxy *url.URL, addr string) error {
	request := &http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Opaque: addr},
		Host:   addr,
		Header: http.Header{},
	}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
		request.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	limited := &io.LimitedReader{R: conn, N: maxResponseHeader}
	reader := bufio.NewReader(limited)
	resp, err := http.ReadResponse(reader, request)
	if err != nil && limited.N == 0 {
		err = errors.New("the proxy's response is too long")
	}
	if err != nil {
		return err
	}
	// The body is not read. It is the stream to the server.
	if err := checkConnectResponse(proxy, resp); err != nil {
		return err
	}
	// The server sends nothing before the request. These bytes are from the
	// proxy.
	if reader.Buffered() > 0 {
		return errors.New("proxy sent data after its response")
	}
	return nil
}

// checkConnectResponse checks a proxy's response to CONNECT.
func checkConnectResponse(proxy *url.URL, resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	message := "proxy " + proxy.Host + " answered " + quote(resp.Status)
	switch resp.StatusCode {
	case http.StatusProxyAuthRequired, http.StatusUnauthorized: // the latter from tinyproxy
		message += ": the URL that Dialer.Proxy returns needs the right user and password"
	}
	return errors.New(message)
}
