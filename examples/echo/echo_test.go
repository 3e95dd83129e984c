package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed23105783/websocket"
)

// timeout is how long a test waits for something that should happen at once.
const timeout = 10 * time.Second

// lines is a writer that sends each line of the server's log or output on a channel.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// await returns the first line that contains text.
func (l lines) await(t *testing.T, text string) string {
	t.Helper()
	expired := time.After(timeout)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return line
			}
		case <-expired:
			t.Fatalf("no line with %q", text)
		}
	}
}

// start serves a new echoServer and returns it, its WebSocket URL and its log.
func start(t *testing.T) (*echoServer, string, lines) {
	t.Helper()
	logged := make(lines, 100)
	echo := newEchoServer(log.New(logged, "", 0))
	server := httptest.NewServer(echo)
	t.Cleanup(server.Close)
	return echo, "ws" + strings.TrimPrefix(server.URL, "http") + "/ws", logged
}

func dial(t *testing.T, url string, subprotocols ...string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: subprotocols, HandshakeTimeout: timeout}
	conn, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(timeout))
	return conn
}

func send(t *testing.T, conn *websocket.Conn, messageType int, message []byte) {
	t.Helper()
	if err := conn.WriteMessage(messageType, message); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func expectMessage(t *testing.T, conn *websocket.Conn, wantType int, want []byte) {
	t.Helper()
	gotType, got, err := conn.ReadMessage()
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if gotType != wantType || !bytes.Equal(got, want) {
		t.Fatalf("got message of type %d with %d bytes %.40q, want type %d with %d bytes %.40q",
			gotType, len(got), got, wantType, len(want), want)
	}
}

// expectClose reads the peer's close frame.
func expectClose(t *testing.T, conn *websocket.Conn, code int, reason string) {
	t.Helper()
	_, _, err := conn.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		t.Fatalf("got %v, want a close frame", err)
	}
	if closed.Code != code || closed.Text != reason {
		t.Fatalf("got close %d %q, want %d %q", closed.Code, closed.Text, code, reason)
	}
}

func TestEcho(t *testing.T) {
	_, url, _ := start(t)
	conn := dial(t, url)
	for _, message := range []struct {
		messageType int
		content     []byte
	}{
		{websocket.TextMessage, []byte("Grüße, 世界 🌍")},
		{websocket.BinaryMessage, []byte{0, 1, 0xff}},
		{websocket.TextMessage, nil},
		{websocket.BinaryMessage, bytes.Repeat([]byte("0123456789abcdef"), 1<<16)},
	} {
		send(t, conn, message.messageType, message.content)
		expectMessage(t, conn, message.messageType, message.content)
	}
}

func TestNegotiatesSubprotocol(t *testing.T) {
	_, url, logged := start(t)
	for _, test := range []struct {
		offered []string
		want    string
	}{
		{nil, ""},
		{[]string{"echo.v1"}, "echo.v1"},
		{[]string{"unknown", "echo.v2"}, "echo.v2"},
		{[]string{"unknown"}, ""},
	} {
		conn := dial(t, url, test.offered...)
		if got := conn.Subprotocol(); got != test.want {
			t.Errorf("offered %q: got subprotocol %q, want %q", test.offered, got, test.want)
		}
		logged.await(t, `connected, subprotocol "`+test.want+`"`)
	}
}

func TestCompresses(t *testing.T) {
	_, url, _ := start(t)
	dialer := websocket.Dialer{Compression: &websocket.Compression{Required: true}}
	conn, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	message := bytes.Repeat([]byte("compressed "), 1000)
	send(t, conn, websocket.TextMessage, message)
	expectMessage(t, conn, websocket.TextMessage, message)
}

func TestCloseCommand(t *testing.T) {
	for _, test := range []struct {
		message string
		code    int
		reason  string
	}{
		{"/close 4001 some reason", 4001, "some reason"},
		{"/close 1000", 1000, ""},
		{"/close 3000 schön", 3000, "schön"},
		{"/close 4999 " + strings.Repeat("x", 123), 4999, strings.Repeat("x", 123)},
	} {
		_, url, logged := start(t)
		conn := dial(t, url)
		send(t, conn, websocket.TextMessage, []byte(test.message))
		// The server discards this message. The closing handshake goes on.
		send(t, conn, websocket.BinaryMessage, []byte("too late"))
		expectClose(t, conn, test.code, test.reason)
		logged.await(t, "ended: peer sent close")
	}
}

func TestEchoesOtherMessages(t *testing.T) {
	_, url, _ := start(t)
	conn := dial(t, url)
	for _, message := range []string{
		"/close",
		"/close soon",
		"/close 1006",
		"/close 2999",
		"/close 5000",
		"/close 40000",
		"/close 4001 " + strings.Repeat("x", 124),
		"please /close 4001",
	} {
		send(t, conn, websocket.TextMessage, []byte(message))
		expectMessage(t, conn, websocket.TextMessage, []byte(message))
	}
	command := []byte("/close 4001")
	send(t, conn, websocket.BinaryMessage, command)
	expectMessage(t, conn, websocket.BinaryMessage, command)
}

func TestLogsHowConnectionsEnd(t *testing.T) {
	_, url, logged := start(t)

	conn := dial(t, url)
	send(t, conn, websocket.CloseMessage, websocket.FormatCloseMessage(4002, "that is all"))
	expectClose(t, conn, 4002, "that is all")
	logged.await(t, `ended: peer sent close 4002 "that is all"`)

	dial(t, url).Close()
	logged.await(t, "ended: connection lost")
}

func TestRefusesOtherOrigins(t *testing.T) {
	_, url, logged := start(t)
	header := http.Header{"Origin": {"http://elsewhere.example"}}
	conn, response, err := websocket.DefaultDialer.Dial(url, header)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, websocket.ErrBadHandshake) {
		t.Fatalf("got error %v, want %v", err, websocket.ErrBadHandshake)
	}
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("got status %s, want 403", response.Status)
	}
	logged.await(t, `refused (origin "http://elsewhere.example")`)
}

func TestReadLimit(t *testing.T) {
	_, url, _ := start(t)
	conn := dial(t, url)
	// The server closes while the message is on its way, so that the write may
	// or may not fail.
	go conn.WriteMessage(websocket.BinaryMessage, make([]byte, readLimit+1))
	_, _, err := conn.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("got %v, want close 1009", err)
	}
}

func TestServesPage(t *testing.T) {
	recorder := httptest.NewRecorder()
	echo := newEchoServer(log.New(io.Discard, "", 0))
	echo.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	if recorder.Code != http.StatusOK || !bytes.Equal(recorder.Body.Bytes(), page) {
		t.Errorf("GET / gave status %d and %d bytes, want 200 and the page", recorder.Code, recorder.Body.Len())
	}
	if got := recorder.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("got Content-Type %q", got)
	}

	recorder = httptest.NewRecorder()
	echo.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/other", nil))
	if recorder.Code != http.StatusNotFound {
		t.Errorf("GET /other gave status %d, want 404", recorder.Code)
	}
}

func TestServeShutsDown(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	output, logged := make(lines, 10), make(lines, 100)
	served := make(chan error, 1)
	go func() { served <- serve(ctx, "127.0.0.1:0", output, log.New(logged, "", 0)) }()

	_, page, _ := strings.Cut(strings.TrimSpace(output.await(t, "http://127.0.0.1:")), "open ")
	conn := dial(t, "ws"+strings.TrimPrefix(page, "http")+"ws")
	logged.await(t, "connected")

	interrupt()
	expectClose(t, conn, websocket.CloseGoingAway, "server is shutting down")
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if late, err := net.Dial("tcp", conn.RemoteAddr().String()); err == nil {
		late.Close()
		t.Error("the server still accepts connections")
	}
}

func TestServeReportsBadAddress(t *testing.T) {
	err := serve(t.Context(), "127.0.0.1:no-port", io.Discard, log.New(io.Discard, "", 0))
	var opError *net.OpError
	if !errors.As(err, &opError) {
		t.Errorf("got %v, want a listen error", err)
	}
}

func TestShutdownClosesPeersThatDoNotAnswer(t *testing.T) {
	echo, url, logged := start(t)
	dial(t, url) // and never read, so that the close frame gets no answer
	logged.await(t, "connected")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := echo.conns.Shutdown(ctx, websocket.CloseGoingAway, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	logged.await(t, "ended: connection lost")

	_, response, err := websocket.DefaultDialer.Dial(url, nil)
	if !errors.Is(err, websocket.ErrBadHandshake) || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the shutdown: got %v, want status 503", err)
	}
}

func TestPageURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/",
		"0.0.0.0:80":     "http://localhost:80/",
		"[::]:80":        "http://localhost:80/",
		"[::1]:80":       "http://[::1]:80/",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := pageURL(tcp); got != want {
			t.Errorf("pageURL(%s) = %s, want %s", addr, got, want)
		}
	}
}
