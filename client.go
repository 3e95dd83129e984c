package websocket

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/seed23105783/websocket/internal/httphead"
)

// A Dialer opens WebSocket connections. Its zero value is ready to use. It is
// safe for use by several goroutines as long as its fields are not changed.
//
// Dialing is left to net/http's Transport: proxies, TLS, and the hooks of
// net/http/httptrace are what they are there.
type Dialer struct {
	// NetDial connects to the server or the proxy. NetDialContext comes
	// before it. The default is that of net.Dialer.
	NetDial func(network, addr string) (net.Conn, error)

	// NetDialContext connects to the server or the proxy: over a Unix socket,
	// for example. The default, nil, is NetDial.
	NetDialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLSContext connects to the server of a wss URL, TLS handshake
	// included; TLSClientConfig has no effect then. Through a proxy it is not
	// used for the server but, if that is an https one, for the proxy. The
	// default, nil, is NetDialContext with a TLS handshake.
	NetDialTLSContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the proxy for a request, nil for none: an http, https,
	// socks5 or socks5h URL, with credentials if need be. If it returns an
	// error Dial fails with that. The default, nil, is no proxy; that of
	// [DefaultDialer] is http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)

	// TLSClientConfig configures TLS, with the server of a wss URL and with
	// an https proxy. The default, nil, is that of crypto/tls.
	TLSClientConfig *tls.Config

	// HandshakeTimeout bounds Dial as a whole. The default, zero, is no limit.
	HandshakeTimeout time.Duration

	// ReadBufferSize and WriteBufferSize are those of [Upgrader].
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool is that of [Upgrader].
	WriteBufferPool BufferPool

	// Subprotocols are the subprotocols to offer, most wanted first.
	Subprotocols []string

	// EnableCompression offers to compress messages, each on its own. It stands
	// for a Compression without context takeover.
	EnableCompression bool

	// Compression offers to compress messages in this way. The default, nil,
	// is not to, unless EnableCompression is set.
	Compression *Compression

	// Jar provides the cookies for the request and takes those of the answer.
	// The default, nil, is no cookies.
	Jar http.CookieJar

	// ReadLimit, SendQueueLimit, BatchWrites and WriteTimeout are those of
	// [Upgrader].
	ReadLimit      int64
	SendQueueLimit int64
	BatchWrites    bool
	WriteTimeout   time.Duration

	// KeepAlive is that of [Upgrader].
	KeepAlive KeepAlive

	// Trace is that of [Upgrader].
	Trace *Trace
}

// DefaultDialer is a Dialer with the proxies of the environment (see
// http.ProxyFromEnvironment) and 45 seconds for the handshake.
var DefaultDialer = &Dialer{
	Proxy:            http.ProxyFromEnvironment,
	HandshakeTimeout: 45 * time.Second,
}

// nilDialer is what a nil *Dialer stands for.
var nilDialer = *DefaultDialer

const (
	// maxResponseHeader bounds the head of the server's answer in bytes, and
	// that of a proxy's.
	maxResponseHeader = 64 << 10

	// maxErrorBody is how much of the body comes with a refusal.
	maxErrorBody = 1 << 10

	// handOverSize is the size of the buffer in which net/http reads ahead.
	handOverSize = 4 << 10
)

// Dial is [Dialer.DialContext] without a context.
func (d *Dialer) Dial(urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	return d.DialContext(context.Background(), urlStr, requestHeader)
}

// DialContext connects to the server of a ws or wss URL (http and https stand
// for them) and does the opening handshake (RFC 6455, Section 4.1). Credentials
// in the URL become an Authorization header, unless requestHeader has one.
// When ctx ends before the handshake does, Dial fails; after that ctx does not
// matter any more.
//
// requestHeader, which may be nil, is added to the request: Origin, Cookie,
// Authorization and the like. Host replaces that of the URL. The fields of the
// handshake are not the caller's to set, except for Sec-WebSocket-Protocol
// where d.Subprotocols is empty.
//
// When the server answers something else than a handshake the error is, or
// wraps, [ErrBadHandshake] and the response comes with it, with up to 1 KiB of
// its body, which needs no closing: to see a redirect, which is not followed,
// or a demand for authentication. In all other failures the response is nil.
func (d *Dialer) DialContext(ctx context.Context, urlStr string, requestHeader http.Header) (conn *Conn, resp *http.Response, err error) {
	if d == nil {
		d = &nilDialer
	}
	defer func() { d.Trace.handshakeDone(conn, err) }()
	if d.HandshakeTimeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.HandshakeTimeout)
		defer cancel()
	}
	hs, err := d.newHandshake(ctx, urlStr, requestHeader)
	if err != nil {
		return nil, nil, err
	}
	resp, err = hs.roundTrip()
	if err != nil {
		return nil, nil, err
	}
	if d.Jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			d.Jar.SetCookies(hs.request.URL, cookies)
		}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		keepStart(resp)
		hs.close()
		return nil, resp, ErrBadHandshake
	}
	subprotocol, err := checkResponse(resp.Header, hs.key, hs.offered)
	if _, ok := resp.Body.(io.Writer); err == nil && !ok {
		err = badAnswer("net/http sees no switch of protocols in it")
	}
	var agreed agreement
	if err == nil {
		agreed, err = checkExtensions(resp.Header, hs.wish)
	}
	if err != nil {
		hs.close()
		resp.Body = http.NoBody
		return nil, resp, err
	}
	conn = hs.handOver(resp, subprotocol, agreed)
	resp.Body = http.NoBody
	return conn, resp, nil
}

// A clientHandshake is a Dial under way.
type clientHandshake struct {
	dialer    *Dialer
	transport *http.Transport
	request   *http.Request
	key       string
	offered   []string
	wish      *Compression // nil for none
	conn      net.Conn     // what the request went out on
}

// newHandshake makes the request and what it is to be sent through.
func (d *Dialer) newHandshake(ctx context.Context, urlStr string, caller http.Header) (*clientHandshake, error) {
	u, err := parseURL(urlStr)
	if err != nil {
		return nil, err
	}
	hs := &clientHandshake{dialer: d, key: newKey(), offered: d.Subprotocols}
	if hs.wish, err = compressionWish(d.Compression, d.EnableCompression); err != nil {
		return nil, err
	}
	header, err := requestHeader(caller, hs.key, d.Subprotocols, hs.wish)
	if err != nil {
		return nil, err
	}
	if len(d.Subprotocols) == 0 {
		hs.offered, _ = httphead.Subprotocols(fieldValues(caller, headerProtocol), maxSubprotocols)
	}
	hs.request = (&http.Request{
		Method: http.MethodGet,
		URL:    u,
		Header: header,
		Host:   header.Get("Host"),
	}).WithContext(hs.traced(ctx))
	if u.User != nil && len(fieldValues(caller, "Authorization")) == 0 {
		password, _ := u.User.Password()
		hs.request.SetBasicAuth(u.User.Username(), password)
	}
	if d.Jar != nil {
		// AddCookie adds to the first line and drops the others.
		if lines := header["Cookie"]; len(lines) > 1 {
			header["Cookie"] = []string{strings.Join(lines, "; ")}
		}
		for _, cookie := range d.Jar.Cookies(u) {
			hs.request.AddCookie(cookie)
		}
	}
	hs.transport, err = d.newTransport(hs.request)
	return hs, err
}

// traced returns ctx with a hook that keeps the connection: deadlines and
// NetConn want it, and net/http hands over no more than an io.ReadWriteCloser.
func (hs *clientHandshake) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { hs.conn = info.Conn },
	})
}

// newTransport returns a transport for this one request, or rather for the
// one connection that is to be had from it.
func (d *Dialer) newTransport(request *http.Request) (*http.Transport, error) {
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
		return t, nil
	}
	proxy, err := d.Proxy(request)
	if err != nil || proxy == nil {
		return t, err
	}
	switch proxy.Scheme {
	case "http", "https":
		if request.URL.Scheme == "http" {
			t.DialContext = d.tunnel(proxy)
			return t, nil
		}
		if t.DialTLSContext == nil {
			t.DialTLSContext = d.dialTLSProxy(proxy)
		}
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			return proxyError("tcp", checkConnectResponse(proxy, resp))
		}
	case "socks5", "socks5h":
	default: // net/http would take it for an HTTP proxy
		return nil, HandshakeError{message: "unknown proxy scheme: " + proxy.Scheme}
	}
	t.Proxy = http.ProxyURL(proxy)
	return t, nil
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
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil && runtime.GOOS == "js" {
			err = fmt.Errorf("%w: GOOS=js has no sockets: set Dialer.NetDialContext", err)
		}
		return conn, err
	}
}

// roundTrip sends the request and waits for the head of the answer.
func (hs *clientHandshake) roundTrip() (*http.Response, error) {
	resp, err := hs.transport.RoundTrip(hs.request)
	if err == nil {
		return resp, nil
	}
	hs.close()
	if ctxErr := hs.request.Context().Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		err = fmt.Errorf("%w: %w", ctxErr, err)
	}
	return nil, err
}

// close leaves nothing of a handshake that failed.
func (hs *clientHandshake) close() {
	if hs.conn != nil {
		hs.conn.Close()
	}
	hs.transport.CloseIdleConnections()
}

// handOver makes a Conn of the connection that the answer came on.
//
// The response's body reads first what net/http has read ahead, and then the
// connection. The former is no more than handOverSize bytes and comes with one
// Read: a Conn reads the first time from the body, into a buffer that holds
// that much, and from then on from the connection.
func (hs *clientHandshake) handOver(resp *http.Response, subprotocol string, agreed agreement) *Conn {
	d := hs.dialer
	hs.conn.SetDeadline(time.Time{}) // NetDial may have set one for the handshake
	return newConn(hs.conn, connConfig{
		client:          true,
		subprotocol:     subprotocol,
		url:             webSocketURL(hs.request.URL),
		readLimit:       d.ReadLimit,
		sendQueueLimit:  d.SendQueueLimit,
		batchWrites:     d.BatchWrites,
		writeTimeout:    d.WriteTimeout,
		keepAlive:       d.KeepAlive,
		trace:           d.Trace,
		readBufferSize:  d.ReadBufferSize,
		writeBufferSize: d.WriteBufferSize,
		writeBufferPool: d.WriteBufferPool,
		agreement:       agreed,
		head:            resp.Body,
	})
}

// keepStart replaces the body of a response by its start. A body that does
// not come is not waited for beyond the end of the request's context.
func keepStart(resp *http.Response) {
	body := resp.Body
	defer body.Close()
	start, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
	resp.Body = io.NopCloser(bytes.NewReader(start))
}

// newKey returns a value for Sec-WebSocket-Key: RFC 6455, Section 4.1, item 7.
func newKey() string {
	var key [keySize]byte
	rand.Read(key[:])
	return base64.StdEncoding.EncodeToString(key[:])
}

// fieldValues returns the values of a header field however its name is spelt.
func fieldValues(h http.Header, name string) (values []string) {
	for key := range h {
		if http.CanonicalHeaderKey(key) == name {
			values = append(values, h[key]...)
		}
	}
	return values
}

// NewClient does the opening handshake for the URL over netConn.
//
// Deprecated: Use [Dialer] with NetDialContext.
func NewClient(netConn net.Conn, u *url.URL, requestHeader http.Header, readBufSize, writeBufSize int) (c *Conn, response *http.Response, err error) {
	d := Dialer{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		NetDial:         func(network, addr string) (net.Conn, error) { return netConn, nil },
	}
	return d.Dial(u.String(), requestHeader)
}
