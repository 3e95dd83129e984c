package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// startBrowser runs Chromium until the test ends, with a profile of its own and
// with additional options.
func startBrowser(t *testing.T, additional ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	require.NoError(t, err, "Chromium is missing: install it, for example with apt-get install chromium")

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // which Chromium requires of root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	allocator, release := chromedp.NewExecAllocator(context.Background(), append(options, additional...)...)
	t.Cleanup(release)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(browser), "Chromium does not start")
	return browser
}

// tab is a browser tab with the page of examples/echo.
type tab struct {
	ctx   context.Context
	close context.CancelFunc
	peer  string // the address that the server's log gives its connection
}

// logEntry is an entry of the page's log. The fields are the data attributes.
type logEntry struct {
	Event    string
	Type     string // message: text, blob or arraybuffer
	Size     string // message: in bytes
	Same     string // message: whether it is what was sent
	Code     string // close
	Reason   string // close
	WasClean string // close
	Name     string // exception
}

func openTab(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	p := &tab{ctx: ctx, close: closeTab}
	p.do(t, chromedp.Navigate(url))
	return p
}

func (p *tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(p.ctx, actions...))
}

func (p *tab) click(t *testing.T, id string) {
	t.Helper()
	p.do(t, chromedp.Click(chromedp.ID(id), chromedp.NodeEnabled))
}

// fill sets the value of a field, also to nothing, which SetValue cannot.
func (p *tab) fill(t *testing.T, id, value string) {
	t.Helper()
	assignment := fmt.Sprintf("document.getElementById(%q).value = %q", id, value)
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](assignment))
	require.NoError(t, err)
	require.Equal(t, value, got)
}

// output returns what the page shows in the element.
func (p *tab) output(t *testing.T, id string) string {
	t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Value(chromedp.ID(id)))
	require.NoError(t, err)
	return value
}

// awaitEvent returns the log's nth entry, counted from 0, once it is there.
func (p *tab) awaitEvent(t *testing.T, n int, name string) logEntry {
	t.Helper()
	const nthEntry = `n => {
		const entry = document.getElementById("log").children[n];
		return entry && { ...entry.dataset };
	}`
	entry, err := chromedp.Run(p.ctx, chromedp.PollFunction[logEntry](nthEntry,
		chromedp.WithPollingArgs(n), chromedp.WithPollingMutation(), chromedp.WithPollingTimeout(patience)))
	require.NoError(t, err, "waiting for the event %s", name)
	require.Equal(t, name, entry.Event, "%+v", entry)
	return entry
}

// connect opens the page of the server and connects it.
func connect(t *testing.T, browser context.Context, echo *echoServer) *tab {
	t.Helper()
	p := openTab(t, browser, echo.url)
	p.click(t, "connect")
	p.awaitEvent(t, 0, "open")
	p.peer = echo.awaitConnection(t, "")
	return p
}

func TestBrowser(t *testing.T) {
	echo := startEcho(t)
	browser := startBrowser(t)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, browser context.Context, echo *echoServer)
	}{
		{"connects", testConnects},
		{"echoes text", testEchoesText},
		{"echoes binary", testEchoesBinary},
		{"echoes 1 MiB", testEchoesLargeMessage},
		{"negotiates subprotocol", testNegotiatesSubprotocol},
		{"insists on subprotocol", testInsistsOnSubprotocol},
		{"browser closes", testBrowserCloses},
		{"browser closes without code", testBrowserClosesWithoutCode},
		{"browser refuses to close", testBrowserRefusesToClose},
		{"browser leaves", testBrowserLeaves},
		{"server closes", testServerCloses},
		{"server refuses other origin", testServerRefusesOtherOrigin},
		{"log is in view", testLogIsInView},
		{"keyboard and focus", testKeyboardAndFocus},
		{"log does not jump", testLogDoesNotJump},
		{"direction and local time", testDirectionAndLocalTime},
		{"accessible", testAccessible},
		{"server shuts down", testServerShutsDown}, // the last one
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, browser, echo) })
	}
}

func testConnects(t *testing.T, browser context.Context, echo *echoServer) {
	p := openTab(t, browser, echo.url)
	require.Equal(t, "no socket yet", p.output(t, "ready-state"))
	require.Equal(t, echo.webSocketURL(), p.output(t, "url"))

	p.click(t, "connect")
	p.awaitEvent(t, 0, "open")
	echo.awaitConnection(t, "")
	require.Equal(t, "1 (OPEN)", p.output(t, "ready-state"))
	require.Equal(t, echo.webSocketURL(), p.output(t, "socket-url"))
	require.Equal(t, "none", p.output(t, "protocol"))
	require.Contains(t, p.output(t, "extensions"), "permessage-deflate")
	require.Equal(t, "0", p.output(t, "buffered-amount"))
}

func testEchoesText(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	for i, text := range []string{"plain", "Grüße, 世界 🌍", ""} {
		p.fill(t, "message", text)
		p.click(t, "send-text")
		size := strconv.Itoa(len(text))
		require.Equal(t, logEntry{Event: "sent", Type: "text", Size: size}, p.awaitEvent(t, 2*i+1, "sent"))
		got := p.awaitEvent(t, 2*i+2, "message")
		require.Equal(t, logEntry{Event: "message", Type: "text", Size: size, Same: "true"}, got)
	}
}

func testEchoesBinary(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	for i, binaryType := range []string{"blob", "arraybuffer"} {
		p.do(t, chromedp.SendKeys(chromedp.ID("binary-type"), binaryType))
		p.click(t, "send-binary")
		got := p.awaitEvent(t, 2*i+2, "message")
		size := strconv.Itoa(len("Hello, 世界"))
		require.Equal(t, logEntry{Event: "message", Type: binaryType, Size: size, Same: "true"}, got)
	}
}

func testEchoesLargeMessage(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.click(t, "send-large")
	got := p.awaitEvent(t, 2, "message")
	require.Equal(t, logEntry{Event: "message", Type: "blob", Size: "1048576", Same: "true"}, got)

	// The page compares by itself. Here, what the browser received comes back to
	// the test.
	const exchange = `(url, content) => new Promise((resolve, reject) => {
		const socket = new WebSocket(url);
		socket.binaryType = "arraybuffer";
		socket.onopen = () => socket.send(Uint8Array.fromBase64(content));
		socket.onmessage = ({ data }) => { socket.close(); resolve(new Uint8Array(data).toBase64()); };
		socket.onclose = ({ code }) => reject(new Error("closed with code " + code));
	})`
	want := randomBytes(8, 1<<20)
	expression := fmt.Sprintf("(%s)(%q, %q)", exchange, echo.webSocketURL(), base64.StdEncoding.EncodeToString(want))
	received, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	content, err := base64.StdEncoding.DecodeString(received)
	require.NoError(t, err)
	requireSameBytes(t, want, content)
	echo.awaitConnection(t, "")
}

func testNegotiatesSubprotocol(t *testing.T, browser context.Context, echo *echoServer) {
	p := openTab(t, browser, echo.url)
	p.fill(t, "subprotocols", "other, echo.v1")
	p.click(t, "connect")
	p.awaitEvent(t, 0, "open")
	require.Equal(t, "echo.v1", p.output(t, "protocol"))
	echo.awaitConnection(t, "echo.v1")
}

// A browser fails the connection when the server speaks none of the subprotocols.
func testInsistsOnSubprotocol(t *testing.T, browser context.Context, echo *echoServer) {
	p := openTab(t, browser, echo.url)
	p.fill(t, "subprotocols", "other")
	p.click(t, "connect")
	p.awaitEvent(t, 0, "error")
	got := p.awaitEvent(t, 1, "close")
	require.Equal(t, logEntry{Event: "close", Code: "1006", WasClean: "false"}, got)
	echo.awaitConnection(t, "")
}

func testBrowserCloses(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.fill(t, "code", "4001")
	p.fill(t, "reason", "auf Wiederhören")
	p.click(t, "close")
	got := p.awaitEvent(t, 1, "close")
	require.Equal(t, logEntry{Event: "close", Code: "4001", Reason: "auf Wiederhören", WasClean: "true"}, got)
	require.Equal(t, "3 (CLOSED)", p.output(t, "ready-state"))
	echo.awaitLog(t, p.peer+` ended: peer sent close 4001 "auf Wiederhören"`)
}

func testBrowserClosesWithoutCode(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.fill(t, "code", "")
	p.click(t, "close")
	got := p.awaitEvent(t, 1, "close")
	require.Equal(t, logEntry{Event: "close", Code: "1005", WasClean: "true"}, got)
	echo.awaitLog(t, p.peer+" ended: peer sent close 1005")
}

// A page may use 1000 and the codes from 3000, not those that browsers use.
func testBrowserRefusesToClose(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.fill(t, "code", "1001")
	p.click(t, "close")
	got := p.awaitEvent(t, 1, "exception")
	require.Equal(t, logEntry{Event: "exception", Name: "InvalidAccessError"}, got)
	require.Equal(t, "1 (OPEN)", p.output(t, "ready-state"))
}

func testBrowserLeaves(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.close()
	echo.awaitLog(t, p.peer+" ended: peer sent close 1001")
}

func testServerCloses(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.fill(t, "message", "/close 4002 schöner Grund")
	p.click(t, "send-text")
	got := p.awaitEvent(t, 2, "close")
	require.Equal(t, logEntry{Event: "close", Code: "4002", Reason: "schöner Grund", WasClean: "true"}, got)
	require.Equal(t, "3 (CLOSED)", p.output(t, "ready-state"))
	echo.awaitLog(t, p.peer+" ended: peer sent close 4002") // which answers the server's
}

func testServerRefusesOtherOrigin(t *testing.T, browser context.Context, echo *echoServer) {
	p := openTab(t, browser, echo.url)
	_, err := chromedp.RunResponse(p.ctx, chromedp.Click(chromedp.ID("other-origin")))
	require.NoError(t, err)
	require.Equal(t, echo.webSocketURL(), p.output(t, "url"))

	p.click(t, "connect")
	p.awaitEvent(t, 0, "error")
	got := p.awaitEvent(t, 1, "close")
	require.Equal(t, logEntry{Event: "close", Code: "1006", WasClean: "false"}, got)
	echo.awaitLog(t, `refused (origin "http://localhost:`)
}

func testServerShutsDown(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	echo.interrupt(t)
	got := p.awaitEvent(t, 1, "close")
	require.Equal(t, logEntry{
		Event: "close", Code: "1001", Reason: "server is shutting down", WasClean: "true",
	}, got)
}
