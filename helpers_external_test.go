package websocket_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// Connections for tests through the exported API, over real sockets. The peer
// of a connection is a rawPeer.

// A route is the transport of a connection under test, and the role of that.
type route struct {
	network string // tcp or unix
	tls     bool
	client  bool
	http2   bool // a stream of HTTP/2
}

func (r route) String() string {
	name := r.network
	switch {
	case r.http2:
		name = "http2"
	case r.tls:
		name = "tls"
	}
	if r.client {
		return name + "/client"
	}
	return name + "/server"
}

var (
	tcpRoutes  = []route{{network: "tcp"}, {network: "tcp", client: true}}
	unixRoutes = []route{{network: "unix"}, {network: "unix", client: true}}
	tlsRoutes  = []route{{network: "tcp", tls: true}, {network: "tcp", tls: true, client: true}}

	// A connection over HTTP/2 has no socket of its own: Conn.NetConn returns nil.
	http2Routes = []route{{network: "tcp", tls: true, http2: true}, {network: "tcp", tls: true, http2: true, client: true}}
)

// eachRoute runs a test over all routes, or over those that are given.
func eachRoute(t *testing.T, test func(t *testing.T, r route), routes ...[]route) {
	if routes == nil {
		routes = [][]route{tcpRoutes, tlsRoutes, unixRoutes, http2Routes}
	}
	for _, some := range routes {
		for _, r := range some {
			t.Run(r.String(), func(t *testing.T) { test(t, r) })
		}
	}
}

// A subtest is one of several that run at the same time.
type subtest struct {
	name string
	run  func(t *testing.T)
}

// together runs subtests at the same time. Unlike t.Parallel it has no limit for
// how many: these wait for slow peers and need little of the processors.
func together(t *testing.T, tests []subtest) {
	t.Helper()
	if testing.Short() || websocket.RaceDetector {
		t.Skip("peers that are slow in real time: an emulated processor, or all of them at the same time under the race detector, may be slower")
	}
	var done sync.WaitGroup
	for _, test := range tests {
		done.Go(func() { t.Run(test.name, test.run) })
	}
	done.Wait()
}

// overRoutes returns the subtests of a test over all routes, or over those that
// are given.
func overRoutes(test func(t *testing.T, r route), routes ...[]route) (tests []subtest) {
	if routes == nil {
		routes = [][]route{tcpRoutes, tlsRoutes, unixRoutes, http2Routes}
	}
	for _, some := range routes {
		for _, r := range some {
			tests = append(tests, subtest{r.String(), func(t *testing.T) { test(t, r) }})
		}
	}
	return tests
}

// options are those of a connection under test.
type options struct {
	buffer      int // size of all buffers of the sockets; zero for the default
	compression bool
	readLimit   int64
	queueLimit  int64
	timeout     time.Duration // WriteTimeout
	keepAlive   websocket.KeepAlive
	trace       *websocket.Trace
	events      *websocket.Events       // of a server
	wrap        func(net.Conn) net.Conn // wraps the socket of the connection under test
}

// narrow are options with which little fits into the sockets.
var narrow = options{buffer: 32 << 10, queueLimit: -1}

// setBuffers sets the buffers of a socket.
func (o *options) setBuffers(conn net.Conn) {
	if o.buffer == 0 {
		return
	}
	s := conn.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	})
	s.SetReadBuffer(o.buffer)
	s.SetWriteBuffer(o.buffer)
}

// window is the size of an HTTP/2 peer's windows.
func (o *options) window() int {
	if o.buffer == 0 {
		return 1 << 20
	}
	return o.buffer
}

// prepare makes a socket that of a connection under test.
func (o *options) prepare(conn net.Conn) net.Conn {
	o.setBuffers(conn)
	if o.wrap != nil {
		return o.wrap(conn)
	}
	return conn
}

// A source makes connections to peers over a route.
type source struct {
	t        *testing.T
	route    route
	options  options
	listener net.Listener         // of the server, be that the peer or not
	upgraded chan *websocket.Conn // the connections under test of a server
}

// source returns a source of connections with these options.
func (r route) source(t *testing.T, o options) *source {
	s := &source{t: t, route: r, options: o}
	address := "127.0.0.1:0"
	if r.network == "unix" {
		wstest.NeedUnixSockets(t)
		dir, err := os.MkdirTemp("", "ws") // t.TempDir can be too long for a socket
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		address = dir + "/s"
	}
	var err error
	s.listener, err = net.Listen(r.network, address)
	require.NoError(t, err)
	t.Cleanup(func() { s.listener.Close() })
	if !r.client {
		s.serve()
	}
	return s
}

// connect returns a connection with these options, and its peer.
func (r route) connect(t *testing.T, o options) (*websocket.Conn, *rawPeer) {
	return r.source(t, o).connect()
}

// serve upgrades what the listener accepts.
func (s *source) serve() {
	s.upgraded = make(chan *websocket.Conn, 1)
	upgrader := websocket.Upgrader{
		EnableCompression: s.options.compression,
		ReadLimit:         s.options.readLimit,
		SendQueueLimit:    s.options.queueLimit,
		WriteTimeout:      s.options.timeout,
		KeepAlive:         s.options.keepAlive,
		Trace:             s.options.trace,
		Events:            s.options.events,
	}
	var listener net.Listener = preparingListener{s.listener, &s.options}
	if s.route.tls {
		listener = tls.NewListener(listener, s.tlsConfig(serverTLS()))
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _ := upgrader.Upgrade(w, r, nil)
			s.hand(c)
		}),
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if s.route.http2 {
		server.Handler = s.http2Handler(&upgrader)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	s.t.Cleanup(func() {
		server.Close()
		<-ended
	})
}

// hand passes a connection to connectServer, while the test goes on.
func (s *source) hand(c *websocket.Conn) {
	select {
	case s.upgraded <- c:
	case <-s.t.Context().Done():
	}
}

// http2Handler returns a handler that stays with its connection.
func (s *source) http2Handler(u *websocket.Upgrader) http.Handler {
	if u.Events == nil {
		return u.Handler(func(c *websocket.Conn, _ *http.Request) {
			s.hand(c)
			<-c.Done()
		})
	}
	var trace websocket.Trace
	if u.Trace != nil {
		trace = *u.Trace
	}
	trace.HandshakeDone = func(c *websocket.Conn, _ *http.Request, _ error) { s.hand(c) }
	u.Trace = &trace
	return u.Handler(nil)
}

// tlsConfig returns config with the protocol of the route.
func (s *source) tlsConfig(config *tls.Config) *tls.Config {
	if s.route.http2 {
		config.NextProtos = []string{"h2"}
	}
	return config
}

// A preparingListener prepares what it accepts.
type preparingListener struct {
	net.Listener
	options *options
}

func (l preparingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.options.prepare(conn), nil
}

// connect returns a connection and its peer. Both are closed at the end of the
// test.
func (s *source) connect() (*websocket.Conn, *rawPeer) {
	connect := s.connectServer
	if s.route.client {
		connect = s.connectClient
	}
	c, p := connect()
	require.NotNil(s.t, c)
	s.t.Cleanup(func() {
		c.Close()
		p.socket.Close()
	})
	return c, p
}

// handshake is the request of a raw peer that is a client.
const handshake = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n"

func (s *source) connectServer() (*websocket.Conn, *rawPeer) {
	conn, err := net.Dial(s.route.network, s.listener.Addr().String())
	require.NoError(s.t, err)
	s.options.setBuffers(conn)
	p := &rawPeer{t: s.t, Conn: conn, socket: conn, masked: true}
	if s.route.tls {
		p.Conn = tls.Client(conn, s.tlsConfig(clientTLS()))
	}
	if s.route.http2 {
		frames, err := newFrameConn(p.Conn, false, s.options.window())
		require.NoError(s.t, err)
		require.NoError(s.t, frames.connect("sec-websocket-extensions", "permessage-deflate; client_no_context_takeover"))
		p.Conn = newStreamConn(frames)
		p.r = bufio.NewReader(p.Conn)
		return <-s.upgraded, p
	}
	_, err = io.WriteString(p, handshake)
	require.NoError(s.t, err)
	p.r = bufio.NewReader(p.Conn)
	response, err := http.ReadResponse(p.r, nil)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusSwitchingProtocols, response.StatusCode)
	return <-s.upgraded, p
}

func (s *source) connectClient() (*websocket.Conn, *rawPeer) {
	accepted := make(chan *rawPeer, 1)
	go func() {
		p, err := s.accept()
		if err != nil {
			s.t.Error(err)
		}
		accepted <- p
	}()
	dialer := websocket.Dialer{
		EnableCompression: s.options.compression,
		ReadLimit:         s.options.readLimit,
		SendQueueLimit:    s.options.queueLimit,
		WriteTimeout:      s.options.timeout,
		KeepAlive:         s.options.keepAlive,
		Trace:             s.options.trace,
		TLSClientConfig:   clientTLS(),
		NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			conn, err := net.Dial(s.route.network, s.listener.Addr().String())
			if err != nil {
				return nil, err
			}
			return s.options.prepare(conn), nil
		},
	}
	if s.route.http2 {
		dialer.HTTP2 = &websocket.HTTP2{}
		s.t.Cleanup(dialer.CloseIdleConnections)
	}
	scheme := "ws"
	if s.route.tls {
		scheme = "wss"
	}
	c, _, err := dialer.Dial(scheme+"://example.com/", nil)
	require.NoError(s.t, err)
	return c, <-accepted
}

// accept does the handshake of a raw peer that is a server.
func (s *source) accept() (*rawPeer, error) {
	conn, err := s.listener.Accept()
	if err != nil {
		return nil, err
	}
	s.options.setBuffers(conn)
	p := &rawPeer{t: s.t, Conn: conn, socket: conn}
	if s.route.tls {
		p.Conn = tls.Server(conn, s.tlsConfig(serverTLS()))
	}
	if s.route.http2 {
		return p, s.acceptHTTP2(p)
	}
	p.r = bufio.NewReader(p.Conn)
	request, err := http.ReadRequest(p.r)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	response := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if s.options.compression {
		response += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	_, err = io.WriteString(p, response+"\r\n")
	return p, err
}

// acceptHTTP2 is accept over HTTP/2.
func (s *source) acceptHTTP2(p *rawPeer) error {
	frames, err := newFrameConn(p.Conn, true, s.options.window())
	if err != nil {
		return err
	}
	p.Conn = newStreamConn(frames)
	p.r = bufio.NewReader(p.Conn)
	if s.options.compression {
		return frames.accept("sec-websocket-extensions",
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover")
	}
	return frames.accept()
}

// socketOf returns the socket of a connection.
func socketOf(c *websocket.Conn) net.Conn {
	conn := c.NetConn()
	if t, ok := conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return conn
}

// testCertificate is one that net/http/httptest has made for example.com.
var testCertificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server.TLS.Certificates[0], pool
})

func serverTLS() *tls.Config {
	certificate, _ := testCertificate()
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
}

func clientTLS() *tls.Config {
	_, pool := testCertificate()
	return &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// within calls f and fails the test if that takes longer than limit, which has to
// be generous: the machine may be slow.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Fatalf("%s took %v, which is more than %v", what, took.Round(time.Millisecond), limit)
	}
}

// async calls f and returns a channel with its result.
func async[T any](f func() T) <-chan T {
	result := make(chan T, 1)
	go func() { result <- f() }()
	return result
}

// wait returns the result of async. It fails the test if there is none in a
// while.
func wait[T any](t *testing.T, result <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-result:
	case <-time.After(20 * time.Second):
		t.Fatal(fmt.Sprint(what, " does not return"))
	}
	return value
}
