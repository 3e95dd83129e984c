package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// testTimeout bounds everything that is expected to happen at once.
const testTimeout = time.Minute

// TestReadmeShutdown builds the server of the README, runs it as a process of
// its own, and ends it with SIGTERM: every client gets a close frame with code
// 1001, also beside a client that does not read.
func TestReadmeShutdown(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		t.Skipf("a process cannot be sent SIGTERM on %s", runtime.GOOS)
	}
	needGoCommand(t)
	program := buildReadmeServer(t, nil)
	for round := range 10 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			server := startReadmeServer(t, program)
			stopped := server.dialStopped(t)
			clients := server.dialClients(t)
			if round%2 == 0 {
				fillBuffers(t, clients)
			}
			clients.keepWriting()
			server.terminate(t)
			clients.expectGoingAway(t)
			stopped.Close() // the program does not wait for it any longer
			server.expectExit(t)
		})
	}
}

// TestReadmeShutdownTimeout has clients that do not answer the close frame: the
// program exits when its timeout has passed.
func TestReadmeShutdownTimeout(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		t.Skipf("a process cannot be sent SIGTERM on %s", runtime.GOOS)
	}
	needGoCommand(t)
	program := buildReadmeServer(t, func(source string) string {
		return replaceOnce(t, source, "10*time.Second", "2*time.Second")
	})
	server := startReadmeServer(t, program)
	server.dialStopped(t)
	clients := server.dialClients(t)
	fillBuffers(t, clients)
	silent := server.dialStopped(t) // with room for the close frame
	clients.keepWriting()
	server.terminate(t)
	clients.expectGoingAway(t)
	server.expectExit(t)

	silent.SetReadDeadline(time.Now().Add(testTimeout))
	received, err := io.ReadAll(silent)
	require.NoError(t, err)
	require.Contains(t, string(received), "\x88\x02\x03\xe9", "a close frame with code 1001")
}

// replaceOnce replaces the only occurrence of a string.
func replaceOnce(t *testing.T, source, old, new string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(source, old), "%s in\n%s", old, source)
	return strings.Replace(source, old, new, 1)
}

// buildReadmeServer builds the program of the README, with a port of the
// system's choice, and returns the name of its file.
func buildReadmeServer(t *testing.T, change func(source string) string) string {
	t.Helper()
	var source string
	for _, snippet := range documentSnippets(t, "README.md") {
		if strings.HasPrefix(snippet, "package main\n") {
			require.Empty(t, source, "README.md has one program")
			source = snippet
		}
	}
	source = replaceOnce(t, source, "localhost:8080", "127.0.0.1:0")
	if change != nil {
		source = change(source)
	}
	dir := t.TempDir()
	file, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "server")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o666))
	build := exec.Command("go", "build", "-o", program, file)
	// For this machine, also where an emulator runs the tests.
	build.Env = append(os.Environ(), "GOARCH=", "GOOS=")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// A readmeServer is a running program.
type readmeServer struct {
	command *exec.Cmd
	addr    string
	log     *bufio.Reader
	exited  bool
}

func startReadmeServer(t *testing.T, program string) *readmeServer {
	t.Helper()
	s := &readmeServer{command: exec.Command(program)}
	stderr, err := s.command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.command.Start())
	t.Cleanup(func() {
		if !s.exited {
			s.command.Process.Kill()
			s.command.Wait()
		}
	})
	s.log = bufio.NewReader(stderr)
	line, err := s.log.ReadString('\n')
	require.NoError(t, err)
	_, addr, found := strings.Cut(line, "listening on ")
	require.True(t, found, line)
	s.addr = strings.TrimSpace(addr)
	return s
}

func (s *readmeServer) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, s.command.Process.Signal(syscall.SIGTERM))
}

// expectExit waits until the process has exited and checks its code.
func (s *readmeServer) expectExit(t *testing.T) {
	t.Helper()
	defer time.AfterFunc(testTimeout, func() { s.command.Process.Kill() }).Stop()
	log, err := io.ReadAll(s.log)
	require.NoError(t, err)
	err = s.command.Wait()
	s.exited = true
	require.NoError(t, err, "%s", log)
}

// dialStopped connects a client that reads the answer to its handshake and
// nothing after it.
func (s *readmeServer) dialStopped(t *testing.T) *net.TCPConn {
	t.Helper()
	dialed, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	conn := dialed.(*net.TCPConn)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetReadBuffer(4096))
	_, err = fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", s.addr)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, answer.StatusCode)
	return conn
}

// A readmeClient is a client that reads.
type readmeClient struct {
	conn     *websocket.Conn
	received chan []byte // long messages
	ended    chan error
}

type readmeClients []*readmeClient

// dialClients connects clients that read.
func (s *readmeServer) dialClients(t *testing.T) readmeClients {
	t.Helper()
	var clients readmeClients
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+s.addr+"/ws", nil)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(testTimeout)))
		c := &readmeClient{conn, make(chan []byte, 1), make(chan error, 1)}
		c.join(t)
		go c.read()
		clients = append(clients, c)
	}
	return clients
}

// join waits until what the client sends is broadcast to it, too: it can have
// the answer to its handshake before it is a member of the group.
func (c *readmeClient) join(t *testing.T) {
	t.Helper()
	require.NoError(t, c.conn.WriteMessage(websocket.TextMessage, []byte("hello")))
	_, message, err := c.conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "hello", string(message))
}

// keepWriting has one client write until its connection ends, so that there is
// always something that the server has not read.
func (clients readmeClients) keepWriting() {
	conn := clients[0].conn
	go func() {
		for conn.WriteMessage(websocket.TextMessage, []byte("a short message")) == nil {
		}
	}()
}

func (c *readmeClient) read() {
	for {
		_, message, err := c.conn.ReadMessage()
		if err != nil {
			c.ended <- err
			return
		}
		if len(message) > 1000 {
			c.received <- message
		}
	}
}

// fillBuffers broadcasts more than the buffers of a socket hold. Each message
// is sent when all clients that read have the one before. Two of them fit into
// a send queue, which may not have noticed yet that the first has left.
func fillBuffers(t *testing.T, clients readmeClients) {
	t.Helper()
	long := []byte(strings.Repeat("a long message ", 15_000))
	for range 40 {
		require.NoError(t, clients[0].conn.WriteMessage(websocket.TextMessage, long))
		for _, c := range clients {
			select {
			case message := <-c.received:
				require.Len(t, message, len(long))
			case err := <-c.ended:
				require.NoError(t, err)
			case <-time.After(testTimeout):
				require.Fail(t, "a broadcast message was not received")
			}
		}
	}
}

// expectGoingAway checks that all clients get a close frame with code 1001.
func (clients readmeClients) expectGoingAway(t *testing.T) {
	t.Helper()
	for i, c := range clients {
		err := <-c.ended
		var closed *websocket.CloseError
		require.True(t, errors.As(err, &closed) && closed.Code == websocket.CloseGoingAway, "client %d: %v", i, err)
	}
}
