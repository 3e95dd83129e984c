package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

var users = accounts{"secret": "alice", "other": "bob"}

func start(t *testing.T, limit time.Duration) string {
	server := httptest.NewServer(newHandler(users, limit))
	t.Cleanup(server.Close)
	return server.URL
}

// requireGreeting connects and requires a greeting.
func requireGreeting(t *testing.T, dialer *websocket.Dialer, url string, header http.Header, want string) {
	t.Helper()
	conn, _, err := dialer.Dial(url, header)
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, strings.Join(dialer.Subprotocols[:min(1, len(dialer.Subprotocols))], ""), conn.Subprotocol())
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, want, string(message))
}

func requireRefusal(t *testing.T, dialer *websocket.Dialer, url string, header http.Header, status int) {
	t.Helper()
	_, response, err := dialer.Dial(url, header)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, status, response.StatusCode)
}

func TestCookie(t *testing.T) {
	url := start(t, time.Minute) + "/cookie"
	var dialer websocket.Dialer
	requireGreeting(t, &dialer, url, http.Header{"Cookie": {"session=secret"}}, "hello alice")
	requireGreeting(t, &dialer, url, http.Header{"Cookie": {"session=other"}}, "hello bob")
	requireRefusal(t, &dialer, url, http.Header{"Cookie": {"session=guess"}}, http.StatusUnauthorized)
	requireRefusal(t, &dialer, url, nil, http.StatusUnauthorized)
	requireRefusal(t, &dialer, url, http.Header{"Cookie": {"session=secret"}, "Origin": {"https://evil.example"}},
		http.StatusForbidden)
}

func TestBearer(t *testing.T) {
	url := start(t, time.Minute) + "/bearer"
	requireGreeting(t, &websocket.Dialer{Subprotocols: []string{protocol, "bearer.secret"}}, url, nil, "hello alice")
	requireRefusal(t, &websocket.Dialer{Subprotocols: []string{protocol, "bearer.guess"}}, url, nil, http.StatusUnauthorized)
	requireRefusal(t, &websocket.Dialer{Subprotocols: []string{protocol}}, url, nil, http.StatusUnauthorized)
}

func TestFirstMessage(t *testing.T) {
	for _, test := range []struct{ token, want string }{{"secret", "hello alice"}, {"guess", ""}} {
		conn, _, err := websocket.DefaultDialer.Dial(start(t, time.Minute)+"/message", nil)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(test.token)))
		_, message, err := conn.ReadMessage()
		if test.want == "" {
			require.True(t, websocket.IsCloseError(err, websocket.ClosePolicyViolation), "%v", err)
		} else {
			require.NoError(t, err)
			require.Equal(t, test.want, string(message))
		}
	}
}

func TestFirstMessageTakesTooLong(t *testing.T) {
	conn, _, err := websocket.DefaultDialer.Dial(start(t, time.Millisecond)+"/message", nil)
	require.NoError(t, err)
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.ClosePolicyViolation), "%v", err)
}
