package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

func (p *peer) requireMessage(t *testing.T, kind int, want string) {
	t.Helper()
	got, message, err := p.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, kind, got)
	require.Equal(t, want, string(message))
}

func TestMessageFlag(t *testing.T) {
	c, peer := connect(t, "-x", "one", "-x", "", "-x", "/close 4000")
	for _, want := range []string{"one", "", "/close 4000"} {
		peer.requireMessage(t, websocket.TextMessage, want)
	}
	code, _ := peer.receiveClose(t)
	require.Equal(t, websocket.CloseNormalClosure, code)
	c.expectExit(t, exitClean)
}

// TestWaitFlag: the answer is printed though the input has ended, and the connection
// does not end before the time.
func TestWaitFlag(t *testing.T) {
	begin := time.Now()
	c, peer := connect(t, "-x", "question", "-wait", "50ms")
	peer.requireMessage(t, websocket.TextMessage, "question")
	require.NoError(t, peer.WriteMessage(websocket.TextMessage, []byte("answer")))
	c.stdout.await(t, "answer")
	code, _ := peer.receiveClose(t)
	require.Equal(t, websocket.CloseNormalClosure, code)
	require.GreaterOrEqual(t, time.Since(begin), 50*time.Millisecond)
	c.expectExit(t, exitClean)
}

func TestBinaryFlag(t *testing.T) {
	c, peer := connect(t, "-binary")
	content := "line\nbytes \xff\x00\n"
	go func() {
		io.WriteString(c.stdin, content)
		c.stdin.Close()
	}()
	peer.requireMessage(t, websocket.BinaryMessage, content)
	peer.receiveClose(t)
	c.expectExit(t, exitClean)
}

func TestSlashFlag(t *testing.T) {
	c, peer := connect(t, "-slash")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		peer.requireMessage(t, websocket.TextMessage, "text")
		code, reason := peer.receiveClose(t)
		require.Equal(t, 4001, code)
		require.Equal(t, "some reason", reason)
	}()
	c.typeLine(t, "/ping some text")
	c.stderr.await(t, `pong "some text" after `)
	c.typeLine(t, "/help")
	c.stderr.await(t, `no command "/help"`)
	c.typeLine(t, "/ping "+strings.Repeat("x", 126))
	c.stderr.await(t, "at most 125 bytes")
	c.typeLine(t, "/close 1006")
	c.stderr.await(t, "not closed: websocket: invalid close code")
	c.typeLine(t, "/close soon")
	c.stderr.await(t, "not closed: ")
	c.typeLine(t, "text")
	c.typeLine(t, "/close 4001 some reason")
	<-ended
}

// TestNoSlashFlag: without the flag, such lines are messages.
func TestNoSlashFlag(t *testing.T) {
	c, peer := connect(t)
	c.typeLine(t, "/close 4001")
	peer.requireMessage(t, websocket.TextMessage, "/close 4001")
}

func TestCompressFlag(t *testing.T) {
	connected := make(chan string, 1)
	upgrader := websocket.Upgrader{Compression: &websocket.Compression{Required: true}}
	server := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		connected <- conn.Extensions()
		conn.ReadMessage()
	}))
	defer server.Close()
	c := startClient(t, "-compress", "-x", "message", webSocketURL(server))
	require.Contains(t, <-connected, "permessage-deflate")
	c.expectExit(t, exitClean)
}

func TestCertificateFlags(t *testing.T) {
	connected := make(peers, 1)
	server := httptest.NewUnstartedServer(connected)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()

	// The server's certificate is the client's too.
	certificate := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	write := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	cert, both := write("cert", certPEM), write("both", append(bytes.Clone(certPEM), keyPEM...))
	url := webSocketURL(server)

	for _, flags := range [][]string{{"-cert", cert, "-key", write("key", keyPEM)}, {"-cert", both}} {
		c := startClient(t, append(append([]string{"-ca", cert, "-x", "hello"}, flags...), url)...)
		peer := connected.await(t)
		require.Len(t, peer.request.TLS.PeerCertificates, 1)
		peer.requireMessage(t, websocket.TextMessage, "hello")
		peer.receiveClose(t)
		c.expectExit(t, exitClean)
	}
	for _, test := range []struct {
		args []string
		note string
	}{
		{[]string{"-ca", "/does/not/exist"}, "-ca: open /does/not/exist"},
		{[]string{"-ca", write("empty", nil)}, "there is no certificate in PEM"},
		{[]string{"-cert", cert}, "-cert, -key: "},
	} {
		c := startClient(t, append(test.args, url)...)
		c.stderr.await(t, test.note)
		c.expectExit(t, exitUsage)
	}
	c := startClient(t, "-ca", cert, url) // without a certificate of its own
	c.expectExit(t, exitNotConnected)
}

func TestVisible(t *testing.T) {
	text := "a\x1b[2Jb\r\t\n世界 \u202e\u009b\x00\u00ad🌍"
	want := `a\x1b[2Jb\r` + "\t\n世界 " + `\u202e\u009b\x00\u00ad🌍`
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		v := &visible{w: &out}
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			n, err := io.WriteString(v, rest[:min(size, len(rest))])
			require.NoError(t, err)
			require.Equal(t, min(size, len(rest)), n)
		}
		require.Equal(t, want, out.String(), "written in pieces of %d bytes", size)
	}
}

// TestTerminal: received text has its mark and cannot control the terminal.
func TestTerminal(t *testing.T) {
	server, conn := websocket.Pipe()
	defer server.Close()
	stdout, stderr := newOutput(), newOutput()
	stdin, typed := io.Pipe()
	defer typed.Close()
	exit := make(chan int)
	go func() {
		exit <- newConversation(conn, &options{terminal: true}, stdout, stderr).run(t.Context(), stdin)
	}()
	require.NoError(t, server.WriteMessage(websocket.TextMessage, []byte("\x1b]0;title\a")))
	require.Equal(t, `< \x1b]0;title\a`, stdout.await(t, ""))
	server.Close()
	require.Equal(t, exitLost, <-exit)
}
