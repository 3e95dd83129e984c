package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// parameters are those of permessage-deflate (RFC 7692, Section 7.1): what one
// side wishes for, or what both have agreed on.
type parameters struct {
	ServerNoContextTakeover bool `json:"server_no_context_takeover,omitempty"`
	ClientNoContextTakeover bool `json:"client_no_context_takeover,omitempty"`
	ServerMaxWindowBits     int  `json:"server_max_window_bits,omitempty"`
	ClientMaxWindowBits     int  `json:"client_max_window_bits,omitempty"`
}

// unlimited, as the ClientMaxWindowBits of a peer, is a client that does not
// offer to limit its window.
const unlimited = -1

func (p parameters) String() string {
	b, _ := json.Marshal(p)
	return strings.NewReplacer(`_context_takeover":true`, "", `_max_window_bits"`, "", `"`, "").Replace(string(b))
}

// bits is the size of a window that may not be limited.
func bits(n int) int {
	if n <= 0 {
		return 15
	}
	return n
}

// and returns what two sides agree on that wish for p and q.
func (p parameters) and(q parameters) parameters {
	return parameters{
		ServerNoContextTakeover: p.ServerNoContextTakeover || q.ServerNoContextTakeover,
		ClientNoContextTakeover: p.ClientNoContextTakeover || q.ClientNoContextTakeover,
		ServerMaxWindowBits:     min(bits(p.ServerMaxWindowBits), bits(q.ServerMaxWindowBits)),
		ClientMaxWindowBits:     min(bits(p.ClientMaxWindowBits), bits(q.ClientMaxWindowBits)),
	}
}

// compression returns the wishes as ours, for every message.
func (p parameters) compression() *websocket.Compression {
	return &websocket.Compression{
		Threshold: -1,
		Server:    websocket.CompressionSide{NoContextTakeover: p.ServerNoContextTakeover, WindowBits: p.ServerMaxWindowBits},
		Client:    websocket.CompressionSide{NoContextTakeover: p.ClientNoContextTakeover, WindowBits: p.ClientMaxWindowBits},
	}
}

// parseExtensions reads a header's value that is nothing but permessage-deflate.
func parseExtensions(t *testing.T, header string) parameters {
	t.Helper()
	var p parameters
	elements := strings.Split(header, "; ")
	require.Equal(t, "permessage-deflate", elements[0])
	for _, element := range elements[1:] {
		name, value, _ := strings.Cut(element, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "server_no_context_takeover":
			p.ServerNoContextTakeover = true
		case "client_no_context_takeover":
			p.ClientNoContextTakeover = true
		case "server_max_window_bits":
			p.ServerMaxWindowBits = n
		case "client_max_window_bits":
			p.ClientMaxWindowBits = n
		default:
			require.FailNow(t, "unknown parameter", header)
		}
	}
	return p.and(parameters{})
}

// startPython runs a script of the directory python until the test ends.
func startPython(t *testing.T, script string) *peer {
	t.Helper()
	const program = ".venv/bin/python"
	_, err := os.Stat(program)
	require.NoError(t, err, "Python with the packages of requirements.txt is missing: run this in internal/e2e:\n"+
		"python3 -m venv .venv && .venv/bin/pip install -r requirements.txt")
	return startPeer(t, program, "python/"+script)
}

// deflatePeers are the scripts that echo compressed messages.
var deflatePeers = []struct {
	name  string
	start func(t *testing.T) *peer
}{
	{"ws", func(t *testing.T) *peer { return startNode(t, "deflate.mjs") }},
	{"websockets", func(t *testing.T) *peer { return startPython(t, "deflate.py") }},
}

// deflateRole says which end of the connection is ours.
type deflateRole struct {
	name    string
	connect func(t *testing.T, n *peer, wish, options parameters) *websocket.Conn
	dials   bool
}

var deflateRoles = []deflateRole{
	{name: "our server", connect: acceptDeflate},
	{name: "our client", connect: dialDeflate, dials: true},
}

// acceptDeflate connects the peer, as a client with the options, with a server
// of ours.
func acceptDeflate(t *testing.T, n *peer, wish, options parameters) *websocket.Conn {
	t.Helper()
	upgrader := websocket.Upgrader{Compression: wish.compression()}
	conns := make(chan *websocket.Conn, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
		}
		conns <- conn
	}))
	t.Cleanup(server.Close)
	n.do(t, command{Command: "connect", URL: "ws" + strings.TrimPrefix(server.URL, "http"), Options: &options})
	return awaitConn(t, conns)
}

func awaitConn(t *testing.T, conns <-chan *websocket.Conn) *websocket.Conn {
	t.Helper()
	select {
	case conn := <-conns:
		require.NotNil(t, conn)
		return prepareDeflate(t, conn)
	case <-time.After(patience):
		require.FailNow(t, "no connection from the peer")
		return nil
	}
}

// dialDeflate connects a client of ours with the peer, as a server with the
// options.
func dialDeflate(t *testing.T, n *peer, wish, options parameters) *websocket.Conn {
	t.Helper()
	conn, _, err := tryDialDeflate(t, n, wish.compression(), options)
	require.NoError(t, err)
	return prepareDeflate(t, conn)
}

func tryDialDeflate(t *testing.T, n *peer, wish *websocket.Compression, options parameters) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	n.do(t, command{Command: "serve", Options: &options})
	url := fmt.Sprintf("ws://127.0.0.1:%d/", n.expect(t, "listening").Port)
	dialer := websocket.Dialer{Compression: wish, HandshakeTimeout: patience}
	return dialer.Dial(url, nil)
}

// prepareDeflate bounds the test.
func prepareDeflate(t *testing.T, conn *websocket.Conn) *websocket.Conn {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	deadline := time.Now().Add(3 * patience)
	require.NoError(t, conn.SetReadDeadline(deadline))
	require.NoError(t, conn.SetWriteDeadline(deadline))
	return conn
}

// deflateReport is what a peer says about its end of the connection.
type deflateReport struct {
	Extensions    string
	Agreed        parameters
	Read, Written int // bytes over the network
}

// finish asks the peer for its report and closes the connection.
func finish(t *testing.T, conn *websocket.Conn) deflateReport {
	t.Helper()
	var report deflateReport
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("report")))
	require.NoError(t, conn.ReadJSON(&report))
	writeControl(t, conn, websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	expectClose(t, conn, websocket.CloseNormalClosure, "")
	return report
}

// requireAgreed checks that both ends have come to the same.
func requireAgreed(t *testing.T, want parameters, conn *websocket.Conn, report deflateReport) {
	t.Helper()
	require.Equal(t, want, parseExtensions(t, conn.Extensions()), "our side")
	require.Equal(t, "permessage-deflate", report.Extensions)
	require.Equal(t, want, report.Agreed.and(parameters{}), "the peer")
}
