package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed23105783/websocket"
)

// timeout is how long a test waits for something that should happen at once.
const timeout = 10 * time.Second

// output collects what the client prints, line by line.
type output struct {
	mu      sync.Mutex
	partial string
	lines   chan string
}

func newOutput() *output {
	return &output{lines: make(chan string, 100)}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.partial += string(p)
	for {
		line, rest, found := strings.Cut(o.partial, "\n")
		if !found {
			return len(p), nil
		}
		o.lines <- line
		o.partial = rest
	}
}

// await returns the first line that contains text.
func (o *output) await(t *testing.T, text string) string {
	t.Helper()
	var others []string
	expired := time.After(timeout)
	for {
		select {
		case line := <-o.lines:
			if strings.Contains(line, text) {
				return line
			}
			others = append(others, line)
		case <-expired:
			t.Fatalf("no line with %q, but %q", text, others)
		}
	}
}

// client is a run of the program.
type client struct {
	stdin          *io.PipeWriter
	stdout, stderr *output
	interrupt      context.CancelFunc
	exit           chan int
}

func startClient(t *testing.T, args ...string) *client {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	stdin, typed := io.Pipe()
	c := &client{
		stdin:     typed,
		stdout:    newOutput(),
		stderr:    newOutput(),
		interrupt: interrupt,
		exit:      make(chan int, 1),
	}
	go func() { c.exit <- run(ctx, args, stdin, c.stdout, c.stderr) }()
	t.Cleanup(func() { typed.Close() })
	return c
}

func (c *client) typeLine(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c.stdin, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (c *client) expectExit(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-c.exit:
		if got != want {
			t.Errorf("exit code %d, want %d", got, want)
		}
	case <-time.After(timeout):
		t.Fatal("the client does not exit")
	}
}

// peer is the server's side of a connection.
type peer struct {
	*websocket.Conn
	request *http.Request
}

// receiveClose reads until the connection ends, and returns the code and reason
// of the client's close frame.
func (p *peer) receiveClose(t *testing.T) (code int, reason string) {
	t.Helper()
	for {
		if _, _, err := p.NextReader(); err != nil {
			var closed *websocket.CloseError
			if !errors.As(err, &closed) {
				t.Fatalf("got %v, want a close frame", err)
			}
			return closed.Code, closed.Text
		}
	}
}

// peers upgrades every request and hands its connection to the test.
type peers chan *peer

func (p peers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{
		Subprotocols: []string{"chat.v2", "chat.v1"},
		CheckOrigin:  func(*http.Request) bool { return true },
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadDeadline(time.Now().Add(timeout))
	p <- &peer{Conn: conn, request: r}
}

func (p peers) await(t *testing.T) *peer {
	t.Helper()
	select {
	case peer := <-p:
		t.Cleanup(func() { peer.Close() })
		return peer
	case <-time.After(timeout):
		t.Fatal("the client does not connect")
		return nil
	}
}

// connect runs the client with flags and a server, and returns both ends.
func connect(t *testing.T, flags ...string) (*client, *peer) {
	t.Helper()
	connected := make(peers, 1)
	server := httptest.NewServer(connected)
	t.Cleanup(server.Close)
	c := startClient(t, append(flags, webSocketURL(server))...)
	return c, connected.await(t)
}

func webSocketURL(server *httptest.Server) string {
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func TestSendsLines(t *testing.T) {
	c, peer := connect(t)
	c.typeLine(t, "Grüße, 世界")
	c.typeLine(t, "")
	c.typeLine(t, "carriage return\r")
	io.WriteString(c.stdin, "no line feed")
	c.stdin.Close()
	for _, want := range []string{"Grüße, 世界", "", "carriage return", "no line feed"} {
		messageType, message, err := peer.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if messageType != websocket.TextMessage || string(message) != want {
			t.Errorf("got message of type %d %q, want text %q", messageType, message, want)
		}
	}
	if code, reason := peer.receiveClose(t); code != websocket.CloseNormalClosure || reason != "" {
		t.Errorf("the end of the input closed with %d %q, want 1000", code, reason)
	}
	c.stderr.await(t, "closed with code 1000")
	c.expectExit(t, exitClean)
}

func TestDoesNotSendInvalidText(t *testing.T) {
	c, peer := connect(t)
	c.typeLine(t, "invalid \xff")
	c.typeLine(t, "valid")
	c.stderr.await(t, `not sent, because it is not valid UTF-8: "invalid \xff"`)
	if _, message, err := peer.ReadMessage(); err != nil || string(message) != "valid" {
		t.Errorf("got %q, %v; want the valid line", message, err)
	}
}

func TestPrintsMessages(t *testing.T) {
	c, peer := connect(t)
	for _, message := range []struct {
		messageType int
		content     string
	}{
		{websocket.TextMessage, "Grüße, 世界"},
		{websocket.TextMessage, "two\nlines"},
		{websocket.BinaryMessage, "0123456789abcdef\x00\xff"},
	} {
		if err := peer.WriteMessage(message.messageType, []byte(message.content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"Grüße, 世界",
		"two",
		"lines",
		"00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|",
		"00000010  00 ff                                             |..|",
	} {
		if got := c.stdout.await(t, ""); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	}
}

func TestInterruptClosesCleanly(t *testing.T) {
	c, peer := connect(t)
	c.stderr.await(t, "connected")
	c.interrupt()
	if code, _ := peer.receiveClose(t); code != websocket.CloseGoingAway {
		t.Errorf("the interrupt closed with %d, want 1001", code)
	}
	c.expectExit(t, exitClean)
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		code   int
		reason string
		exit   int
		note   string
	}{
		{websocket.CloseNormalClosure, "done", exitClean, `closed with code 1000, reason "done"`},
		{websocket.CloseGoingAway, "", exitClean, `closed with code 1001`},
		{websocket.CloseNoStatusReceived, "", exitClean, "closed without a code"},
		{websocket.CloseInternalServerErr, "", exitClosed, "closed by the peer with code 1011"},
		{4001, "some reason", exitClosed, `closed by the peer with code 4001, reason "some reason"`},
	} {
		c, peer := connect(t)
		payload := websocket.FormatCloseMessage(test.code, test.reason)
		if err := peer.WriteControl(websocket.CloseMessage, payload, time.Now().Add(timeout)); err != nil {
			t.Fatal(err)
		}
		// The answer repeats the code.
		if code, _ := peer.receiveClose(t); code != test.code {
			t.Errorf("the client answered %d with %d", test.code, code)
		}
		c.stderr.await(t, test.note)
		c.expectExit(t, test.exit)
	}
}

func TestReportsLostConnection(t *testing.T) {
	c, peer := connect(t)
	peer.NetConn().Close()
	c.stderr.await(t, "connection lost")
	c.expectExit(t, exitLost)
}

func TestReportsProtocolError(t *testing.T) {
	c, peer := connect(t)
	reservedOpcode := []byte{0x83, 0} // RFC 6455, Section 5.2
	if _, err := peer.NetConn().Write(reservedOpcode); err != nil {
		t.Fatal(err)
	}
	if code, _ := peer.receiveClose(t); code != websocket.CloseProtocolError {
		t.Errorf("the client closed with %d, want 1002", code)
	}
	c.stderr.await(t, "connection lost: websocket: reserved opcode")
	c.expectExit(t, exitLost)
}

func TestDoesNotWaitForeverForPeersClose(t *testing.T) {
	connected := make(peers, 1)
	server := httptest.NewServer(connected)
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.Dial(webSocketURL(server), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	connected.await(t) // and never read, so that the close frame gets no answer

	stderr := newOutput()
	c := newConversation(conn, new(options), io.Discard, stderr)
	c.closeTimeout = time.Millisecond
	if code := c.run(t.Context(), strings.NewReader("")); code != exitLost {
		t.Errorf("exit code %d, want %d", code, exitLost)
	}
	stderr.await(t, "the peer sent no close frame within 1ms")
}

func TestReportsUnreachableServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	c := startClient(t, "ws://"+listener.Addr().String())
	c.stderr.await(t, "cannot connect")
	c.expectExit(t, exitNotConnected)
}

func TestReportsRefusedHandshake(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "members only", http.StatusForbidden)
	}))
	defer server.Close()
	c := startClient(t, webSocketURL(server))
	c.stderr.await(t, "cannot connect")
	c.stderr.await(t, "403 Forbidden")
	c.stderr.await(t, "members only")
	c.expectExit(t, exitNotConnected)
}

func TestInterruptEndsHandshake(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	defer server.Close()
	defer close(release)
	c := startClient(t, webSocketURL(server))
	<-arrived
	c.interrupt()
	c.expectExit(t, exitNotConnected)
}

func TestWrongUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		note string
	}{
		{nil, "got 0 arguments"},
		{[]string{"ws://one", "ws://two"}, "got 2 arguments"},
		{[]string{"http://127.0.0.1"}, "does not start with ws:// or wss://"},
		{[]string{"ws:///path"}, "names no host"},
		{[]string{"ws://[::1"}, "missing ']'"},
		{[]string{"-unknown", "ws://127.0.0.1"}, "flag provided but not defined"},
		{[]string{"-header", "no colon", "ws://127.0.0.1"}, `want "Name: value"`},
		{[]string{"-header", ": no name", "ws://127.0.0.1"}, `want "Name: value"`},
		{[]string{"-ping", "soon", "ws://127.0.0.1"}, `invalid value "soon" for flag -ping`},
		{[]string{"-ping", "-1s", "ws://127.0.0.1"}, "negative"},
	} {
		c := startClient(t, test.args...)
		c.stderr.await(t, test.note)
		c.expectExit(t, exitUsage)
	}
}

func TestHelp(t *testing.T) {
	c := startClient(t, "-h")
	for _, want := range []string{
		"Exit codes:", "  0 ", "  1 ", "  2 ", "  3 ", "  4 ",
		"-header", "-insecure", "-origin", "-ping", "-subprotocol",
	} {
		c.stdout.await(t, want)
	}
	c.expectExit(t, exitClean)
}

func TestHeaderFlag(t *testing.T) {
	_, peer := connect(t, "-header", "X-Token: a:b", "-header", "X-Color: red", "-header", "x-color:blue")
	header := peer.request.Header
	if got := header.Get("X-Token"); got != "a:b" {
		t.Errorf("X-Token is %q, want a:b", got)
	}
	if got := header.Values("X-Color"); !reflect.DeepEqual(got, []string{"red", "blue"}) {
		t.Errorf("X-Color is %q, want red and blue", got)
	}
	if origin, ok := header["Origin"]; ok {
		t.Errorf("there is an Origin %q, want none", origin)
	}
}

func TestOriginFlag(t *testing.T) {
	_, peer := connect(t, "-origin", "https://example.com")
	if got := peer.request.Header.Get("Origin"); got != "https://example.com" {
		t.Errorf("Origin is %q", got)
	}
}

func TestSubprotocolFlag(t *testing.T) {
	c, peer := connect(t, "-subprotocol", "chat.v0", "-subprotocol", "chat.v1")
	if got := websocket.Subprotocols(peer.request); !reflect.DeepEqual(got, []string{"chat.v0", "chat.v1"}) {
		t.Errorf("offered %q, want chat.v0 and chat.v1", got)
	}
	c.stderr.await(t, `connected, subprotocol "chat.v1"`)
}

func TestInsecureFlag(t *testing.T) {
	connected := make(peers, 1)
	server := httptest.NewUnstartedServer(connected)
	// The server logs the failed handshake, which is expected.
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()

	c := startClient(t, webSocketURL(server))
	c.stderr.await(t, "tls: failed to verify certificate")
	c.expectExit(t, exitNotConnected)

	c = startClient(t, "-insecure", webSocketURL(server))
	peer := connected.await(t)
	c.typeLine(t, "secret")
	if _, message, err := peer.ReadMessage(); err != nil || string(message) != "secret" {
		t.Errorf("got %q, %v; want the line", message, err)
	}
}

func TestPingFlag(t *testing.T) {
	c, peer := connect(t, "-ping", "1ms")
	go peer.NextReader() // which answers the pings
	for range 3 {
		line := c.stderr.await(t, "pong after ")
		_, text, _ := strings.Cut(line, "pong after ")
		roundTrip, err := time.ParseDuration(text)
		if err != nil || roundTrip <= 0 || roundTrip > timeout {
			t.Errorf("printed %q, want a round-trip time", line)
		}
	}
}

func TestReportsUnsolicitedPong(t *testing.T) {
	c, peer := connect(t)
	if err := peer.WriteControl(websocket.PongMessage, []byte("unsolicited"), time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	c.stderr.await(t, `unsolicited pong "unsolicited"`)
}
