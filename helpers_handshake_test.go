package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// A fakeNetwork is a network in memory for a Dialer. It records what is dialed
// and runs the server.
type fakeNetwork struct {
	serve    func(conn net.Conn)
	delay    time.Duration // how long dial takes, even if the context ends before
	hang     bool          // dial waits until the context ends
	mu       sync.Mutex
	dials    []string
	requests []string  // as they were sent
	open     openCount // the connections that the Dialer has not closed
}

// dialed returns what was dialed.
func (s *fakeNetwork) dialed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// An openCount is like a sync.WaitGroup, but Add and Wait may be called in any
// order.
type openCount struct {
	mu   sync.Mutex
	n    int
	zero chan struct{}
}

func (o *openCount) Add(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n == 0 {
		o.zero = make(chan struct{})
	}
	if o.n += n; o.n == 0 {
		close(o.zero)
	}
}

func (o *openCount) Wait() {
	o.mu.Lock()
	zero := o.zero
	o.mu.Unlock()
	if zero != nil {
		<-zero
	}
}

// dial is for Dialer.NetDialContext.
func (s *fakeNetwork) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, network+" "+addr)
	s.mu.Unlock()
	if s.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.open.Add(1)
	time.Sleep(s.delay)
	local, remote := wstest.Pipe(64<<10, wstest.Whole)
	go func() {
		defer remote.Close()
		s.serve(remote)
	}()
	return &fakeNetworkConn{local, sync.OnceFunc(func() { s.open.Add(-1) })}, nil
}

// A fakeNetworkConn calls a function when it is closed.
type fakeNetworkConn struct {
	*wstest.Conn
	closed func()
}

func (c *fakeNetworkConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// newFakeNetwork returns a network whose server sends what answer returns for
// each request, and then waits for the client to close.
func newFakeNetwork(answer func(r *http.Request) string) *fakeNetwork {
	s := &fakeNetwork{}
	s.serve = func(conn net.Conn) { s.answerOne(conn, answer) }
	return s
}

// answerOne answers a request and waits for the client to close.
func (s *fakeNetwork) answerOne(conn net.Conn, answer func(r *http.Request) string) {
	s.answer(conn, answer)
	io.Copy(io.Discard, conn)
}

// answer records and answers a request. It may read more of the connection than
// the request: the client sends nothing before it has the response.
func (s *fakeNetwork) answer(conn net.Conn, answer func(r *http.Request) string) {
	var text bytes.Buffer
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &text)))
	if err != nil {
		return // the test misses it in s.requests
	}
	s.mu.Lock()
	s.requests = append(s.requests, text.String())
	s.mu.Unlock()
	io.WriteString(conn, answer(r))
}

// acceptingResponse returns the response that accepts a handshake, with lines
// added to its header.
func acceptingResponse(r *http.Request, lines ...string) string {
	text := string(appendResponse(nil, r.Header.Get("Sec-WebSocket-Key"), "", "", nil))
	return strings.TrimSuffix(text, "\r\n") + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func acceptHandshake(r *http.Request) string { return acceptingResponse(r) }

// discardAll is a server that sends nothing.
func discardAll(conn net.Conn) { io.Copy(io.Discard, conn) }

// exampleCertificate returns a certificate for example.com and 127.0.0.1, and
// a pool of authorities that vouch for it.
func exampleCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return s.TLS.Certificates[0], clientTLSConfig(s).RootCAs
}

// An earlyServer is a server that sends the bytes from early in one piece with
// its response, and those from rest after that. rest has no buffer, so that what
// is meant for one connection does not go to the connection before.
type earlyServer struct {
	url         string
	tlsConfig   *tls.Config
	early, rest chan []byte
}

func newEarlyServer(t *testing.T, scheme string) *earlyServer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cert, roots := exampleCertificate(t)
	b := &earlyServer{scheme + "://" + listener.Addr().String(), &tls.Config{RootCAs: roots}, make(chan []byte, 1), make(chan []byte)}
	if scheme == "wss" {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { listener.Close() })
	return b
}

func (b *earlyServer) serve(conn net.Conn) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	conn.Write(append([]byte(acceptingResponse(r)), <-b.early...))
	conn.Write(<-b.rest)
	io.Copy(io.Discard, conn)
}

// earlyMessages are messages that a peer sends in one piece with its request or
// response.
var earlyMessages = map[string][]string{
	"nothing":               {""},
	"a frame":               {"hello"},
	"frames":                {"hello", "", "world"},
	"3 KiB of frames":       slices.Repeat([]string{longText[:60]}, 50),
	"a frame of 3 KiB":      {longText[:3000]},
	"nearly 4 KiB":          {longText[:3700]},
	"4 KiB and more":        {longText[:4096], longText[:100]},
	"many KiB":              slices.Repeat([]string{longText[:1000]}, 30),
	"a frame of many KiB":   {longText},
	"one byte, then 20 KiB": {"x", longText[:20000]},
}

// eachEarlyCase runs a test for each of earlyMessages. late is how many bytes of
// their frames are sent later, and buffer is the size of the read buffer.
func eachEarlyCase(t *testing.T, test func(t *testing.T, messages []string, late, buffer int)) {
	for name, messages := range earlyMessages {
		for _, late := range []int{0, 1, 3, 1000} {
			for _, buffer := range []int{0, 1, 1 << 20} {
				t.Run(fmt.Sprintf("%s/%d late/buffer %d", name, late, buffer), func(t *testing.T) {
					test(t, messages, late, buffer)
				})
			}
		}
	}
}

// earlyFrames encodes messages and cuts the last bytes off.
func earlyFrames(messages []string, masked bool, late int) (early, rest []byte) {
	var frames []byte
	for _, m := range messages {
		frames = append(frames, (&peer{masked: masked}).text(m)...)
	}
	late = min(late, len(frames))
	return frames[:len(frames)-late], frames[len(frames)-late:]
}

// expectMessages reads messages and checks them.
func expectMessages(t *testing.T, c *Conn, messages []string) {
	t.Helper()
	for i, want := range messages {
		kind, p, err := c.ReadMessage()
		require.NoError(t, err, "message %d", i)
		require.Equal(t, TextMessage, kind)
		require.Equal(t, want, string(p), "message %d", i)
	}
}

// newUpgradeServer returns a server that sends its connections on a channel. The
// request has the size of their read buffers.
func newUpgradeServer(t *testing.T) (*httptest.Server, <-chan *Conn) {
	conns := make(chan *Conn, 1)
	return httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u Upgrader
		fmt.Sscan(r.FormValue("buffer"), &u.ReadBufferSize)
		c, err := u.Upgrade(w, r, nil)
		assert.NoError(t, err)
		conns <- c
	})), conns
}

// A pipeHijacker is a ResponseWriter over a connection in memory.
type pipeHijacker struct {
	*httptest.ResponseRecorder
	conn  net.Conn
	early []byte
}

// newPipeHijacker returns a pipeHijacker whose connection holds up to size bytes
// that the remote end has not read, any number if size is zero.
func newPipeHijacker(size int, early []byte) (*pipeHijacker, *wstest.Conn) {
	local, remote := wstest.Pipe(size, wstest.Whole)
	return &pipeHijacker{httptest.NewRecorder(), local, early}, remote
}

// startServer closes a server at the end of the test, and returns its address.
func startServer(t *testing.T, s *httptest.Server) string {
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// newTLSServer returns a server of package httptest. All of them have the same
// certificate, so that it can stand for any other.
func newTLSServer(t *testing.T) *httptest.Server {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return s
}

// testTimeout is how long a test waits on a real socket before it fails.
const testTimeout = 20 * time.Second

// A testHandler is an http.Handler that upgrades every request.
type testHandler struct {
	Upgrader
	header        http.Header                                   // added to the answer
	middleware    func(http.ResponseWriter) http.ResponseWriter // a middleware
	handle        func(*Conn)                                   // nil: what comes is sent back
	upgradeErrors chan error                                    // of each Upgrade
	hijacks       atomic.Int32
	handlers      sync.WaitGroup
}

// newTestHandler returns a handler. The test does not end before its calls.
func newTestHandler(t *testing.T) *testHandler {
	d := &testHandler{upgradeErrors: make(chan error, 100)}
	t.Cleanup(d.handlers.Wait)
	return d
}

func (d *testHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.handlers.Add(1)
	defer d.handlers.Done()
	w = hijackCounter{w, &d.hijacks}
	if d.middleware != nil {
		w = d.middleware(w)
	}
	c, err := d.Upgrade(w, r, d.header)
	d.upgradeErrors <- err
	if err != nil {
		return
	}
	defer c.Close()
	if d.handle != nil {
		d.handle(c)
		return
	}
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

// listen serves the handler on a port of the loopback interface.
func (d *testHandler) listen(t *testing.T) *httptest.Server {
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return s
}

// A hijackCounter counts the calls of Hijack.
type hijackCounter struct {
	http.ResponseWriter
	count *atomic.Int32
}

func (w hijackCounter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.count.Add(1)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func (w hijackCounter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// dialAndSend opens a connection to a server, over TLS if config is not nil, and
// sends text.
func dialAndSend(t *testing.T, addr net.Addr, config *tls.Config, text string) net.Conn {
	conn, err := net.Dial(addr.Network(), addr.String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	if config != nil {
		config.ServerName = "example.com"
		conn = tls.Client(conn, config)
	}
	require.NoError(t, conn.SetDeadline(time.Now().Add(testTimeout)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

// A rawResponse is a response as it was sent: http.Response has no Connection
// header.
type rawResponse struct {
	status int
	header http.Header
	body   string
}

// rawExchange sends text to a server and returns the response. The server has to
// close the connection after that.
func rawExchange(t *testing.T, addr net.Addr, text string) rawResponse {
	all, err := io.ReadAll(dialAndSend(t, addr, nil, text))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
	require.NoError(t, err)
	head := textproto.NewReader(bufio.NewReader(bytes.NewReader(all)))
	_, err = head.ReadLine()
	require.NoError(t, err)
	header, err := head.ReadMIMEHeader()
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return rawResponse{resp.StatusCode, http.Header(header), string(body)}
}

// requireEcho sends messages over a connection to a testHandler and gets them back.
func requireEcho(t *testing.T, c *Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
	for _, size := range []int{0, 5, 70_000} {
		require.NoError(t, c.WriteMessage(TextMessage, []byte(longText[:size])))
		kind, p, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, TextMessage, kind)
		require.Equal(t, longText[:size], string(p))
	}
}

// clientTLSConfig returns a configuration with which a client trusts s.
func clientTLSConfig(s *httptest.Server) *tls.Config {
	return s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}

// listenUnix serves a handler on a Unix socket and returns its path.
func listenUnix(t *testing.T, d *testHandler) string {
	wstest.NeedUnixSockets(t)
	// The names of t.TempDir may be too long for a socket.
	dir, err := os.MkdirTemp("", "ws")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	startServing(t, &http.Server{Handler: d}, listener)
	return path
}

// startServing runs a server until the end of the test.
func startServing(t *testing.T, s *http.Server, listener net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(listener)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
}

func (h *pipeHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	reader := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(h.early), h.conn), len(h.early)+16)
	if _, err := reader.Peek(len(h.early)); err != nil {
		return nil, nil, err
	}
	return h.conn, bufio.NewReadWriter(reader, bufio.NewWriter(h.conn)), nil
}

// manySubprotocols returns a list of n subprotocols.
func manySubprotocols(n int) string {
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "p%d,", i)
	}
	return list.String()
}
