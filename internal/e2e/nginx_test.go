package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
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

// nginxConfig has a server that takes both versions of HTTP over TLS. nginx does not know
// RFC 8441, neither in front nor behind. %[1]s is a directory, the others are addresses.
const nginxConfig = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s ssl http2;
		ssl_certificate %[1]s/certificate.pem;
		ssl_certificate_key %[1]s/key.pem;
		location / {
			proxy_pass http://%[3]s;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection upgrade;
			proxy_set_header Host $http_host;
		}
	}
}
`

// TestNginx: behind nginx, which speaks HTTP/2 without RFC 8441, a Dialer with FallBack gets
// a connection over HTTP/1.1, and one without an error that says why.
func TestNginx(t *testing.T) {
	program, err := exec.LookPath("nginx")
	require.NoError(t, err, "nginx is missing: install it, for example with apt-get install nginx")
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}
	server := httptest.NewServer(upgrader.Handler(func(c *websocket.Conn, r *http.Request) {
		for {
			kind, data, err := c.ReadMessage()
			if err != nil {
				return
			}
			c.WriteMessage(kind, data)
		}
	}))
	defer server.Close()

	encrypted := httptest.NewTLSServer(nil) // for its certificate
	encrypted.Close()
	certificate := encrypted.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	dir, address := t.TempDir(), freeAddress(t)
	for name, content := range map[string][]byte{
		"certificate.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		"key.pem":         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"nginx.conf":      fmt.Appendf(nil, nginxConfig, dir, address, server.Listener.Addr()),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	proxy := exec.Command(program, "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	proxy.Stderr = t.Output()
	require.NoError(t, proxy.Start())
	defer func() {
		proxy.Process.Kill()
		proxy.Wait()
	}()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 50*time.Millisecond)

	dialer := websocket.Dialer{
		HTTP2:             &websocket.HTTP2{},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		Subprotocols:      []string{"chat"},
		EnableCompression: true,
	}
	_, _, err = dialer.Dial("wss://"+address+"/", nil)
	require.ErrorIs(t, err, websocket.ErrHTTP2)

	dialer.HTTP2 = &websocket.HTTP2{FallBack: true}
	for range 2 { // the second finds the connection of the first
		conn, resp, err := dialer.Dial("wss://"+address+"/", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		require.Equal(t, "chat", conn.Subprotocol())
		message := strings.Repeat("a megabyte, more or less. ", 1<<20/26)
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(message)))
		_, data, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, message, string(data))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		require.NoError(t, conn.Shutdown(ctx, 4002, "bye"))
		cancel()
	}
	dialer.CloseIdleConnections()
}
