package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// TestServe has the page, a client, and an end like that by SIGTERM.
func TestServe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- serve(ctx, listener) }()

	address := listener.Addr().String()
	response, err := http.Get("http://" + address + "/")
	require.NoError(t, err)
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	response.Body.Close()
	require.Contains(t, string(page), "<title>Chat</title>")
	http.DefaultClient.CloseIdleConnections()

	c, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/chat", nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.WriteJSON(map[string]string{"type": "join", "room": "lobby", "name": "Ann"}))
	var joined struct{ Type string }
	require.NoError(t, c.ReadJSON(&joined))
	require.Equal(t, "joined", joined.Type)

	stop()
	for err == nil {
		_, _, err = c.ReadMessage()
	}
	require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
	require.NoError(t, <-served)
}
