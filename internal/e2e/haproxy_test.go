package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// haproxyConfig has a frontend that takes both versions of HTTP over TLS, and a backend of
// each. %[1]s is the file of the certificate, the others are addresses.
const haproxyConfig = `
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
	timeout tunnel 30s

frontend to-http1
	bind %[2]s ssl crt %[1]s alpn h2,http/1.1
	default_backend http1

frontend to-http2
	bind %[3]s ssl crt %[1]s alpn h2,http/1.1
	default_backend http2

backend http1
	server one %[4]s

backend http2
	server one %[5]s ssl verify none alpn h2 ws h2
`

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// TestHAProxy: HAProxy translates between HTTP/1.1 and HTTP/2, in both directions.
func TestHAProxy(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	require.NoError(t, err, "HAProxy is missing: install it, for example with apt-get install haproxy")
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}
	handler := upgrader.Handler(func(c *websocket.Conn, r *http.Request) {
		for {
			kind, data, err := c.ReadMessage()
			switch {
			case err != nil:
				return
			case string(data) == "close":
				c.Shutdown(context.Background(), 4001, "bye")
				return
			case string(data) == "version":
				data = []byte(r.Proto)
			}
			c.WriteMessage(kind, data)
		}
	})
	http1, http2 := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	defer http1.Close()
	http2.EnableHTTP2 = true
	http2.Config.ErrorLog = log.New(io.Discard, "", 0)
	http2.StartTLS()
	defer http2.Close()

	dir := t.TempDir()
	c := http2.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	both := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	certificate, config := filepath.Join(dir, "haproxy.pem"), filepath.Join(dir, "haproxy.cfg")
	require.NoError(t, os.WriteFile(certificate, both, 0o600))
	address := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	to1, to2 := freeAddress(t), freeAddress(t)
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, haproxyConfig, certificate, to1, to2, address(http1), address(http2)), 0o600))
	proxy := exec.Command(program, "-db", "-f", config)
	proxy.Stderr = t.Output()
	require.NoError(t, proxy.Start())
	defer func() {
		proxy.Process.Kill()
		proxy.Wait()
	}()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", to2)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 50*time.Millisecond)

	for _, test := range []struct {
		name    string
		dialer  websocket.Dialer
		address string
		version string
	}{
		{"HTTP/1.1 to HTTP/1.1", websocket.Dialer{}, to1, "HTTP/1.1"},
		{"HTTP/2 to HTTP/1.1", websocket.Dialer{HTTP2: &websocket.HTTP2{}}, to1, "HTTP/1.1"},
		{"HTTP/1.1 to HTTP/2", websocket.Dialer{}, to2, "HTTP/2.0"},
		{"HTTP/2 to HTTP/2", websocket.Dialer{HTTP2: &websocket.HTTP2{}}, to2, "HTTP/2.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dialer := &test.dialer
			dialer.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
			dialer.Subprotocols, dialer.EnableCompression = []string{"chat"}, true
			defer dialer.CloseIdleConnections()
			conn, _, err := dialer.Dial("wss://"+test.address+"/", nil)
			require.NoError(t, err)
			require.Equal(t, "chat", conn.Subprotocol())
			require.Contains(t, conn.Extensions(), "permessage-deflate")
			for _, message := range []string{"version", "", strings.Repeat("a megabyte, more or less. ", 1<<20/26)} {
				require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(message)))
				_, data, err := conn.ReadMessage()
				require.NoError(t, err)
				if message == "version" {
					message = test.version
				}
				require.Equal(t, message, string(data))
			}
			require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("close")))
			_, _, err = conn.ReadMessage()
			require.Equal(t, &websocket.CloseError{Code: 4001, Text: "bye"}, err)

			conn, _, err = dialer.Dial("wss://"+test.address+"/", nil)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			require.NoError(t, conn.Shutdown(ctx, 4002, "bye"))
		})
	}
}
