package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// A firefox is a browser that is told what to do by WebDriver BiDi
// (https://www.w3.org/TR/webdriver-bidi/), which is a WebSocket connection.
type firefox struct {
	t    *testing.T
	conn *websocket.Conn
	id   int
}

// startFirefox starts a Firefox without a window that accepts any certificate.
func startFirefox(t *testing.T) *firefox {
	program, err := exec.LookPath("firefox-esr")
	if err != nil {
		program, err = exec.LookPath("firefox")
	}
	require.NoError(t, err, "Firefox is missing: install it, for example with apt-get install firefox-esr")
	dir := t.TempDir()
	cmd := exec.Command(program, "--headless", "--no-remote", "--profile", dir, "--remote-debugging-port", "0")
	cmd.Env = append(os.Environ(), "HOME="+dir, "MOZ_CRASHREPORTER_DISABLE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has processes of its own
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if _, url, ok := strings.Cut(lines.Text(), "WebDriver BiDi listening on "); ok {
				address <- url
			}
		}
	}()
	f := &firefox{t: t}
	select {
	case url := <-address:
		f.conn, _, err = websocket.DefaultDialer.Dial(url+"/session", nil)
		require.NoError(t, err)
		t.Cleanup(func() { f.conn.Close() })
	case <-time.After(time.Minute):
		t.Fatal("Firefox does not start")
	}
	f.call("session.new", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"acceptInsecureCerts": true}}}, nil)
	return f
}

// call sends a command and sets result to that of the answer.
func (f *firefox) call(method string, params, result any) {
	f.t.Helper()
	f.id++
	require.NoError(f.t, f.conn.WriteJSON(map[string]any{"id": f.id, "method": method, "params": params}))
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	for {
		_, data, err := f.conn.ReadMessageContext(ctx)
		require.NoError(f.t, err)
		var answer struct {
			ID     int
			Type   string
			Result json.RawMessage
		}
		require.NoError(f.t, json.Unmarshal(data, &answer))
		if answer.ID != f.id {
			continue // an event
		}
		require.Equal(f.t, "success", answer.Type, "%s", data)
		if result != nil {
			require.NoError(f.t, json.Unmarshal(answer.Result, result))
		}
		return
	}
}

// TestHTTP2InFirefox is TestHTTP2InChromium with Firefox.
func TestHTTP2InFirefox(t *testing.T) {
	site := serveHTTP2Page(t)
	f := startFirefox(t)
	var tree struct{ Contexts []struct{ Context string } }
	f.call("browsingContext.getTree", map[string]any{}, &tree)
	require.NotEmpty(t, tree.Contexts)
	tab := tree.Contexts[0].Context
	f.call("browsingContext.navigate", map[string]any{"context": tab, "url": site.URL, "wait": "complete"}, nil)
	var got struct{ Result struct{ Value string } }
	f.call("script.evaluate", map[string]any{
		"expression": `new Promise(resolve => {
			const wait = () => result === null ? setTimeout(wait, 50) : resolve(JSON.stringify(result));
			wait();
		})`,
		"awaitPromise": true,
		"target":       map[string]any{"context": tab},
	}, &got)
	site.check(t, []byte(got.Result.Value))
}
