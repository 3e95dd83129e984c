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
	"strings"
	"time"

	"github.com/seed23105783/websocket/internal/browser"
	"github.com/seed23105783/websocket/internal/httphead"
)

// A Dialer opens WebSocket connections. The zero value is ready to use. A Dialer
// is safe for concurrent use as long as its fields are not changed.
//
// It connects through an http.Transport. Proxies, TLS, and the hooks of
// net/http/httptrace work as they do there.
//
// # GOOS=js
//
// In a browser, in Node.js, and wherever else JavaScript has a WebSocket, Dial opens
// that. What it decides by itself cannot be set. These fields make Dial fail with an
// error that matches errors.ErrUnsupported: NetDial, NetDialContext,
// NetDialTLSContext, TLSClientConfig, Compression, Jar, KeepAlive, and a Proxy that
// returns one, except for http.ProxyFromEnvironment, which stands for the proxies of
// the browser. So do a user in the URL, and fields of the request's header other than
// Sec-WebSocket-Protocol. EnableCompression has no effect: the browser offers
// compression, or not.
//
// The response that Dial returns has the status 101, and of the header the
// subprotocol and the extensions. If the connection cannot be opened the response is
// nil, and the error can tell no reason. If the server chooses none of the
// subprotocols that it is offered, most browsers take that for a failure.
type Dialer struct {
	// NetDial connects to the server or the proxy. It is not used if
	// NetDialContext is set. The default, nil, is the Dial method of net.Dialer.
	NetDial func(network, addr string) (net.Conn, error)

	// NetDialContext connects to the server or the proxy, over a Unix socket for
	// example. The default, nil, is NetDial.
	NetDialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLSContext connects to what is spoken to first, if that is over
	// TLS: to an https proxy, or without a proxy to the server of a wss URL. It
	// does the TLS handshake; TLSClientConfig does not apply to it. The
	// default, nil, is NetDialContext and a handshake with TLSClientConfig.
	NetDialTLSContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the URL of the proxy for a request, or nil for none. The
	// scheme is http, https, socks5 or socks5h. A user and a password in the
	// URL are sent to the proxy. If Proxy returns an error, Dial fails with it.
	// The default, nil, is no proxy. [DefaultDialer] has
	// http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)

	// TLSClientConfig configures TLS with the server of a wss URL and with an
	// https proxy. The default, nil, is the zero tls.Config.
	//
	// The server is offered the protocols of NextProtos by ALPN, without "h2",
	// or else "http/1.1". An https proxy is offered "http/1.1".
	TLSClientConfig *tls.Config

	// HandshakeTimeout limits how long Dial may take. Zero means no limit.
	HandshakeTimeout time.Duration

	// ReadBufferSize and WriteBufferSize are as in [Upgrader].
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool is as in [Upgrader].
	WriteBufferPool BufferPool

	// Subprotocols lists the subprotocols to offer, in order of preference. A
	// subprotocol is visible ASCII without spaces, commas and quotes. With any
	// other in the list, or with one that is there twice, Dial fails.
	Subprotocols []string

	// EnableCompression offers compression without context takeover in either
	// direction. The server may agree to less than that, see
	// Compression.Required. It has no effect if Compression is set.
	EnableCompression bool

	// Compression offers compression. The default, nil, is no compression,
	// unless EnableCompression is set.
	Compression *Compression

	// Jar provides cookies for the request and stores those of the response. The
	// default, nil, is no cookies.
	Jar http.CookieJar

	// ReadLimit is the maximum length of a received message in bytes, and
	// SendQueueLimit that of what [Conn.Send] queues, as in [Upgrader].
	ReadLimit, SendQueueLimit int64

	// WriteImmediately has WriteMessage write every message by itself, and
	// WriteTimeout limits how long the transport may take to accept one, as in
	// [Upgrader].
	WriteImmediately bool
	WriteTimeout     time.Duration

	// KeepAlive closes connections whose server no longer responds. The zero value
	// does nothing.
	KeepAlive KeepAlive

	// HTTP2 has the connections opened over HTTP/2. The default, nil, is HTTP/1.1.
	HTTP2 *HTTP2

	// Trace has functions that are called when something happens to a connection.
	// The default, nil, is none.
	Trace *Trace
}

// DefaultDialer is a Dialer with the proxies of the environment (see
// http.ProxyFromEnvironment) and a HandshakeTimeout of 45 seconds.
var DefaultDialer = &Dialer{
	Proxy:            http.ProxyFromEnvironment,
	HandshakeTimeout: 45 * time.Second,
}

// nilDialer is what a nil *Dialer stands for.
var nilDialer = *DefaultDialer

const (
	// maxResponseHeader limits the header of the response of a server or a
	// proxy in bytes.
	maxResponseHeader = 64 << 10

	// maxErrorBody limits the body of a response that comes with an error.
	maxErrorBody = 1 << 10
)

// Dial calls [Dialer.DialContext] with the background context.
func (d *Dialer) Dial(urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	return d.DialContext(context.Background(), urlStr, requestHeader)
}

// DialContext connects to the server of a ws or wss URL, or an http or https URL
// that stands for it, and does the opening handshake (RFC 6455, Section 4.1).
// A user and a password in the URL are sent as an Authorization header, unless
// requestHeader has one. If ctx ends before the handshake is done, DialContext
// fails. After that ctx has no effect on the connection.
//
// The fields of requestHeader, which may be nil, are added to the request:
// Origin, Cookie and Authorization, for example. Host replaces the host of the
// URL. They may not be those of the handshake, except for
// Sec-WebSocket-Protocol if d.Subprotocols is empty.
//
// If the server responds, but does not open a WebSocket connection, the error is
// [ErrBadHandshake] or wraps it, and the response is returned, too. Redirects
// are not followed. The body of the response has at most 1 KiB and does not
// have to be closed. With any other error the response is nil.
func (d *Dialer) DialContext(ctx context.Context, urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	if d == nil {
		d = &nilDialer
	}
	if browser.Available {
		return d.dialBrowser(ctx, urlStr, requestHeader)
	}
	return d.dialHTTP(ctx, urlStr, requestHeader)
}

// dialHTTP is DialContext by a request of net/http, or two.
func (d *Dialer) dialHTTP(ctx context.Context, urlStr string, requestHeader http.Header) (conn *Conn, resp *http.Response, err error) {
	var hs *clientHandshake
	defer func() { d.Trace.handshakeDone(conn, hs.sent(), err) }()
	if d.HandshakeTimeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.HandshakeTimeout)
		defer cancel()
	}
	wish, err := compressionWish(d.Compression, d.EnableCompression)
	if err != nil {
		return nil, nil, err
	}
	hs, err = d.newHandshake(ctx, urlStr, requestHeader, wish)
	if err != nil {
		return nil, nil, err
	}
	conn, resp, err = hs.do()
	if err == nil || !wish.fallsBack() || !hs.refused {
		return conn, resp, err
	}
	if hs, err = d.newHandshake(ctx, urlStr, requestHeader, nil); err != nil {
		return nil, nil, err
	}
	return hs.do()
}

// do sends the request, and returns the connection that the response opens.
func (hs *clientHandshake) do() (conn *Conn, resp *http.Response, err error) {
	d := hs.dialer
	if d.HTTP2 != nil {
		resp, err = hs.roundTripHTTP2()
	} else {
		resp, err = hs.roundTrip()
	}
	if err != nil {
		return nil, nil, err
	}
	if d.Jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			d.Jar.SetCookies(hs.request.URL, cookies)
		}
	}
	if resp.StatusCode != hs.success() {
		hs.refused = mayRefuseOffer(resp.StatusCode)
		hs.readRefusal(resp)
		hs.close()
		return nil, resp, ErrBadHandshake
	}
	subprotocol, err := hs.checkResponse(resp)
	var agreed agreement
	if err == nil {
		agreed, err = checkExtensions(resp.Header, hs.wish)
		hs.refused = err != nil
	}
	if err != nil {
		hs.close()
		resp.Body = http.NoBody
		return nil, resp, err
	}
	if hs.stream != nil {
		conn = hs.openHTTP2(subprotocol, agreed)
	} else {
		conn = hs.open(resp, subprotocol, agreed)
	}
	resp.Body = http.NoBody
	return conn, resp, nil
}

// readRefusal keeps the first bytes of the body of a response that refuses.
func (hs *clientHandshake) readRefusal(resp *http.Response) {
	if hs.stream != nil { // the context of Dial is not that of its stream
		defer context.AfterFunc(hs.request.Context(), hs.stream.cancel)()
	}
	truncateBody(resp)
}

// mayRefuseOffer reports whether a server answers with a status because of an offer of
// compression.
func mayRefuseOffer(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusInternalServerError, http.StatusNotImplemented:
		return true
	}
	return false
}

// A clientHandshake is the state of a request.
type clientHandshake struct {
	dialer    *Dialer
	transport *http.Transport
	proxy     *url.URL // nil for none
	request   *http.Request
	key       string
	offered   []string
	wish      *Compression // nil for none
	refused   bool         // the server may have refused that
	conn      net.Conn     // what the request went out on
	shared    bool         // conn has other streams, and is not ours to close

	// Over HTTP/2.
	connections int           // how many new ones had no room for the stream
	opened      func(bool)    // ends an opening of a streamPool; nil if it is not ours
	stream      *clientStream // over HTTP/2; nil otherwise
}

// success returns the status of a response that opens the connection.
func (hs *clientHandshake) success() int {
	if hs.stream != nil {
		return http.StatusOK // RFC 8441, Section 5
	}
	return http.StatusSwitchingProtocols
}

// checkResponse checks a response and returns the subprotocol.
func (hs *clientHandshake) checkResponse(resp *http.Response) (subprotocol string, err error) {
	if hs.stream != nil { // there is no key
		return checkSubprotocol(resp.Header, hs.offered)
	}
	subprotocol, err = checkResponse(resp.Header, hs.key, hs.offered)
	if _, ok := resp.Body.(io.Writer); err == nil && !ok {
		err = badAnswer("net/http sees no switch of protocols in it")
	}
	return subprotocol, err
}

// newHandshake returns a handshake with the request and the transport for it. wish is
// the compression to offer, nil for none.
func (d *Dialer) newHandshake(ctx context.Context, urlStr string, caller http.Header, wish *Compression) (*clientHandshake, error) {
	u, err := parseURL(urlStr)
	if err != nil {
		return nil, err
	}
	hs := &clientHandshake{dialer: d, key: newKey(), offered: d.Subprotocols, wish: wish}
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
	}).WithContext(hs.withTrace(ctx))
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
	hs.transport, hs.proxy, err = d.newTransport(hs.request)
	return hs, err
}

// sent returns the request, nil if there is none.
func (hs *clientHandshake) sent() *http.Request {
	if hs == nil {
		return nil
	}
	return hs.request
}

// withTrace returns ctx with a hook that keeps the connection. It is needed for
// deadlines and NetConn; net/http returns an io.ReadWriteCloser only.
func (hs *clientHandshake) withTrace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			hs.conn = info.Conn
			if hs.opened != nil {
				hs.opened(false) // over HTTP/2 it has been called before
			}
		},
	})
}

// roundTrip sends the request and waits for the header of the response.
func (hs *clientHandshake) roundTrip() (*http.Response, error) {
	resp, err := hs.transport.RoundTrip(hs.request)
	if err == nil {
		return resp, nil
	}
	return nil, hs.failed(err)
}

// failed closes the connection after an error, which it returns together with that of the
// context.
func (hs *clientHandshake) failed(err error) error {
	hs.close()
	if ctxErr := hs.request.Context().Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		err = fmt.Errorf("%w: %w", ctxErr, err)
	}
	return err
}

// close closes the connection of a handshake that failed.
func (hs *clientHandshake) close() {
	if hs.stream != nil {
		hs.stream.Close() // the connection has other streams
		return
	}
	if hs.conn != nil && !hs.shared {
		hs.conn.Close()
	}
	hs.transport.CloseIdleConnections()
}

// open returns a Conn on the connection that the response came on.
//
// The first Read of the response's body returns what net/http has read ahead,
// which is at most handOverSize bytes. Later ones read from the connection. So
// the Conn reads once from the body, into a buffer of at least that size, and
// then from the connection.
func (hs *clientHandshake) open(resp *http.Response, subprotocol string, agreed agreement) *Conn {
	hs.conn.SetDeadline(time.Time{}) // NetDial may have set one for the handshake
	return hs.newConn(hs.conn, resp.Body, subprotocol, agreed)
}

// newConn returns a Conn on a stream. head is as in frameReader, or nil.
func (hs *clientHandshake) newConn(s stream, head io.Reader, subprotocol string, agreed agreement) *Conn {
	d := hs.dialer
	c := newConn(s, connConfig{
		client:           true,
		subprotocol:      subprotocol,
		url:              webSocketURL(hs.request.URL),
		readLimit:        d.ReadLimit,
		sendQueueLimit:   d.SendQueueLimit,
		writeImmediately: d.WriteImmediately,
		writeTimeout:     d.WriteTimeout,
		readBufferSize:   d.ReadBufferSize,
		writeBufferSize:  d.WriteBufferSize,
		writeBufferPool:  d.WriteBufferPool,
		agreement:        agreed,
		head:             head,
	})
	c.startTrace(d.Trace)
	c.startKeepAlive(d.KeepAlive)
	return c
}

// truncateBody replaces the body of a response by its start. It does not wait
// for the body after the end of the request's context.
func truncateBody(resp *http.Response) {
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

// fieldValues returns the values of a header field in any spelling of its name.
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
