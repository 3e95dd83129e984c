package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// openTerminal returns both ends of a pseudoterminal.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no pseudoterminals: ", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	var locked, number int32
	require.NoError(t, control(keyboard, syscall.TIOCSPTLCK, unsafe.Pointer(&locked)))
	require.NoError(t, control(keyboard, syscall.TIOCGPTN, unsafe.Pointer(&number)))
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

// TestEditor: what is received comes above the line that is being typed, and sent lines
// stay. Keys edit the line.
func TestEditor(t *testing.T) {
	keyboard, terminal := openTerminal(t)
	var before, after syscall.Termios
	require.NoError(t, control(terminal, getMode, unsafe.Pointer(&before)))
	connected := make(peers, 1)
	server := httptest.NewServer(connected)
	defer server.Close()
	exit := make(chan int, 1)
	go func() { exit <- run(t.Context(), []string{webSocketURL(server)}, terminal, terminal, terminal) }()
	p := connected.await(t)

	screen := ""
	awaitScreen := func(want string) {
		t.Helper()
		for buffer := make([]byte, 4096); !strings.Contains(screen, want); {
			n, err := keyboard.Read(buffer)
			require.NoError(t, err)
			screen += string(buffer[:n])
		}
		_, screen, _ = strings.Cut(screen, want)
	}
	press := func(keys string) {
		_, err := keyboard.WriteString(keys)
		require.NoError(t, err)
	}
	const erase = "\r\x1b[K"
	awaitScreen("connected, subprotocol \"\"\r\n")
	press("half a wo")
	awaitScreen(erase + "> half a wo")
	require.NoError(t, p.WriteMessage(websocket.TextMessage, []byte("hello\x1b[2J")))
	awaitScreen(erase + "< hello\\x1b[2J\r\n" + erase + "> half a wo")
	press("xx\b\x7frd é\x1b[A")
	awaitScreen("> half a word é")
	press("\n")
	awaitScreen(erase + "> half a word é\r\n" + erase + "> ")
	p.requireMessage(t, websocket.TextMessage, "half a word é")

	press("forget\x15two words\x17one\n")
	p.requireMessage(t, websocket.TextMessage, "two one")
	long := strings.Repeat("x", 100)
	press(long)
	awaitScreen("> " + strings.Repeat("x", 77))
	press("\n")
	p.requireMessage(t, websocket.TextMessage, long)
	awaitScreen("> " + long)

	press("\x04")
	code, _ := p.receiveClose(t)
	require.Equal(t, websocket.CloseNormalClosure, code)
	require.Equal(t, exitClean, <-exit)
	require.NoError(t, control(terminal, getMode, unsafe.Pointer(&after)))
	require.Equal(t, before, after)
}
