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
	"net/url"
	"strings"
)

// tunnel returns a dial function that asks an HTTP proxy to connect to the
// server: RFC 6455, Section 4.1, item 3. net/http does so for https alone,
// and sends anything else to the proxy as a request, which few of them would
// upgrade.
func (d *Dialer) tunnel(proxy *url.URL) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.dialProxy(ctx, network, proxy)
		if err != nil {
			return nil, &net.OpError{Op: "proxyconnect", Net: network, Err: err}
		}
		// Closing is what ends reads and writes under way when ctx ends.
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		err = connect(conn, proxy, withoutZone(addr))
		if !stop() {
			err = context.Cause(ctx)
		}
		if err != nil {
			conn.Close()
			return nil, &net.OpError{Op: "proxyconnect", Net: network, Err: err}
		}
		return conn, nil
	}
}

// withoutZone returns an address without the zone of its IPv6 host, which has a
// meaning on this machine alone and may have spaces in it: RFC 6874, Section 4.
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
	conn, err := d.netDial()(ctx, network, addr)
	if err != nil || proxy.Scheme != "https" {
		return conn, err
	}
	config := &tls.Config{}
	if d.TLSClientConfig != nil {
		config = d.TLSClientConfig.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = proxy.Hostname()
	}
	config.NextProtos = nil // the proxy is spoken to in HTTP/1.1
	tlsConn := tls.Client(conn, config)
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tlsConn, nil
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
		err = errors.New("proxy's answer is too long")
	}
	if err != nil {
		return err
	}
	// The body is not read: of a tunnel it is the stream to the server.
	if resp.StatusCode/100 != 2 {
		return errors.New("proxy answered " + resp.Status)
	}
	// A server says nothing before it is asked, so that these bytes would be
	// the proxy's, and lost.
	if reader.Buffered() > 0 {
		return errors.New("proxy sent data behind its answer")
	}
	return nil
}
