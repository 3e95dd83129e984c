package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// patience is how long a test waits for something that ought to happen at once.
const patience = time.Minute

// event is what a script in the directories node and python reports.
type event struct {
	Event       string
	Port        int    // listening
	Subprotocol string // open
	Extensions  string // open
	Binary      bool   // message
	Data        []byte // message, ping, pong
	Message     string // error
	Code        int    // close
	Reason      string // close
}

// command is what a script in the directories node and python obeys.
type command struct {
	Command string `json:"command"`
	Data    []byte `json:"data,omitempty"`   // all but close
	Binary  bool   `json:"binary,omitempty"` // send
	More    bool   `json:"more,omitempty"`   // send: the message goes on
	Code    int    `json:"code,omitempty"`   // close
	Reason  string `json:"reason,omitempty"` // close

	URL     string      `json:"url,omitempty"`     // connect
	Options *parameters `json:"options,omitempty"` // connect, serve
}

// peer is the process of a script, with one end of a connection.
type peer struct {
	events   chan event
	commands *json.Encoder
}

// startNode runs a script of the directory node until the test ends.
func startNode(t *testing.T, script string, args ...string) *peer {
	t.Helper()
	program, err := exec.LookPath("node")
	require.NoError(t, err, "Node.js is missing: install it, for example with apt-get install nodejs npm")
	_, err = os.Stat("node_modules/ws")
	require.NoError(t, err, "the ws package is missing: run npm ci in internal/e2e")
	return startPeer(t, program, append([]string{"node/" + script}, args...)...)
}

// startPeer runs a program until the test ends.
func startPeer(t *testing.T, program string, args ...string) *peer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	n := &peer{events: make(chan event, 10_000), commands: json.NewEncoder(stdin)}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		n.readEvents(t, stdout)
	}()
	t.Cleanup(func() {
		// The end of the test's context has killed the process.
		<-finished
		cmd.Wait()
	})
	return n
}

// readEvents passes the reports on until the process has ended. The buffer of
// the channel is large enough that the process never waits for the test.
func (n *peer) readEvents(t *testing.T, stdout io.Reader) {
	defer close(n.events)
	decoder := json.NewDecoder(stdout)
	for {
		var e event
		if err := decoder.Decode(&e); err != nil {
			if t.Context().Err() == nil {
				t.Errorf("reading the reports of the peer: %v", err)
			}
			return
		}
		n.events <- e
	}
}

// expect returns the next event, which is to have the given name.
func (n *peer) expect(t *testing.T, name string) event {
	t.Helper()
	e := n.next(t)
	require.Equal(t, name, e.Event, "got the event %+v", e)
	return e
}

func (n *peer) next(t *testing.T) event {
	t.Helper()
	select {
	case e, ok := <-n.events:
		require.True(t, ok, "the peer has ended")
		return e
	case <-time.After(patience):
		require.FailNow(t, "no event from the peer")
		return event{}
	}
}

func (n *peer) do(t *testing.T, c command) {
	t.Helper()
	require.NoError(t, n.commands.Encode(c))
}

// accept connects ws as a client, which offers subprotocols, with a server of
// ours, which speaks others.
func accept(t *testing.T, offered, spoken []string) (*websocket.Conn, *peer) {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: spoken}
	conns := make(chan *websocket.Conn, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
		}
		conns <- conn
	}))
	t.Cleanup(server.Close)

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	n := startNode(t, "client.mjs", append([]string{url}, offered...)...)
	opened := n.expect(t, "open")
	conn := <-conns
	require.NotNil(t, conn)
	return prepare(t, conn, opened), n
}

// dial connects a client of ours, which offers subprotocols, with ws as a server,
// which speaks others.
func dial(t *testing.T, offered, spoken []string) (*websocket.Conn, *peer) {
	t.Helper()
	n := startNode(t, "server.mjs", spoken...)
	url := fmt.Sprintf("ws://127.0.0.1:%d/", n.expect(t, "listening").Port)
	dialer := websocket.Dialer{Subprotocols: offered, HandshakeTimeout: patience}
	conn, _, err := dialer.Dial(url, nil)
	require.NoError(t, err)
	return prepare(t, conn, n.expect(t, "open")), n
}

// prepare checks that both ends have negotiated the same, and bounds the test.
func prepare(t *testing.T, conn *websocket.Conn, opened event) *websocket.Conn {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	require.Equal(t, opened.Subprotocol, conn.Subprotocol())
	require.Equal(t, opened.Extensions, conn.Extensions())
	require.Equal(t, websocket.StateOpen, conn.State())
	deadline := time.Now().Add(patience)
	require.NoError(t, conn.SetReadDeadline(deadline))
	require.NoError(t, conn.SetWriteDeadline(deadline))
	return conn
}

// role says which end of the connection is ours.
type role struct {
	name    string
	connect func(t *testing.T, offered, spoken []string) (*websocket.Conn, *peer)
	masks   bool // whether ws masks its frames, as a client has to
}

var roles = []role{
	{name: "ws client, our server", connect: accept, masks: true},
	{name: "our client, ws server", connect: dial, masks: false},
}

// inBothRoles runs a test once with our server, and once with our client.
func inBothRoles(t *testing.T, test func(t *testing.T, conn *websocket.Conn, n *peer)) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			conn, n := role.connect(t, nil, nil)
			test(t, conn, n)
		})
	}
}
