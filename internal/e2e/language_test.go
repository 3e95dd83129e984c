package e2e

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// A language is an implementation of which the directory languages has an echo server and
// an echo client, or one of them. They choose the subprotocol chat, compress if they can,
// and report the close frames that they get. Some messages ask for more than an echo:
// "close" for a close frame, "ping" for a ping, and "fragments" for a message in fragments.
type language struct {
	name           string
	command        func(t *testing.T) []string
	client, server bool
	deflates       bool // it agrees to compress
	plainClient    bool // but not as a client
	pings          bool // its API has pings
	fragments      bool // its API has fragments
	noEmpty        bool // it cannot compress an empty message
}

var languages = []language{
	{name: "Node", command: nodeCommand, client: true, deflates: true},
	{name: "websockets", command: pythonCommand("python_websockets.py"), client: true, server: true,
		deflates: true, pings: true, fragments: true},
	{name: "aiohttp", command: pythonCommand("python_aiohttp.py"), client: true, server: true, deflates: true},
	{name: "tokio-tungstenite", command: rustCommand("tungstenite"), client: true, server: true,
		pings: true, fragments: true},
	{name: "fastwebsockets", command: rustCommand("fastwebsockets"), client: true, server: true,
		pings: true, fragments: true},
	{name: "java.net.http", command: javaCommand, client: true, pings: true, fragments: true},
	{name: "libwebsockets", command: lwsCommand, client: true, server: true,
		deflates: true, pings: true, fragments: true, noEmpty: true, plainClient: true},
}

func nodeCommand(t *testing.T) []string {
	return []string{program(t, "node", "nodejs"), "--experimental-websocket", "languages/node.mjs"}
}

func pythonCommand(script string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		const python = ".venv/bin/python"
		_, err := os.Stat(python)
		require.NoError(t, err, "run python3 -m venv .venv && .venv/bin/pip install -r requirements.txt")
		return []string{python, "languages/" + script}
	}
}

func javaCommand(t *testing.T) []string {
	return []string{program(t, "java", "openjdk-17-jdk-headless"), "-Dfile.encoding=UTF-8", "languages/Client.java"}
}

// buildRust compiles the programs in Rust once.
var buildRust = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("cargo", "build", "--locked")
	cmd.Dir = "languages/rust"
	return cmd.CombinedOutput()
})

func rustCommand(name string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		program(t, "cargo", "cargo-web")
		out, err := buildRust()
		require.NoError(t, err, "%s", out)
		return []string{"languages/rust/target/debug/" + name}
	}
}

func lwsCommand(t *testing.T) []string {
	compiled := filepath.Join(t.TempDir(), "lws")
	out, err := exec.Command(program(t, "gcc", "gcc"), "-o", compiled, "languages/lws.c", "-lwebsockets").CombinedOutput()
	require.NoError(t, err, "%s\ninstall it, for example with apt-get install libwebsockets-dev", out)
	return []string{compiled}
}

// program returns the path of a program that has to be installed.
func program(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err, "install it, for example with apt-get install %s", debianPackage)
	return path
}

// A foreigner is a running program in another language.
type foreigner struct {
	lines chan string // what it prints
}

// start runs a program until the test ends.
func (l language) start(t *testing.T, args ...string) foreigner {
	t.Helper()
	command := append(l.command(t), args...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	f := foreigner{make(chan string, 100)}
	go func() {
		defer close(f.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			f.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		for range f.lines {
		}
		cmd.Wait()
	})
	return f
}

func (f foreigner) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-f.lines:
		require.True(t, ok, "the program has ended")
		return line
	case <-time.After(3 * time.Minute): // Java compiles first
		require.FailNow(t, "the program prints nothing")
		return ""
	}
}

// compressions are our sides of the handshake.
var compressions = []struct {
	name  string
	value *websocket.Compression
}{
	{"plain", nil},
	{"compressed", &websocket.Compression{Threshold: -1}},
	{"without takeover", &websocket.Compression{
		Threshold: -1,
		Server:    websocket.CompressionSide{NoContextTakeover: true},
		Client:    websocket.CompressionSide{NoContextTakeover: true},
	}},
	{"small windows", &websocket.Compression{
		Threshold: -1,
		Server:    websocket.CompressionSide{WindowBits: 10},
		Client:    websocket.CompressionSide{WindowBits: 10},
	}},
}

// TestLanguages runs all checks over a connection of each program with each of our sides.
func TestLanguages(t *testing.T) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			for _, c := range compressions {
				if l.client {
					t.Run("client/"+c.name, func(t *testing.T) { l.testClient(t, c.value) })
				}
				if l.server {
					t.Run("server/"+c.name, func(t *testing.T) { l.testServer(t, c.value) })
				}
			}
		})
	}
}

// testClient connects the program with a server of ours, once for each end.
func (l language) testClient(t *testing.T, compression *websocket.Compression) {
	for _, end := range ends() {
		upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, Compression: compression, WriteBufferSize: 4096}
		conns := make(chan *websocket.Conn, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				t.Errorf("upgrade: %v", err)
			}
			conns <- conn
		}))
		defer server.Close()
		address := "ws" + strings.TrimPrefix(server.URL, "http") + "/"
		if l.name == "libwebsockets" { // which takes no URL
			u, err := url.Parse(address)
			require.NoError(t, err)
			address = u.Port()
		}
		f := l.start(t, "client", address)
		select {
		case conn := <-conns:
			require.NotNil(t, conn)
			l.check(t, f, conn, compression != nil && l.deflates && !l.plainClient, end)
		case <-time.After(3 * time.Minute):
			require.FailNow(t, "no connection from the program")
		}
	}
}

func (l language) testServer(t *testing.T, compression *websocket.Compression) {
	f := l.start(t, "server")
	address := f.line(t)
	for _, end := range ends() {
		dialer := websocket.Dialer{Subprotocols: []string{"chat"}, Compression: compression, WriteBufferSize: 4096}
		conn, _, err := dialer.Dial("ws://"+address+"/", nil)
		require.NoError(t, err)
		l.check(t, f, conn, compression != nil && l.deflates, end)
	}
}

// ends are the ways in which a connection ends.
func ends() []func(t *testing.T, f foreigner, conn *websocket.Conn) {
	theirs := func(t *testing.T, _ foreigner, conn *websocket.Conn) {
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("close")))
		expectClose(t, conn, 4001, "schöner Grund")
	}
	ours := func(t *testing.T, f foreigner, conn *websocket.Conn) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, conn.Shutdown(ctx, 4002, "größer"))
		for {
			if line := f.line(t); line != "closed 4001 " { // the answer to theirs, before
				require.Equal(t, "closed 4002 größer", line)
				return
			}
		}
	}
	return []func(t *testing.T, f foreigner, conn *websocket.Conn){theirs, ours}
}

func (l language) check(t *testing.T, f foreigner, conn *websocket.Conn, compressed bool, end func(*testing.T, foreigner, *websocket.Conn)) {
	t.Helper()
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	require.Equal(t, "chat", conn.Subprotocol())
	if compressed {
		require.Contains(t, conn.Extensions(), "permessage-deflate")
	} else {
		require.Empty(t, conn.Extensions())
	}
	// The lengths at which their encoding changes: RFC 6455, Section 5.2.
	sizes := []int{0, 1, 125, 126, 65535, 65536, 1 << 20}
	if compressed && l.noEmpty {
		sizes = sizes[1:]
	}
	checkEchoes(t, conn, sizes)
	ask := func(message, answer string) {
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(message)))
		expectMessage(t, conn, websocket.TextMessage, []byte(answer))
	}
	if l.fragments {
		ask("fragments", "fragments")
	}
	if l.pings {
		var payload string
		answer := conn.PingHandler()
		conn.SetPingHandler(func(data string) error {
			payload = data
			return answer(data)
		})
		ask("ping", "pong received")
		require.Equal(t, "from the peer", payload)
	}
	requirePong(t, conn)
	end(t, f, conn)
}

// checkEchoes sends text and binary messages as one frame and in fragments.
func checkEchoes(t *testing.T, conn *websocket.Conn, sizes []int) {
	t.Helper()
	for i, size := range sizes {
		text := []byte(strings.Repeat("Ж世x", size/6+1))[:size/6*6]
		text = append(text, strings.Repeat("y", size%6)...)
		for messageType, message := range map[int][]byte{
			websocket.TextMessage:   text,
			websocket.BinaryMessage: randomBytes(uint64(i), size),
		} {
			require.NoError(t, conn.WriteMessage(messageType, message))
			expectMessage(t, conn, messageType, message)

			w, err := conn.NextWriter(messageType) // whose buffer holds 4 KiB
			require.NoError(t, err)
			_, err = io.Copy(w, strings.NewReader(string(message)))
			require.NoError(t, err)
			require.NoError(t, w.Close())
			expectMessage(t, conn, messageType, message)
		}
	}
}

// requirePong waits for the answer to a ping, while it reads.
func requirePong(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	pinged := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		_, err := conn.Ping(ctx)
		if err == nil { // ends the read below
			err = conn.WriteMessage(websocket.TextMessage, []byte("pinged"))
		}
		pinged <- err
	}()
	expectMessage(t, conn, websocket.TextMessage, []byte("pinged"))
	require.NoError(t, <-pinged)
}
