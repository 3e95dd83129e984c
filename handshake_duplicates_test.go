package websocket_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// TestClientRefusesDuplicates: a subprotocol that is offered twice is refused
// before anything is dialed, as in the browser. Case matters.
func TestClientRefusesDuplicates(t *testing.T) {
	dialed := errors.New("dialed")
	for _, test := range []struct {
		subprotocols []string
		header       http.Header
		twice        bool
	}{
		{[]string{"chat", "chat"}, nil, true},
		{[]string{"chat", "other", "chat"}, nil, true},
		{[]string{"chat", "Chat", "chat.v2"}, nil, false},
		{nil, http.Header{"Sec-WebSocket-Protocol": {"chat, chat"}}, true},
		{nil, http.Header{"Sec-WebSocket-Protocol": {"chat, other", "chat"}}, true},
		{nil, http.Header{"Sec-WebSocket-Protocol": {"chat, Chat"}}, false},
	} {
		dialer := websocket.Dialer{
			Subprotocols:   test.subprotocols,
			NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nil, dialed },
		}
		_, _, err := dialer.Dial("ws://example.com/", test.header)
		require.Equal(t, !test.twice, errors.Is(err, dialed), "%+v: %v", test, err)
		if test.twice {
			_, ok := errors.AsType[websocket.HandshakeError](err)
			require.True(t, ok, err)
			require.ErrorContains(t, err, "twice")
		}
	}
}

// TestServerRefusesDuplicates: so is a request that has one, whatever the server
// supports.
func TestServerRefusesDuplicates(t *testing.T) {
	for _, supported := range [][]string{nil, {"chat"}, {"unrelated"}} {
		upgrader := websocket.Upgrader{Subprotocols: supported}
		server := httptest.NewServer(upgrader.Handler(func(c *websocket.Conn, _ *http.Request) {
			c.WriteMessage(websocket.TextMessage, []byte(c.Subprotocol()))
		}))
		for _, test := range []struct {
			offered []string
			status  int
		}{
			{[]string{"chat, chat"}, http.StatusBadRequest},
			{[]string{"chat", "chat"}, http.StatusBadRequest},
			{[]string{"a, chat, b,chat"}, http.StatusBadRequest},
			{[]string{"chat, Chat"}, http.StatusSwitchingProtocols},
		} {
			r, err := http.NewRequest(http.MethodGet, server.URL, nil)
			require.NoError(t, err)
			r.Header = http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
				"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": test.offered,
			}
			assert.Equal(t, test.status == http.StatusBadRequest, websocket.Subprotocols(r) == nil)
			response, err := http.DefaultTransport.RoundTrip(r)
			require.NoError(t, err)
			response.Body.Close()
			require.Equal(t, test.status, response.StatusCode, test.offered)
		}
		server.Close()
	}
}

// TestClientRefusesADuplicateAnswer: two fields with the same subprotocol are not
// one.
func TestClientRefusesADuplicateAnswer(t *testing.T) {
	for _, answer := range [][]string{{"chat", "chat"}, {"chat, chat"}} {
		// The Upgrader would not answer like this.
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if !assert.NoError(t, err) {
				return
			}
			defer conn.Close()
			response := acceptedResponse(r)
			response.Header["Sec-Websocket-Protocol"] = answer
			response.Write(conn)
		}))
		dialer := websocket.Dialer{Subprotocols: []string{"chat"}}
		_, _, err := dialer.Dial(server.URL, nil)
		require.ErrorIs(t, err, websocket.ErrBadHandshake)
		require.ErrorContains(t, err, "not one subprotocol")
		server.Close()
	}
}

// acceptedResponse returns the response of a server that accepts a request.
func acceptedResponse(r *http.Request) *http.Response {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return &http.Response{
		StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])},
		},
	}
}
