package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// A record collects a log.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// counters returns what is published.
func (m *metrics) counters(t *testing.T) map[string]any {
	t.Helper()
	var counters map[string]any
	require.NoError(t, json.Unmarshal([]byte(m.vars.String()), &counters))
	return counters
}

func TestObserve(t *testing.T) {
	logged, m := new(record), newMetrics()
	server := httptest.NewServer(newHandler(slog.New(slog.NewTextHandler(logged, nil)), m))
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial(server.URL+"/ws", nil)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("hello")))
	_, _, err = conn.ReadMessage()
	require.NoError(t, err)
	counters := m.counters(t)
	require.EqualValues(t, 1, counters["open"])
	require.EqualValues(t, 0, counters["queued_bytes"])

	require.NoError(t, conn.Shutdown(context.Background(), 4001, "enough"))
	_, _, err = websocket.DefaultDialer.Dial(server.URL, http.Header{"Origin": {"https://other.example"}})
	require.ErrorIs(t, err, websocket.ErrBadHandshake)

	require.Eventually(t, func() bool { return m.counters(t)["open"] == 0.0 && m.closed.Get("4001") != nil },
		10*time.Second, time.Millisecond)
	counters = m.counters(t)
	for name, want := range map[string]int{
		"frames_read": 2, "bytes_read": 5 + 2 + 6, "frames_written": 2, "bytes_written": 5 + 2, "refused": 1, "slow": 0,
	} {
		require.EqualValues(t, want, counters[name], name)
	}
	for _, want := range []string{
		"msg=connected", "path=/ws", `msg=closed`, `code=4001 reason=enough clean=true cause="websocket: close 4001: enough"`,
		"msg=refused", "origin=https://other.example",
	} {
		require.Contains(t, logged.String(), want)
	}
}

// TestSlowPeer: a peer that does not read is logged and counted.
func TestSlowPeer(t *testing.T) {
	logged, m := new(record), newMetrics()
	server, client := pipe(t, joinTraces(logTrace(slog.New(slog.NewTextHandler(logged, nil))), m.trace()))
	defer client.Close()
	for range 1000 {
		if server.WriteMessage(websocket.BinaryMessage, make([]byte, 64<<10)) != nil {
			break
		}
	}
	<-server.Done()
	require.EqualValues(t, 1, m.slow.Value())
	require.Contains(t, logged.String(), "the peer does not read")
}

// pipe returns a server's connection with hooks, and the other end of its stream.
func pipe(t *testing.T, trace *websocket.Trace) (*websocket.Conn, net.Conn) {
	t.Helper()
	stream, client := net.Pipe()
	conn, err := websocket.NewConn(stream, websocket.ConnOptions{WriteTimeout: time.Millisecond, Trace: trace})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn, client
}
