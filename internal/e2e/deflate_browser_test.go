package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// echoPage is the program of a page that returns the extensions of its
// connection, once it is open, and echoes from then on.
const echoPage = `url => new Promise((resolve, reject) => {
	const socket = new WebSocket(url);
	socket.binaryType = "arraybuffer";
	socket.onopen = () => resolve(socket.extensions);
	socket.onmessage = ({ data }) => socket.send(data);
	socket.onclose = ({ code, reason }) => reject(new Error("closed with code " + code + " " + reason));
})`

func TestBrowserDeflate(t *testing.T) {
	browser := startBrowser(t)
	messages := append(mixture(1000), largeMessages()...)
	for _, wish := range []parameters{
		{},
		{ServerNoContextTakeover: true, ClientNoContextTakeover: true},
		{ServerMaxWindowBits: 10, ClientMaxWindowBits: 9},
		{ClientNoContextTakeover: true, ServerMaxWindowBits: 8, ClientMaxWindowBits: 8},
	} {
		t.Run(wish.String(), func(t *testing.T) { testBrowserDeflate(t, browser, wish, messages) })
	}
}

// largeMessages are of 1 MiB each.
func largeMessages() []message {
	return []message{
		recurring(1, 1<<20, 1),
		recurring(2, 1<<10, 1<<10),
		text(strings.Repeat("Ж🌍x\n", 1<<17)),
	}
}

func testBrowserDeflate(t *testing.T, browser context.Context, wish parameters, messages []message) {
	server := startDeflateServer(t, wish)
	p := openTab(t, browser, server.URL)
	expression := fmt.Sprintf("(%s)(%q)", echoPage, "ws"+strings.TrimPrefix(server.URL, "http")+"/ws")
	extensions, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	conn := awaitConn(t, server.conns)
	want := wish.and(parameters{})
	require.Equal(t, want, parseExtensions(t, extensions), "in the page")
	require.Equal(t, want, parseExtensions(t, conn.Extensions()), "on our side")

	exchange(t, conn, messages, sendVariously)
	size := int64(totalSize(messages))
	require.Less(t, server.written.Load(), size*9/10, "what we sent, over the network")
	require.Less(t, server.read.Load(), size*9/10, "what the browser sent, over the network")
}

// deflateServer serves an empty page and, as /ws, WebSocket connections.
type deflateServer struct {
	*httptest.Server
	conns         chan *websocket.Conn
	read, written atomic.Int64 // bytes over the network
}

func startDeflateServer(t *testing.T, wish parameters) *deflateServer {
	t.Helper()
	upgrader := websocket.Upgrader{Compression: wish.compression()}
	s := &deflateServer{conns: make(chan *websocket.Conn, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
		}
		s.conns <- conn
	})
	s.Server = httptest.NewUnstartedServer(mux)
	s.Listener = countingListener{s.Listener, s}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// countingListener counts what goes through the connections.
type countingListener struct {
	net.Listener
	server *deflateServer
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{conn, l.server}, nil
}

type countingConn struct {
	net.Conn
	server *deflateServer
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.read.Add(int64(n))
	return n, err
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.server.written.Add(int64(n))
	return n, err
}
