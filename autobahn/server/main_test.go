package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed23105783/websocket"
)

func TestServerEchoes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(serveEcho))
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	messageType, data, err := conn.ReadMessage()
	if err != nil || messageType != websocket.TextMessage || string(data) != "hello" {
		t.Errorf("echo: type %d, %q, %v", messageType, data, err)
	}
}

func TestServerRefusesPlainHTTP(t *testing.T) {
	answer := httptest.NewRecorder()
	serveEcho(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if answer.Code/100 != 4 {
		t.Errorf("status %d, want a client error", answer.Code)
	}
}
