package e2e

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/jstest"
)

// wasmPage runs a Go program with the arguments and the environment of .. and
// keeps its output and its exit code in the variables output and exitCode.
var wasmPage = template.Must(template.New("").Parse(`<!doctype html>
<title>Go tests</title>
<script src="wasm_exec.js"></script>
<script>
	var output = "", exitCode = null;
	const decoder = new TextDecoder();
	globalThis.fs.writeSync = (_, bytes) => {
		output += decoder.decode(bytes, { stream: true });
		return bytes.length;
	};
	const go = new Go();
	go.argv = {{.Arguments}};
	go.env = {{.Environment}};
	go.exit = code => { exitCode = code; };
	WebAssembly.instantiateStreaming(fetch("program.wasm"), go.importObject)
		.then(({ instance }) => go.run(instance))
		.catch(error => { output += error; exitCode = -1; });
</script>
`))

// TestWasm runs the tests named TestRemote of the library in the browser, where
// its connections are made by the browser's WebSocket.
func TestWasm(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program.wasm")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	server := jstest.Start()
	defer server.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/program.wasm", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, program) })
	mux.HandleFunc("/wasm_exec.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, wasmExec(t)) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		wasmPage.Execute(w, map[string]any{
			"Arguments":   []string{"websocket.test", "-test.run=^TestRemote", "-test.v", "-test.timeout=2m"},
			"Environment": server.Environment("Chromium"),
		})
	})
	page := httptest.NewServer(mux)
	defer page.Close()

	browser := startBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	tab, cancel := context.WithTimeout(browser, 3*time.Minute)
	defer cancel()
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(page.URL)))
	result, err := chromedp.Run(tab, chromedp.PollFunction[json.RawMessage](`() => exitCode !== null && { exitCode, output }`,
		chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(0)))
	require.NoError(t, err)
	var ended struct {
		ExitCode int
		Output   string
	}
	require.NoError(t, json.Unmarshal(result, &ended))
	require.Zero(t, ended.ExitCode, "%s", ended.Output)
	require.Contains(t, ended.Output, "--- PASS: TestRemoteEcho/wss")
	require.NotContains(t, ended.Output, "there is no server")
}

// wasmExec returns the name of the script that runs Go programs in a browser.
func wasmExec(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "lib", "wasm", "wasm_exec.js")
}
