package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
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

// TestReverse is the same from HTTP/2 to a server over HTTP/1.1.
func TestReverse(t *testing.T) {
	upgrader := websocket.Upgrader{EnableCompression: true}
	target := httptest.NewServer(upgrader.Handler(func(c *websocket.Conn, r *http.Request) {
		c.WriteMessage(websocket.TextMessage, []byte(r.Proto+" "+r.URL.String()))
		c.ReadMessage()
	}))
	defer target.Close()
	to, err := url.Parse(target.URL)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	server.Config = newReverseServer(to)
	server.Start()
	defer server.Close()
	dialer := websocket.Dialer{EnableCompression: true, HTTP2: &websocket.HTTP2{}}
	defer dialer.CloseIdleConnections()
	c, response, err := dialer.Dial(server.URL+"/a?b=c", nil)
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", response.Proto)
	require.Contains(t, c.Extensions(), "permessage-deflate")
	_, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 /a?b=c", string(data))
	require.NoError(t, c.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}
