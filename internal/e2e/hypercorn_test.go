package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// TestHTTP2Hypercorn: our client, hypercorn, which is a server in Python.
func TestHTTP2Hypercorn(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s := httptest.NewTLSServer(nil)
	s.Close()
	c := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	address := freeAddress(t)
	program, err := filepath.Abs(".venv/bin/hypercorn")
	require.NoError(t, err)
	server := exec.Command(program, "--bind", address, "--certfile", cert, "--keyfile", key, "--log-level", "warning", "echo_asgi:app")
	server.Dir = "python"
	server.Stderr = t.Output()
	server.WaitDelay = patience
	require.NoError(t, server.Start(), "hypercorn is missing: pip install -r requirements.txt")
	defer func() {
		server.Process.Signal(syscall.SIGTERM) // it has a process of its own for its work
		server.Wait()
	}()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 50*time.Millisecond)

	dialer := websocket.Dialer{HTTP2: &websocket.HTTP2{}, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Subprotocols: []string{"chat"}}
	dialer.EnableCompression = true
	defer dialer.CloseIdleConnections()
	conn, resp, err := dialer.Dial("wss://"+address+"/", nil)
	require.NoError(t, err)
	require.Equal(t, "2", resp.Header.Get("X-Version"))
	require.Equal(t, "chat", conn.Subprotocol())
	for _, size := range []int{1, 125, 126, 65535, 65536, 1 << 20} {
		message := strings.Repeat("x", size)
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(message)))
		_, data, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, message, string(data))
	}
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("close")))
	_, _, err = conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, 4001), "%v", err)
}
