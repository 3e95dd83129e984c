package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed23105783/websocket/internal/deadlines"
)

// WebSocket over HTTP/2 (RFC 8441), the client.

// ErrHTTP2 is what a Dial error wraps if the server does not accept WebSocket
// connections over HTTP/2, which [Dialer].HTTP2 asks for.
var ErrHTTP2 = errors.New("websocket: the server does not accept WebSocket connections over HTTP/2 (RFC 8441)")

// HTTP2 has a [Dialer] open connections over HTTP/2 (RFC 8441): each is a stream of
// a TCP connection that many share. Dialers that have the same *HTTP2 share their TCP
// connections, one for each host, TLSClientConfig and proxy, and more where a server
// does not allow as many streams, whatever NetDial functions they have. The zero value is
// ready to use. An HTTP2 is safe for concurrent use as long as its fields are not changed.
//
// A TCP connection on which nothing arrives for 30 seconds is tested with a PING frame, and
// if that is not answered within 15 seconds its streams end.
//
// A ws URL means unencrypted HTTP/2, of which the client has to know beforehand that the
// server speaks it.
type HTTP2 struct {
	// FallBack makes the Dialer use HTTP/1.1 if the server does not accept WebSocket
	// connections over HTTP/2, and for all ws URLs. If the server agrees to HTTP/2
	// itself, that takes a second TCP connection.
	FallBack bool

	// IdleTimeout is how long a TCP connection without streams is kept. Zero means 90
	// seconds.
	IdleTimeout time.Duration

	mu    sync.Mutex
	pools map[poolKey]*streamPool
}

// defaultIdleTimeout is the IdleTimeout of net/http's DefaultTransport.
const defaultIdleTimeout = 90 * time.Second

// A TCP connection that brings nothing for pingAfter is sent a PING frame of HTTP/2, and is
// closed together with its streams if there is no answer within pingTimeout. Otherwise all
// Dials would go on to use a connection whose server has vanished.
const (
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
)

// A poolKey says which Dialers can share connections.
type poolKey struct {
	encrypted bool // what net/http has for the one sends nothing over the other
	config    *tls.Config
	proxy     string
}

// CloseIdleConnections closes the TCP connections that have no streams.
func (h *HTTP2) CloseIdleConnections() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.pools {
		p.transport.CloseIdleConnections()
	}
}

// pool returns the pool for a key.
func (h *HTTP2) pool(key poolKey) *streamPool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.pools[key]; p != nil {
		return p
	}
	p := &streamPool{transport: &http.Transport{
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		IdleConnTimeout:        h.IdleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}}
	if h.IdleTimeout == 0 {
		p.transport.IdleConnTimeout = defaultIdleTimeout
	}
	p.transport.Protocols.SetHTTP2(true)
	p.transport.Protocols.SetUnencryptedHTTP2(true)
	p.transport.CloseIdleConnections() // which sets TLSNextProto
	if h.pools == nil {
		h.pools = make(map[poolKey]*streamPool)
	}
	h.pools[key] = p
	return p
}

// What HTTP/2 is called in the TLSNextProto of an http.Transport: over TLS its name in
// ALPN (RFC 9113, Section 3.2), and without TLS a name of net/http's own.
const (
	alpnHTTP2        = "h2"
	unencryptedHTTP2 = "unencrypted_http2"
)

// A streamPool has HTTP/2 connections. They are made by the transport of a Dial, which
// knows proxies and TLS, and given to this one.
type streamPool struct {
	transport *http.Transport

	mu      sync.Mutex
	client  http.RoundTripper   // over the connections that there are; nil before the first
	opening map[string]*opening // by host
}

// An opening is a connection that is being made, for which others wait.
type opening struct {
	done  chan struct{} // closed when there is a connection, or will be none over HTTP/2
	http2 bool          // there is one over HTTP/2; set before done is closed
}

// open returns the opening for a host, and whether it is new: then the caller makes the
// connection and calls opened.
func (p *streamPool) open(host string) (o *opening, isNew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o = p.opening[host]; o != nil {
		return o, false
	}
	if p.opening == nil {
		p.opening = make(map[string]*opening)
	}
	o = &opening{done: make(chan struct{})}
	p.opening[host] = o
	return o, true
}

// opened ends an opening. Only the first call has an effect.
func (p *streamPool) opened(host string, o *opening, http2 bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opening[host] == o {
		delete(p.opening, host)
		o.http2 = http2
		close(o.done)
	}
}

// add adds a connection, and returns what sends requests over those that there are. A
// connection that fails at once is not kept: net/http would return its error ever after.
func (p *streamPool) add(protocol, authority string, conn *tls.Conn) http.RoundTripper {
	client := p.transport.TLSNextProto[protocol](authority, conn)
	if _, failed := client.(interface{ RoundTripErr() error }); failed {
		return client
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client = client
	return client
}

// current returns what sends requests over the connections that there are, nil before
// the first.
func (p *streamPool) current() http.RoundTripper {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client
}

// roundTripHTTP2 sends the request over HTTP/2. The stream is set if the response is the
// answer to an extended CONNECT.
func (hs *clientHandshake) roundTripHTTP2() (*http.Response, error) {
	h := hs.dialer.HTTP2
	encrypted := hs.request.URL.Scheme == "https"
	if !encrypted && h.FallBack {
		return hs.roundTrip()
	}
	pool, host := h.pool(poolKey{encrypted, hs.dialer.TLSClientConfig, hs.proxyURL()}), hs.request.URL.Host
	for {
		if client := pool.current(); client != nil {
			resp, err := hs.connect(client)
			if !isNoConnection(err) { // or else there is none, or none with room for a stream
				return hs.connected(resp, err)
			}
		}
		o, isNew := pool.open(host)
		if isNew {
			hs.opened = func(http2 bool) { pool.opened(host, o, http2) }
			defer hs.opened(false)
			break
		}
		select { // a connection that another Dial makes has room for many streams
		case <-o.done:
		case <-hs.request.Context().Done():
			return nil, hs.failed(hs.request.Context().Err())
		}
		if !o.http2 {
			break
		}
	}
	hs.shared = false // unless the new connection is for streams
	hs.useHTTP2(pool, encrypted, h.FallBack)
	resp, err := hs.transport.RoundTrip(hs.request)
	if err != nil && hs.connections > 0 {
		pool.transport.CloseIdleConnections() // those that have no room for a stream
	}
	if err == nil && hs.stream == nil && !h.FallBack {
		err = ErrHTTP2 // it has answered with HTTP/1.1, whatever that is
		hs.close()
	}
	return hs.connected(resp, err)
}

// useHTTP2 makes the transport of the handshake give its connection to pool, and send an
// extended CONNECT in place of the request.
func (hs *clientHandshake) useHTTP2(pool *streamPool, encrypted, fallBack bool) {
	switch {
	case !encrypted:
		hs.transport.Protocols = new(http.Protocols)
		hs.transport.Protocols.SetUnencryptedHTTP2(true)
	case fallBack:
		hs.transport.TLSClientConfig.NextProtos = []string{alpnHTTP2, "http/1.1"}
	default:
		hs.transport.TLSClientConfig.NextProtos = []string{alpnHTTP2}
	}
	hs.transport.TLSNextProto = make(map[string]func(string, *tls.Conn) http.RoundTripper)
	for _, protocol := range []string{alpnHTTP2, unencryptedHTTP2} {
		hs.transport.TLSNextProto[protocol] = func(authority string, conn *tls.Conn) http.RoundTripper {
			client := pool.add(protocol, authority, conn)
			if hs.opened != nil {
				hs.opened(true)
			}
			return roundTripper(func(*http.Request) (*http.Response, error) {
				resp, err := hs.connect(client)
				if isNoConnection(err) {
					err = hs.noStream(err)
				}
				return resp, err
			})
		}
	}
}

// maxConnections is on how many new connections in a row a Dial may find no room for its
// stream: those that other Dials have used up meanwhile, with servers that allow few streams.
const maxConnections = 10

var errNoStreams = errors.New("the server allows no streams on new connections")

// noStream returns the error for a new connection that has no room for a stream: err, after
// which net/http makes another one, or errNoStreams.
func (hs *clientHandshake) noStream(err error) error {
	hs.connections++
	if hs.connections == maxConnections {
		return errNoStreams
	}
	select {
	case <-time.After(time.Millisecond << hs.connections):
		return err
	case <-hs.request.Context().Done():
		return hs.request.Context().Err()
	}
}

// A roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// connected returns the response, or tries HTTP/1.1 if the server does not know the
// extended CONNECT and that is wanted.
func (hs *clientHandshake) connected(resp *http.Response, err error) (*http.Response, error) {
	switch {
	case err == nil:
		return resp, nil
	case errors.Is(err, ErrHTTP2), errors.Is(err, errNoStreams), isNoHTTP2(err):
		if hs.dialer.HTTP2.FallBack {
			hs.shared = false
			hs.transport, hs.proxy, err = hs.dialer.newTransport(hs.request)
			if err != nil {
				return nil, err
			}
			return hs.roundTrip()
		}
		return nil, HandshakeError{message: "HTTP/2: " + err.Error(), cause: ErrHTTP2}
	}
	return nil, hs.failed(err)
}

// isNoConnection reports whether err says that there is no connection for a request.
func isNoConnection(err error) bool {
	_, ok := errors.AsType[interface {
		error
		IsHTTP2NoCachedConnError()
	}](err)
	return ok || err == http.ErrSkipAltProtocol
}

// isNoHTTP2 reports whether err says that the server knows no HTTP/2, or no extended
// CONNECT (RFC 8441, Section 3: it has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL).
// net/http and crypto/tls have no other way to tell.
func isNoHTTP2(err error) bool {
	s := err.Error()
	return strings.Contains(s, "extended connect not supported") || strings.Contains(s, "no application protocol")
}

// connect sends an extended CONNECT (RFC 8441, Section 5) in place of the request.
func (hs *clientHandshake) connect(client http.RoundTripper) (*http.Response, error) {
	// The context of a request ends its stream, and that of Dial must not.
	ctx, cancel := context.WithCancel(context.WithoutCancel(hs.request.Context()))
	stop := context.AfterFunc(hs.request.Context(), cancel)
	body := newRequestBody()
	again := func() (io.ReadCloser, error) { // net/http tries again where the server has not seen the request
		body = newRequestBody()
		return body, nil
	}
	header := hs.request.Header.Clone()
	for _, name := range []string{headerUpgrade, headerConnection, "Sec-WebSocket-Key", "Host"} {
		delete(header, name)
	}
	header[headerPseudoProtocol] = []string{"websocket"}
	hs.shared = true // what withTrace finds
	resp, err := client.RoundTrip((&http.Request{
		Method:        http.MethodConnect,
		URL:           hs.request.URL,
		Host:          hs.request.Host,
		Header:        header,
		Body:          body,
		GetBody:       again,
		ContentLength: -1,
	}).WithContext(ctx))
	if stopped := stop(); err != nil || !stopped {
		if err == nil {
			resp.Body.Close()
			err = hs.request.Context().Err()
		}
		cancel()
		return nil, err
	}
	hs.stream = &clientStream{body: resp.Body, w: body, cancel: cancel}
	if hs.conn != nil {
		hs.stream.local, hs.stream.remote = hs.conn.LocalAddr(), hs.conn.RemoteAddr()
	}
	return resp, nil
}

// proxyURL returns the URL of the proxy, "" if there is none.
func (hs *clientHandshake) proxyURL() string {
	if hs.proxy == nil {
		return ""
	}
	return hs.proxy.String()
}

// openHTTP2 returns a Conn on the stream of the response.
func (hs *clientHandshake) openHTTP2(subprotocol string, agreed agreement) *Conn {
	return hs.newConn(deadlines.New(hs.stream), nil, subprotocol, agreed)
}

// CloseIdleConnections closes the TCP connections over HTTP/2 that have no streams, and
// does nothing if HTTP2 is not set.
func (d *Dialer) CloseIdleConnections() {
	if d.HTTP2 != nil {
		d.HTTP2.CloseIdleConnections()
	}
}
