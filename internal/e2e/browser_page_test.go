package e2e

import (
	"context"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// evaluate runs an expression in the page, and returns its value or that of its promise.
func evaluate[T any](t *testing.T, p *tab, expression string) T {
	t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err, expression)
	return value
}

// testLogIsInView: on a desktop and on a phone the log is in view, at the top of the
// page and at its end, and nothing is wider than the window.
func testLogIsInView(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	for _, size := range []struct{ width, height int64 }{{1280, 800}, {375, 667}} {
		p.do(t, chromedp.EmulateViewport(size.width, size.height))
		for _, position := range []string{"0", "1e6"} {
			evaluate[bool](t, p, "scrollTo(0, "+position+"), document.querySelector('.panels').scrollTo(0, "+position+"), true")
			require.True(t, evaluate[bool](t, p, `(() => {
				const box = document.getElementById("scroller").getBoundingClientRect();
				return box.height >= 100 && box.top >= 0 && box.bottom <= innerHeight;
			})()`), "%+v at %s", size, position)
		}
		require.True(t, evaluate[bool](t, p, "document.documentElement.scrollWidth <= innerWidth"), "%+v", size)
	}
}

func testKeyboardAndFocus(t *testing.T, browser context.Context, echo *echoServer) {
	p := openTab(t, browser, echo.url)
	const focused = "document.activeElement.id"
	p.click(t, "connect")
	p.awaitEvent(t, 0, "open")
	require.Equal(t, "message", evaluate[string](t, p, focused))
	p.fill(t, "message", "by keyboard")
	const controlEnter = `document.getElementById("message").dispatchEvent(
		new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, cancelable: true }))`
	require.False(t, evaluate[bool](t, p, controlEnter), "the text area gets the key too")
	require.Equal(t, logEntry{Event: "message", Type: "text", Size: "11", Same: "true"}, p.awaitEvent(t, 2, "message"))
	require.Equal(t, "message", evaluate[string](t, p, focused))

	p.click(t, "close")
	p.awaitEvent(t, 3, "close")
	require.NotEmpty(t, evaluate[string](t, p, focused))
	evaluate[bool](t, p, controlEnter) // does nothing without a connection
	require.EqualValues(t, 4, evaluate[int](t, p, `document.getElementById("log").childElementCount`))
}

// testLogDoesNotJump: new entries do not move what a reader looks at, and the log follows
// them if its end is shown. The log keeps 500 entries.
func testLogDoesNotJump(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	const fill = `(n) => { for (let i = 0; i < n; i++) note("test", "entry " + i); }`
	const end = `(() => { const s = document.getElementById("scroller");
		return s.scrollHeight - s.scrollTop - s.clientHeight < 2; })()`
	evaluate[bool](t, p, "("+fill+")(499), true") // and open
	require.True(t, evaluate[bool](t, p, end))

	moved := evaluate[float64](t, p, `(async () => {
		const frame = () => new Promise(requestAnimationFrame);
		const scroller = document.getElementById("scroller"), entry = document.getElementById("log").children[300];
		scroller.scrollTop = entry.offsetTop - scroller.offsetTop;
		await frame(); await frame();
		const before = entry.getBoundingClientRect().top;
		(`+fill+`)(100);
		await frame(); await frame();
		return Math.abs(entry.getBoundingClientRect().top - before);
	})()`)
	require.Less(t, moved, 2.0, "pixels")
	require.False(t, evaluate[bool](t, p, end))
	require.Equal(t, 500, evaluate[int](t, p, `document.getElementById("log").childElementCount`))
}

func testDirectionAndLocalTime(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.click(t, "send-text")
	p.awaitEvent(t, 2, "message")
	for i, mark := range []string{" · open", " ↑ sent", " ↓ message"} {
		require.Contains(t, evaluate[[]string](t, p, `Array.from(document.getElementById("log").children, e => e.textContent)`)[i], mark)
	}
	require.True(t, evaluate[bool](t, p, `(() => {
		const time = document.querySelector("#log time"), date = new Date(time.dateTime);
		return Number(time.textContent.slice(0, 2)) === date.getHours() && time.textContent.length === 12;
	})()`))
}

// testAccessible: axe finds nothing wrong with the page, with entries in its log.
func testAccessible(t *testing.T, browser context.Context, echo *echoServer) {
	p := connect(t, browser, echo)
	p.click(t, "send-text")
	p.awaitEvent(t, 2, "message")
	p.requireAccessible(t)
}

// requireAccessible runs axe in the page, which has to find something to check.
func (p *tab) requireAccessible(t *testing.T) {
	t.Helper()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	require.NoError(t, err, "run npm ci in internal/e2e")
	evaluate[bool](t, p, string(axe)+"; true")
	type result struct {
		Passes     int
		Violations []string
	}
	found := evaluate[result](t, p, `axe.run().then(r => ({
		passes: r.passes.length,
		violations: r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("; ")),
	}))`)
	require.NotZero(t, found.Passes)
	require.Empty(t, found.Violations)
}
