package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// echoServer echoes, and closes with a code when it is told to.
func echoServer(t *testing.T, http2 bool) *httptest.Server {
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}
	server := httptest.NewUnstartedServer(upgrader.Handler(func(c *websocket.Conn, r *http.Request) {
		for {
			kind, data, err := c.ReadMessage()
			if err != nil {
				return
			}
			switch string(data) {
			case "close":
				c.Shutdown(context.Background(), 4001, "asked for")
				return
			case "version":
				data = []byte(r.Proto)
			}
			if c.WriteMessage(kind, data) != nil {
				return
			}
		}
	}))
	server.EnableHTTP2 = http2
	if http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// writeCertificate writes the certificate and the key of a server of httptest to files.
func writeCertificate(t *testing.T, server *httptest.Server) (cert, key string) {
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c := server.TLS.Certificates[0]
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600))
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert, key
}

func TestBridge(t *testing.T) {
	anyCertificate := &tls.Config{InsecureSkipVerify: true}
	for _, test := range []struct {
		name         string
		http2        bool // of the server; the client has the other version
		want, client string
	}{
		{"HTTP/1.1 to HTTP/2", true, "HTTP/2.0", "ws://"},
		{"HTTP/2 to HTTP/1.1", false, "HTTP/1.1", "wss://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := echoServer(t, test.http2)
			b := &bridge{url: "ws" + strings.TrimPrefix(server.URL, "http") + "/"}
			b.dialer.TLSClientConfig = anyCertificate
			dialer := websocket.Dialer{Subprotocols: []string{"other", "chat"}, EnableCompression: true, TLSClientConfig: anyCertificate}
			cert, key := "", ""
			if test.http2 {
				b.dialer.HTTP2 = &websocket.HTTP2{}
			} else {
				cert, key = writeCertificate(t, echoServer(t, true))
				dialer.HTTP2 = &websocket.HTTP2{}
				defer dialer.CloseIdleConnections()
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- b.serve(ctx, listener, cert, key) }()

			c, _, err := dialer.Dial(test.client+listener.Addr().String()+"/", nil)
			require.NoError(t, err)
			require.Equal(t, "chat", c.Subprotocol())
			for _, message := range []string{"version", strings.Repeat("long ", 100_000), ""} {
				require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(message)))
				_, data, err := c.ReadMessage()
				require.NoError(t, err)
				if message == "version" {
					message = test.want
				}
				require.Equal(t, message, string(data))
			}
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("close")))
			_, _, err = c.ReadMessage()
			require.Equal(t, &websocket.CloseError{Code: 4001, Text: "asked for"}, err)

			c, _, err = dialer.Dial(test.client+listener.Addr().String()+"/", nil)
			require.NoError(t, err)
			stop()
			_, _, err = c.ReadMessage()
			require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
			require.NoError(t, <-ended)
		})
	}
}

func TestBridgeToNowhere(t *testing.T) {
	b := &bridge{url: "ws://127.0.0.1:1/"}
	server := httptest.NewServer(b)
	defer server.Close()
	_, resp, err := websocket.DefaultDialer.Dial(server.URL, nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
}
