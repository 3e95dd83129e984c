package main

import (
	"encoding/gob"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

func TestRPC(t *testing.T) {
	server := httptest.NewServer(newHandler())
	defer server.Close()
	sum, err := add(server.URL+"/rpc", 1, 2, 39)
	require.NoError(t, err)
	require.Equal(t, 42, sum)
}

func TestGob(t *testing.T) {
	server := httptest.NewServer(newHandler())
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.Dial(server.URL+"/gob", nil)
	require.NoError(t, err)
	stream := websocket.NewStream(conn, websocket.BinaryMessage)
	defer stream.Close()

	encoder, decoder := gob.NewEncoder(stream), gob.NewDecoder(stream)
	for i, sensor := range []string{"north", "south", "north"} {
		require.NoError(t, encoder.Encode(Reading{sensor, float64(i + 1)}))
		var got Reading
		require.NoError(t, decoder.Decode(&got))
		require.Equal(t, Reading{sensor, []float64{1, 2, 4}[i]}, got)
	}
}

// TestGobEnds: the end of the connection is no error, and what is no gob is one.
func TestGobEnds(t *testing.T) {
	server, client := websocket.Pipe()
	ended := make(chan error)
	go func() { ended <- sumReadings(websocket.NewStream(server, websocket.BinaryMessage)) }()
	websocket.NewStream(client, websocket.BinaryMessage).Close()
	require.NoError(t, <-ended)

	server, client = websocket.Pipe()
	go func() { ended <- sumReadings(websocket.NewStream(server, websocket.BinaryMessage)) }()
	require.NoError(t, client.WriteMessage(websocket.BinaryMessage, []byte("\x02no gob")))
	require.Error(t, <-ended)
	client.Close()
}
