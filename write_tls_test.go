package websocket

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keyUpdate returns the first record of a client after the handshake: it updates its keys
// and asks the server to do the same (RFC 8446, Section 4.6.3).
func keyUpdate(t *testing.T, keyLog []byte) []byte {
	var secret []byte
	for line := range bytes.Lines(keyLog) {
		if fields := bytes.Fields(line); string(fields[0]) == "CLIENT_TRAFFIC_SECRET_0" {
			secret, _ = hex.DecodeString(string(fields[2]))
		}
	}
	expand := func(label string, length int) []byte {
		label = "tls13 " + label
		info := append([]byte{0, byte(length), byte(len(label))}, label+"\x00"...)
		b, err := hkdf.Expand(sha256.New, secret, string(info), length)
		require.NoError(t, err)
		return b
	}
	block, err := aes.NewCipher(expand("key", 16))
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	const handshake, keyUpdateType, requested = 22, 24, 1
	plain := []byte{keyUpdateType, 0, 0, 1, requested, handshake}
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+aead.Overhead()))
	return aead.Seal(header, expand("iv", 12), plain, header)
}

// TestKeyUpdateAfterAWriteTimeout: the limit of a write has no effect on what crypto/tls
// writes while a message is read.
func TestKeyUpdateAfterAWriteTimeout(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	a, b := socketPair(t)
	var keyLog bytes.Buffer
	server, client := tls.Server(a, s.TLS), tls.Client(b, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &keyLog})
	go server.Handshake()
	require.NoError(t, client.Handshake())
	if client.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("the test knows one cipher only")
	}
	const timeout = time.Second
	c := newConn(server, connConfig{writeTimeout: timeout})
	defer c.Close()
	peer := newConn(client, connConfig{client: true})
	for range 3 {
		require.NoError(t, c.WriteMessage(TextMessage, []byte("x")))
		require.NoError(t, c.Send(TextMessage, []byte("x")))
		require.NoError(t, c.WriteControl(PongMessage, nil, time.Now().Add(timeout)))
	}
	time.Sleep(timeout + 100*time.Millisecond)
	go c.ReadMessage()
	_, err := b.Write(keyUpdate(t, keyLog.Bytes()))
	require.NoError(t, err)
	for range 6 {
		_, _, err := peer.ReadMessage()
		require.NoError(t, err)
	}
	time.Sleep(50 * time.Millisecond) // until the keys are updated
	require.NoError(t, c.WriteMessage(TextMessage, []byte("with new keys")))
	_, m, err := peer.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "with new keys", string(m))
}
