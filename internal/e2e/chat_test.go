package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// A chatServer is examples/chat in a process.
type chatServer struct {
	command *exec.Cmd
	url     string
}

// startChat starts a chat at an address.
func startChat(t *testing.T, program, addr string) *chatServer {
	s := &chatServer{command: exec.Command(program, "-addr", addr)}
	stdout, err := s.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.command.Start())
	t.Cleanup(func() {
		s.command.Process.Kill()
		s.command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	_, s.url, _ = strings.Cut(strings.TrimSpace(line), "open ")
	return s
}

// terminate ends the server with SIGTERM and checks that it ends well.
func (s *chatServer) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, s.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, s.command.Wait())
}

// A chatter is a tab in which somebody has joined a room.
type chatter struct{ *tab }

func joinChat(t *testing.T, browser context.Context, url, name, room string) chatter {
	t.Helper()
	p := chatter{openTab(t, browser, url)}
	p.fill(t, "name", name)
	p.fill(t, "room", room)
	p.await(t, `(document.querySelector("#join button").click(), true)`)
	p.awaitState(t, "online")
	return p
}

func (p chatter) awaitState(t *testing.T, state string) {
	t.Helper()
	p.await(t, `document.getElementById("state").dataset.state === "`+state+`"`)
}

// say types a message and sends it with the Enter key.
func (p chatter) say(t *testing.T, text string) {
	t.Helper()
	p.do(t, chromedp.SendKeys(chromedp.ID("message"), text+"\r"))
}

// awaitTexts waits until these are the messages that are shown.
func (p chatter) awaitTexts(t *testing.T, want ...string) {
	t.Helper()
	list, err := json.Marshal(append([]string{}, want...))
	require.NoError(t, err)
	p.await(t, `JSON.stringify([...document.querySelectorAll("#log li:not(.sending) p")].map(p => p.textContent)) === `+"`"+string(list)+"`")
}

func (p chatter) awaitMembers(t *testing.T, want string) {
	t.Helper()
	p.await(t, `[...document.querySelectorAll("#members li")].map(li => li.textContent).join() === "`+want+`"`)
}

// requireNarrow checks that the page fits a phone 375 pixels wide.
func (p *tab) requireNarrow(t *testing.T) {
	t.Helper()
	p.do(t, chromedp.EmulateViewport(375, 667))
	width, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
	require.NoError(t, err)
	require.Equal(t, 375, width)
}

// TestChat has two users, and a third who comes late, chat in Chromium while the server
// is restarted.
func TestChat(t *testing.T) {
	program := filepath.Join(t.TempDir(), "chat")
	build := exec.Command("go", "build", "-o", program, "./examples/chat")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	server := startChat(t, program, "127.0.0.1:0")
	browser := startBrowser(t)

	entry := openTab(t, browser, server.url)
	entry.requireAccessible(t)
	entry.close()

	ann := joinChat(t, browser, server.url, "Ann", "lobby")
	ann.awaitMembers(t, "Ann (you)")
	bob := joinChat(t, browser, server.url, "Bob", "lobby")
	ann.awaitMembers(t, "Ann (you),Bob")
	bob.awaitMembers(t, "Ann,Bob (you)")

	bob.do(t, chromedp.SendKeys(chromedp.ID("message"), "he"))
	ann.await(t, `document.getElementById("typing").textContent === "Bob is typing…"`)
	bob.say(t, "llo <b>Ann</b> 👋")
	ann.awaitTexts(t, "hello <b>Ann</b> 👋")
	ann.await(t, `document.getElementById("typing").textContent === ""`)
	ann.say(t, "hello Bob")
	for _, p := range []chatter{ann, bob} {
		p.awaitTexts(t, "hello <b>Ann</b> 👋", "hello Bob")
	}
	late := joinChat(t, browser, server.url, "Late", "lobby")
	late.awaitTexts(t, "hello <b>Ann</b> 👋", "hello Bob")
	late.fill(t, "other-room", "quiet")
	late.await(t, `(document.querySelector("#switch button").click(), true)`)
	late.await(t, `document.getElementById("where").textContent === "quiet"`)
	late.awaitMembers(t, "Late (you)")
	late.awaitTexts(t)
	ann.awaitMembers(t, "Ann (you),Bob")

	for _, scheme := range []string{"light", "dark"} {
		ann.do(t, emulateScheme(scheme))
		ann.requireAccessible(t)
	}
	ann.requireNarrow(t)
	ann.requireAccessible(t)

	// What is written while the server is away is sent when it is back.
	address := strings.TrimSuffix(strings.TrimPrefix(server.url, "http://"), "/")
	for _, p := range []chatter{ann, bob} {
		p.await(t, `(window.states = [], new MutationObserver(() => states.push($("state").textContent)).observe($("state"), { childList: true }), true)`)
	}
	server.terminate(t)
	for _, p := range []chatter{ann, bob} {
		p.await(t, `states.some(s => s.startsWith("offline (1001, the server restarts)"))`)
	}
	bob.say(t, "still there?")
	server = startChat(t, program, address)
	ann.awaitState(t, "online")
	bob.awaitState(t, "online")
	ann.awaitTexts(t, "hello <b>Ann</b> 👋", "hello Bob", "still there?")
	bob.awaitTexts(t, "hello <b>Ann</b> 👋", "hello Bob", "still there?")
	server.terminate(t)
}

// emulateScheme has a page be told that the user prefers light or dark.
func emulateScheme(scheme string) chromedp.Action[chromedp.Void] {
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	return func(ctx context.Context, target *chromedp.Target) (done chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, emulation.SetEmulatedMedia, params)
		return done, err
	}
}
