package main

import (
	"crypto/tls"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

func TestWays(t *testing.T) {
	for _, test := range []struct {
		name, want string
		run        func() (string, error)
	}{
		{"TLS", `"hello" from tcp`, overTLS},
		{"Unix socket", `"hello" from unix`, overUnixSocket},
		{"proxy", `"hello" from tcp`, throughProxy},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.run()
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

// TestUnknownAuthority: a client that does not know the certificate does not connect.
func TestUnknownAuthority(t *testing.T) {
	certificate, _, err := newCertificate("localhost")
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := newServer()
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	go server.ServeTLS(listener, "", "")
	defer server.Close()
	_, err = exchange(new(websocket.Dialer), "wss://"+listener.Addr().String()+"/")
	var failed *tls.CertificateVerificationError
	require.ErrorAs(t, err, &failed)
}
