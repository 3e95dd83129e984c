package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	_ "github.com/seed23105783/websocket/http2"
)

// TestTunnel: messages and the closing handshake go through, to a server over HTTP/2.
func TestTunnel(t *testing.T) {
	upgrader := websocket.Upgrader{EnableCompression: true}
	target := httptest.NewUnstartedServer(upgrader.Handler(func(c *websocket.Conn, r *http.Request) {
		c.WriteMessage(websocket.TextMessage, []byte(r.Proto))
		c.ReadMessage()
	}))
	target.EnableHTTP2 = true
	target.StartTLS()
	defer target.Close()
	to, err := url.Parse(target.URL)
	require.NoError(t, err)
	server := httptest.NewServer(&tunnel{to})
	defer server.Close()
	c, _, err := (&websocket.Dialer{EnableCompression: true}).Dial(server.URL, nil)
	require.NoError(t, err)
	require.Contains(t, c.Extensions(), "permessage-deflate")
	_, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", string(data))
	require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}
