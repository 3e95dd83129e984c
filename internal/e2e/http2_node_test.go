package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// node returns a command that runs a script in Node.js.
func node(t *testing.T, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Stderr = t.Output()
	return cmd
}

// TestHTTP2NodeServer: our client, Node's http2 server.
func TestHTTP2NodeServer(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s := httptest.NewTLSServer(nil)
	s.Close()
	c := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	server := node(t, "node/http2.mjs", "server", cert, key)
	stdout, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	port, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)

	dialer := websocket.Dialer{HTTP2: &websocket.HTTP2{}, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Subprotocols: []string{"chat"}}
	defer dialer.CloseIdleConnections()
	for range 3 {
		conn, resp, err := dialer.Dial("wss://127.0.0.1:"+strings.TrimSpace(port)+"/ws", nil)
		require.NoError(t, err)
		require.Equal(t, 2, resp.ProtoMajor)
		require.Equal(t, "chat", conn.Subprotocol())
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			message := strings.Repeat("x", size)
			require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(message)))
			_, data, err := conn.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, message, string(data))
		}
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("close")))
		_, _, err = conn.ReadMessage()
		require.Equal(t, &websocket.CloseError{Code: 4001, Text: "bye"}, err)
	}
}

// TestHTTP2NodeClient: Node's http2 client, our server.
func TestHTTP2NodeClient(t *testing.T) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}}
	ended := make(chan error, 1)
	server := httptest.NewUnstartedServer(upgrader.Handler(func(c *websocket.Conn, _ *http.Request) {
		for {
			kind, data, err := c.ReadMessage()
			if err != nil {
				ended <- err
				return
			}
			c.WriteMessage(kind, data)
		}
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	out, err := node(t, "node/http2.mjs", "client", server.URL).Output()
	require.NoError(t, err)
	require.Equal(t, "200 chat\n"+strings.Repeat("ok\n", 7), string(out))
	require.Equal(t, &websocket.CloseError{Code: 4002, Text: "bye"}, <-ended)
}
