package http2_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	_ "github.com/seed23105783/websocket/http2"
)

// These tests are in a package of their own: what they import would otherwise be
// initialized before the package under test.

func TestMain(m *testing.M) {
	if os.Getenv("PRINT_GODEBUG") != "" {
		fmt.Print(os.Getenv("GODEBUG"))
		return
	}
	os.Exit(m.Run())
}

// TestKeepsOtherSettings: those that the program was started with stay, and so does one
// that forbids extended CONNECT.
func TestKeepsOtherSettings(t *testing.T) {
	for value, want := range map[string]string{
		"":                              "http2xconnect=1",
		"netdns=go":                     "netdns=go,http2xconnect=1",
		"http2xconnect=0":               "http2xconnect=0",
		"netdns=go,http2xconnect=0,a=b": "netdns=go,http2xconnect=0,a=b",
		"http2xconnect=1,netdns=go":     "http2xconnect=1,netdns=go",
		"nothttp2xconnect=0":            "nothttp2xconnect=0,http2xconnect=1",
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PRINT_GODEBUG=1", "GODEBUG="+value)
		got, err := cmd.Output()
		if errors.Is(err, syscall.ENOEXEC) || errors.Is(err, errors.ErrUnsupported) {
			t.Skip("an emulator runs the test, and the kernel knows nothing of it: ", err)
		}
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

// TestSettingIsOffered: a server of this program, which imports the package, accepts an
// extended CONNECT. It fails if Go initializes net/http first.
func TestSettingIsOffered(t *testing.T) {
	if strings.Contains(os.Getenv("GODEBUG"), "http2xconnect=0") {
		t.Skip("GODEBUG says no")
	}
	var upgrader websocket.Upgrader
	server := httptest.NewUnstartedServer(upgrader.Handler(func(c *websocket.Conn, r *http.Request) {
		c.WriteMessage(websocket.TextMessage, []byte(r.Proto))
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	dialer := websocket.Dialer{HTTP2: &websocket.HTTP2{}, TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig}
	defer dialer.CloseIdleConnections()
	conn, _, err := dialer.Dial("wss"+strings.TrimPrefix(server.URL, "https"), nil)
	require.NoError(t, err)
	defer conn.Close()
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", string(message))
}
