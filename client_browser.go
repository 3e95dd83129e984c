package websocket

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/seed23105783/websocket/internal/browser"
	"github.com/seed23105783/websocket/internal/httphead"
)

// dialInTests is what tests under GOOS=js have in place of the browser if their
// server is in the process itself, where package net reaches it. It is nil
// otherwise, and programs do not contain net/http's client.
var dialInTests func(d *Dialer, ctx context.Context, urlStr string, caller http.Header) (*Conn, *http.Response, error)

// dialBrowser is DialContext by the WebSocket of the browser.
func (d *Dialer) dialBrowser(ctx context.Context, urlStr string, caller http.Header) (conn *Conn, resp *http.Response, err error) {
	if dialInTests != nil {
		return dialInTests(d, ctx, urlStr, caller)
	}
	var request *http.Request
	defer func() { d.Trace.handshakeDone(conn, request, err) }()
	if d.HandshakeTimeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.HandshakeTimeout)
		defer cancel()
	}
	request, offered, err := d.browserRequest(ctx, urlStr, caller)
	if err != nil {
		return nil, nil, err
	}
	url := webSocketURL(request.URL)
	socket := new(browser.Socket)
	stream := newBrowserStream(socket, d.ReadLimit)
	if err := socket.Open(ctx, url, offered, stream); err != nil {
		return nil, nil, HandshakeError{message: "cannot connect to " + url + ": " + err.Error(), cause: err}
	}
	conn = newConn(stream, connConfig{
		client:           true,
		zeroKey:          true,
		subprotocol:      socket.Subprotocol(),
		url:              url,
		readLimit:        d.ReadLimit,
		sendQueueLimit:   d.SendQueueLimit,
		writeImmediately: d.WriteImmediately,
		writeTimeout:     d.WriteTimeout,
		readBufferSize:   d.ReadBufferSize,
		writeBufferSize:  d.WriteBufferSize,
		writeBufferPool:  d.WriteBufferPool,
		agreement:        agreement{extensions: socket.Extensions()},
	})
	conn.startTrace(d.Trace)
	return conn, browserResponse(request, conn), nil
}

// browserRequest returns the request that the browser is to send, as far as it is
// known, and the subprotocols to offer.
func (d *Dialer) browserRequest(ctx context.Context, urlStr string, caller http.Header) (*http.Request, []string, error) {
	u, err := parseURL(urlStr)
	if err != nil {
		return nil, nil, err
	}
	// What is wrong on every system has the same error on every system.
	header, err := requestHeader(caller, "", d.Subprotocols, nil)
	if err != nil {
		return nil, nil, err
	}
	request := (&http.Request{Method: http.MethodGet, URL: u, Header: header, Host: u.Host}).WithContext(ctx)
	offered := d.Subprotocols
	if len(offered) == 0 {
		offered, _ = httphead.Subprotocols(fieldValues(caller, headerProtocol), maxSubprotocols)
	}
	return request, offered, d.checkBrowser(request, caller)
}

// checkBrowser returns an error if the dialer or the caller's header asks for
// something that the browser does not let a program choose.
func (d *Dialer) checkBrowser(request *http.Request, caller http.Header) error {
	for name := range caller {
		if http.CanonicalHeaderKey(name) != headerProtocol {
			return browserRefusal("the request header "+name, "the only one that a program can set is Sec-WebSocket-Protocol")
		}
	}
	switch {
	case request.URL.User != nil:
		return browserRefusal("the user in the URL", "browsers drop it or refuse it")
	case d.NetDial != nil || d.NetDialContext != nil || d.NetDialTLSContext != nil:
		return browserRefusal("a NetDial function of the Dialer", "it connects by itself; NewConn takes a stream of your own")
	case d.TLSClientConfig != nil:
		return browserRefusal("Dialer.TLSClientConfig", "TLS is the browser's, with the certificates that it trusts")
	case d.Compression != nil:
		return browserRefusal("Dialer.Compression", "the browser offers what it wants to; EnableCompression is allowed")
	case d.Jar != nil:
		return browserRefusal("Dialer.Jar", "the browser sends and keeps its own cookies")
	case d.HTTP2 != nil && !d.HTTP2.FallBack:
		return browserRefusal("Dialer.HTTP2", "the browser chooses the version of HTTP; set FallBack to let it")
	case d.KeepAlive.Interval > 0:
		return browserRefusal("Dialer.KeepAlive", "the browser sends no pings for a program; let the server do it")
	}
	return d.checkBrowserProxy(request)
}

// checkBrowserProxy returns an error if Dialer.Proxy wants a proxy of its own.
// http.ProxyFromEnvironment stands for that of the environment, which is for the
// browser to know.
func (d *Dialer) checkBrowserProxy(request *http.Request) error {
	if d.Proxy == nil || reflect.ValueOf(d.Proxy).Pointer() == reflect.ValueOf(http.ProxyFromEnvironment).Pointer() {
		return nil
	}
	if proxy, err := d.Proxy(request); err != nil || proxy != nil {
		return cmp.Or(err, browserRefusal("Dialer.Proxy", "proxies are the browser's"))
	}
	return nil
}

// browserRefusal returns the error for something that the browser does not do.
func browserRefusal(what, why string) error {
	return HandshakeError{message: what + " is not possible in the browser: " + why, cause: errors.ErrUnsupported}
}

// browserResponse returns what is known of the server's response.
func browserResponse(request *http.Request, c *Conn) *http.Response {
	header := make(http.Header)
	if c.Subprotocol() != "" {
		header.Set(headerProtocol, c.Subprotocol())
	}
	if c.Extensions() != "" {
		header.Set(headerExtensions, c.Extensions())
	}
	return &http.Response{
		Status:     "101 Switching Protocols",
		StatusCode: http.StatusSwitchingProtocols,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     header,
		Body:       http.NoBody,
		Request:    request,
	}
}
