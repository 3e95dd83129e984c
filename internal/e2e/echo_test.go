package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echoServer is a running examples/echo.
type echoServer struct {
	url    string // of the page
	log    chan string
	logged chan struct{} // closed when log is complete
	cmd    *exec.Cmd
	ended  bool
}

// startEcho builds examples/echo and runs it until the test ends.
func startEcho(t *testing.T) *echoServer {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "echo")
	args := []string{"build", "-o", binary}
	if raceEnabled() {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./examples/echo")...)
	build.Dir = "../.."
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)

	s := &echoServer{
		log:    make(chan string, 1000),
		logged: make(chan struct{}),
		cmd:    exec.Command(binary, "-addr", "127.0.0.1:0"),
	}
	stdout, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	go s.readLog(t, stderr)
	t.Cleanup(func() { s.interrupt(t) })

	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	_, url, found := strings.Cut(strings.TrimSpace(line), "open ")
	require.True(t, found, "echo printed %q", line)
	s.url = url
	return s
}

// raceEnabled reports whether the tests run with -race, so that the server does
// so too.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}

func (s *echoServer) readLog(t *testing.T, stderr io.Reader) {
	defer close(s.logged)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.log <- lines.Text()
	}
	if err := lines.Err(); err != nil {
		t.Errorf("reading the log of echo: %v", err)
	}
}

// webSocketURL is the URL that the page offers.
func (s *echoServer) webSocketURL() string {
	return "ws" + strings.TrimPrefix(s.url, "http") + "ws"
}

// awaitLog returns the first line that contains text.
func (s *echoServer) awaitLog(t *testing.T, text string) string {
	t.Helper()
	var others []string
	timeout := time.After(patience)
	for {
		select {
		case line := <-s.log:
			if strings.Contains(line, text) {
				return line
			}
			others = append(others, line)
		case <-timeout:
			require.FailNow(t, "the log lacks a line", "no %q in %q", text, others)
		}
	}
}

// awaitConnection returns the address that the log gives the next connection.
func (s *echoServer) awaitConnection(t *testing.T, subprotocol string) string {
	t.Helper()
	line := s.awaitLog(t, fmt.Sprintf(" connected, subprotocol %q", subprotocol))
	before, _, _ := strings.Cut(line, " connected")
	return before[strings.LastIndex(before, " ")+1:]
}

// interrupt ends the server as Ctrl-C does, and checks that it ends well.
func (s *echoServer) interrupt(t *testing.T) {
	t.Helper()
	if s.ended {
		return
	}
	s.ended = true
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGINT))
	<-s.logged // Wait closes the pipe
	require.NoError(t, s.cmd.Wait(), "echo did not end well")
}
