package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	_ "github.com/seed23105783/websocket/http2"
)

// http2Page opens connections, has messages echoed on each, and closes them with codes.
const http2Page = `<!doctype html><title>HTTP/2</title><script>
const connect = i => new Promise((resolve, reject) => {
	const socket = new WebSocket(location.origin.replace("https", "wss") + "/ws", ["b", "a"]);
	const text = "x".repeat(i === 0 ? 1 << 20 : 100 + i);
	socket.onopen = () => socket.send(text);
	socket.onmessage = ({ data }) => {
		if (data !== text) reject("another message");
		i % 2 ? socket.close(4000 + i, "bye") : socket.send("close " + (4000 + i));
	};
	socket.onclose = ({ code, wasClean }) => {
		code === 4000 + i && wasClean ? resolve(socket.protocol + " " + socket.extensions) : reject("closed with " + code + " " + wasClean);
	};
});
let result = null;
Promise.all([...Array(100).keys()].map(connect)).then(r => { result = r; }, e => { result = ["error: " + e]; });
</script>`

// A http2Site has http2Page, over HTTP/2, and counts what comes.
type http2Site struct {
	*httptest.Server
	over2 atomic.Int32 // WebSocket connections over HTTP/2
	conns sync.Map     // the addresses of their TCP connections
}

func serveHTTP2Page(t *testing.T) *http2Site {
	s := &http2Site{}
	upgrader := websocket.Upgrader{Subprotocols: []string{"a"}, EnableCompression: true}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, http2Page)
	})
	mux.Handle("/ws", upgrader.Handler(func(c *websocket.Conn, r *http.Request) {
		if r.ProtoMajor == 2 {
			s.over2.Add(1)
		}
		s.conns.Store(r.RemoteAddr, true)
		for {
			kind, data, err := c.ReadMessage()
			if err != nil {
				return
			}
			var code int
			if n, _ := fmt.Sscanf(string(data), "close %d", &code); n == 1 {
				c.Shutdown(context.Background(), code, "asked for")
				return
			}
			if c.WriteMessage(kind, data) != nil {
				return
			}
		}
	}))
	s.Server = httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// check checks the result of the page, which is what it has, as JSON.
func (s *http2Site) check(t *testing.T, result []byte) {
	var got []string
	require.NoError(t, json.Unmarshal(result, &got))
	require.Len(t, got, 100, "%s", result)
	for _, s := range got { // Firefox leaves the parameters out
		s = strings.TrimSuffix(s, "; server_no_context_takeover; client_no_context_takeover")
		require.Equal(t, "a permessage-deflate", s)
	}
	require.EqualValues(t, 100, s.over2.Load())
	n := 0
	s.conns.Range(func(any, any) bool {
		n++
		return true
	})
	require.Equal(t, 1, n, "TCP connections")
}

// TestHTTP2InChromium: on a page that came over HTTP/2 Chromium's connections are streams
// of the page's TCP connection.
func TestHTTP2InChromium(t *testing.T) {
	site := serveHTTP2Page(t)
	p := openTab(t, startBrowser(t, chromedp.Flag("ignore-certificate-errors", true)), site.URL)
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	result, err := chromedp.Run(ctx, chromedp.PollFunction[json.RawMessage](`() => result`,
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0)))
	require.NoError(t, err)
	site.check(t, result)
}
