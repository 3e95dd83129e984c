package websocket_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// TestDuplicateSubprotocols checks that a subprotocol can be offered once only, as
// in the browser: RFC 6455, Section 4.1, item 10.
func TestDuplicateSubprotocols(t *testing.T) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"a"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err == nil {
			c.Close()
		}
	}))
	defer server.Close()

	_, _, err := (&websocket.Dialer{Subprotocols: []string{"a", "b", "a"}}).Dial(server.URL, nil)
	require.ErrorContains(t, err, `"a"`)
	_, _, err = websocket.DefaultDialer.Dial(server.URL, http.Header{"Sec-Websocket-Protocol": {"a, b", "b"}})
	require.ErrorContains(t, err, "twice")
	c, _, err := (&websocket.Dialer{Subprotocols: []string{"a", "A"}}).Dial(server.URL, nil)
	require.NoError(t, err, "their case matters")
	c.Close()

	r, err := http.NewRequest(http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "a, b, a",
	} {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	http.DefaultClient.CloseIdleConnections()
}
