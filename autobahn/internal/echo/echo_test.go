package echo

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed23105783/websocket"
)

// dialEcho returns a connection to a server that calls Messages, and a channel that
// receives the result of Messages.
func dialEcho(t *testing.T) (*websocket.Conn, <-chan error) {
	t.Helper()
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader websocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		ended <- Messages(conn)
	}))
	t.Cleanup(server.Close)

	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, ended
}

func TestMessages(t *testing.T) {
	conn, _ := dialEcho(t)
	messages := []struct {
		name        string
		messageType int
		data        []byte
	}{
		{"text", websocket.TextMessage, []byte("Grüße")},
		{"binary", websocket.BinaryMessage, []byte{0x00, 0xff, 0xfe}},
		{"empty text", websocket.TextMessage, nil},
		{"empty binary", websocket.BinaryMessage, nil},
		{"long", websocket.BinaryMessage, bytes.Repeat([]byte("0123456789"), 100_000)},
	}
	for _, m := range messages {
		if err := conn.WriteMessage(m.messageType, m.data); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		messageType, data, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if messageType != m.messageType || !bytes.Equal(data, m.data) {
			t.Errorf("%s: type %d, %d bytes came back as type %d, %d bytes",
				m.name, m.messageType, len(m.data), messageType, len(data))
		}
	}
}

func TestMessagesReturnsTheClose(t *testing.T) {
	conn, ended := dialEcho(t)
	closing := websocket.FormatCloseMessage(websocket.CloseGoingAway, "bye")
	if err := conn.WriteMessage(websocket.CloseMessage, closing); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the answer to the close frame is %v", err)
	}
	select {
	case err := <-ended:
		if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
			t.Errorf("Messages returned %v, want the peer's close frame", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Messages did not return after the peer's close frame")
	}
}
