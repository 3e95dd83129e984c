package handler

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// requireEcho sends a message and receives it.
func requireEcho(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(text)))
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, text, string(message))
}

// Over a socket, with the handshake: Dial accepts the http URL of an httptest.Server.
func TestOverSocket(t *testing.T) {
	server := httptest.NewServer(New(new(websocket.Group)))
	defer server.Close()
	conn, response, err := websocket.DefaultDialer.Dial(server.URL, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	requireEcho(t, conn, "hello")
	require.NoError(t, conn.Shutdown(t.Context(), websocket.CloseNormalClosure, ""))
}

// A refused handshake needs no connection: a ResponseRecorder is enough.
func TestRefusal(t *testing.T) {
	recorder := httptest.NewRecorder()
	New(new(websocket.Group)).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusUpgradeRequired, recorder.Code)
}

// In memory: under synctest, time passes when all goroutines wait, so that a minute
// takes no time and is exact.
func TestIdleClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := websocket.Pipe()
		go serve(server)
		requireEcho(t, client, "hello")
		begin := time.Now()
		_, _, err := client.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.ClosePolicyViolation), "%v", err)
		require.Equal(t, idleTimeout, time.Since(begin))
		<-server.Done()
	})
}

// Wait returns when all goroutines wait: what a message causes has happened by then.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := websocket.Pipe()
		served := false
		go func() {
			serve(server)
			served = true
		}()
		require.NoError(t, client.WriteMessage(websocket.CloseMessage, nil))
		_, _, err := client.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseNoStatusReceived), "%v", err)
		synctest.Wait()
		require.True(t, served)
		require.True(t, server.CloseInfo().WasClean)
	})
}

// The whole handler in memory: net/http serves a listener whose connections are pipes,
// and the Dialer connects to that. A client that does not read does not answer pings.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		var group websocket.Group
		server := &http.Server{Handler: New(&group)}
		go server.Serve(listener)
		defer server.Close()

		dialer := websocket.Dialer{NetDialContext: listener.dial}
		conn, _, err := dialer.Dial("ws://server.example/", nil)
		require.NoError(t, err)
		defer conn.Close()
		requireEcho(t, conn, "hello")
		time.Sleep(10 * time.Second) // and read nothing
		require.EqualValues(t, 1, group.Len())
		time.Sleep(16 * time.Second)
		require.Zero(t, group.Len())
		_, _, err = conn.ReadMessage()
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// A memoryListener accepts the connections that its dial returns the other end of.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	close(l.closed)
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }
