package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestWasmChat has the pages of examples/wasm, in Go and in JavaScript, talk to each other.
func TestWasmChat(t *testing.T) {
	program := filepath.Join(t.TempDir(), "wasm")
	build := exec.Command("go", "build", "-o", program, "./examples/wasm")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	server := exec.Command(program, "-addr", "127.0.0.1:0")
	server.Dir = "../.." // whose packages it builds
	stdout, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	defer func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	url := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(line, "open ")), "/")

	browser := startBrowser(t)
	pages := map[string]*tab{}
	for _, language := range []string{"go", "javascript"} {
		pages[language] = openTab(t, browser, url+"/"+language)
		pages[language].await(t, `document.getElementById("state").textContent === "open"`)
	}
	for i, language := range []string{"go", "javascript"} {
		text := "hello from " + language
		pages[language].fill(t, "text", text)
		pages[language].await(t, `(document.querySelector("#send button").click(), true)`)
		for _, p := range pages {
			p.await(t, `document.querySelectorAll("#log li").length > `+string(rune('0'+i)))
			var lines []string
			result, err := chromedp.Run(p.ctx, chromedp.Evaluate[json.RawMessage](`[...document.querySelectorAll("#log li")].map(li => li.textContent)`))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(result, &lines))
			require.Equal(t, text, lines[i])
		}
	}
	for _, p := range pages {
		p.click(t, "leave")
		p.await(t, `document.getElementById("state").textContent === "closed: 1000  true"`)
	}
}

// await waits until an expression is true in the page.
func (p *tab) await(t *testing.T, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.PollFunction[json.RawMessage](`() => `+expression,
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0)))
	require.NoError(t, err, expression)
}
