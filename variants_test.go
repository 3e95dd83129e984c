package websocket_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// A variant is the role of the connection under test, what carries it, and
// whether its messages are compressed.
type variant struct {
	client  bool
	deflate bool
	over    string // "pipe", "TCP" or "TLS"
}

// eachVariant runs a test once for each variant.
func eachVariant(t *testing.T, test func(t *testing.T, v variant)) {
	for _, over := range []string{"pipe", "TCP", "TLS"} {
		for _, deflate := range []bool{false, true} {
			for _, client := range []bool{false, true} {
				v := variant{client, deflate, over}
				t.Run(v.String(), func(t *testing.T) { test(t, v) })
			}
		}
	}
}

func (v variant) String() string {
	names := []string{"server", "plain", v.over}
	if v.client {
		names[0] = "client"
	}
	if v.deflate {
		names[1] = "deflate"
	}
	return strings.Join(names, "/")
}

// connect returns a connection with the given options and its peer.
func (v variant) connect(t *testing.T, options websocket.ConnOptions) (c, peer *websocket.Conn) {
	t.Helper()
	a, b := streamPair(t, v.over)
	return v.connectOver(t, a, b, options)
}

// connectOver is connect over the two ends of a stream.
func (v variant) connectOver(t *testing.T, a, b io.ReadWriteCloser, options websocket.ConnOptions) (c, peer *websocket.Conn) {
	t.Helper()
	theirs := websocket.ConnOptions{Client: !v.client}
	options.Client = v.client
	if v.deflate {
		always := &websocket.Compression{Threshold: -1}
		options.Extensions, options.Compression = "permessage-deflate", always
		theirs.Extensions, theirs.Compression = "permessage-deflate", always
	}
	c, err := websocket.NewConn(a, options)
	require.NoError(t, err)
	peer, err = websocket.NewConn(b, theirs)
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Close()
		peer.Close()
	})
	return c, peer
}

// streamPair returns the two ends of a stream.
func streamPair(t *testing.T, over string) (a, b net.Conn) {
	t.Helper()
	if over == "pipe" {
		a, b = wstest.Pipe(0, wstest.Whole)
	} else {
		a, b = tcpPair(t)
	}
	if over == "TLS" {
		a, b = tlsPair(t, a, b)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	b, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	a, err = l.Accept()
	require.NoError(t, err)
	return a, b
}

// tlsPair returns TLS connections over a and b, after the handshake.
func tlsPair(t *testing.T, a, b net.Conn) (server, client *tls.Conn) {
	t.Helper()
	server = tls.Server(a, tlsConfigs().server)
	client = tls.Client(b, tlsConfigs().client)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	require.NoError(t, client.Handshake())
	require.NoError(t, <-done)
	return server, client
}

// tlsConfigs returns configurations for a server and a client that trusts it.
var tlsConfigs = sync.OnceValue(func() (configs struct{ server, client *tls.Config }) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	configs.server = &tls.Config{Certificates: s.TLS.Certificates}
	configs.client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	configs.client.ServerName = "example.com"
	return configs
})

// send sends a text message.
func send(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(text)))
}

// receive receives a text message and compares it.
func receive(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	kind, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, websocket.TextMessage, kind)
	require.Equal(t, want, string(data))
}

// transfer sends a text message and receives it at the same time, as streams
// without a buffer need it.
func transfer(t *testing.T, from, to *websocket.Conn, text string) {
	t.Helper()
	var sent sync.WaitGroup
	sent.Go(func() { assert.NoError(t, from.WriteMessage(websocket.TextMessage, []byte(text))) })
	receive(t, to, text)
	sent.Wait()
}

// drain reads from a connection until it ends, and returns a channel with the
// error that ended it.
func drain(c *websocket.Conn) <-chan error {
	ended := make(chan error, 1)
	go func() {
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

// withTestTimeout receives from a channel. It fails the test if nothing comes
// within testTimeout.
func withTestTimeout[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	timeout := time.NewTimer(testTimeout)
	defer timeout.Stop()
	select {
	case v = <-ch:
	case <-timeout.C:
		t.Fatalf("%s: nothing within %v", what, testTimeout)
	}
	return v
}

// longText is longer than any buffer of a connection, and can be compressed.
var longText = strings.Repeat("a long message; ", 20_000)
