package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

func TestPush(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- serve(ctx, listener, 10*time.Millisecond) }()

	response, err := http.Get("http://" + listener.Addr().String() + "/")
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, page, string(body))

	var conns []*websocket.Conn
	for range 5 {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+listener.Addr().String()+"/ws", nil)
		require.NoError(t, err)
		defer c.Close()
		conns = append(conns, c)
	}
	for range 3 {
		for _, c := range conns {
			_, data, err := c.ReadMessage()
			require.NoError(t, err)
			_, err = time.Parse(time.TimeOnly, string(data))
			require.NoError(t, err)
		}
	}
	stop()
	for _, c := range conns {
		for err == nil {
			_, _, err = c.ReadMessage()
		}
		require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
		err = nil
	}
	require.NoError(t, <-served)
	http.DefaultClient.CloseIdleConnections()
}
