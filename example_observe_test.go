package websocket_test

import (
	"context"
	"expvar"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"time"

	"github.com/seed23105783/websocket"
)

// logTo returns hooks that log what happens to connections.
func logTo(log *slog.Logger) *websocket.Trace {
	return &websocket.Trace{
		HandshakeDone: func(_ *websocket.Conn, r *http.Request, err error) {
			if err != nil {
				log.Warn("refused", "path", r.URL.Path, "error", err)
				return
			}
			log.Info("connected", "path", r.URL.Path)
		},
		PongRead: func(_ *websocket.Conn, rtt time.Duration) { log.Debug("pong", "rtt", rtt) },
		SlowPeer: func(*websocket.Conn) { log.Warn("the peer does not read") },
		Closed: func(_ *websocket.Conn, info websocket.CloseInfo) {
			log.Info("closed", "code", info.Code, "reason", info.Reason, "clean", info.WasClean)
		},
	}
}

// Structured logs with log/slog.
func ExampleTrace_slog() {
	options := slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{} // to have the same output every time
		}
		return a
	}}
	log := slog.New(slog.NewTextHandler(os.Stdout, &options))

	upgrader := websocket.Upgrader{Trace: logTo(log)}
	ended := make(chan struct{})
	server := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		defer close(ended)
		conn.ReadMessage()
	}))
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.Dial(server.URL+"/chat", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.Shutdown(context.Background(), websocket.CloseNormalClosure, "done")
	<-ended
	// Output:
	// level=INFO msg=connected path=/chat
	// level=INFO msg=closed code=1000 reason=done clean=true
}

// Counters of the process with expvar: how many connections there are, what they
// receive and send, and how they end.
func ExampleTrace_expvar() {
	var open, messages, received, sent expvar.Int
	var closed expvar.Map   // by code
	vars := new(expvar.Map) // expvar.Publish("websocket", vars) shows it at /debug/vars
	vars.Set("connections", &open)
	vars.Set("messages", &messages)
	vars.Set("received", &received)
	vars.Set("sent", &sent)
	vars.Set("closed", &closed)
	trace := &websocket.Trace{
		HandshakeDone: func(_ *websocket.Conn, _ *http.Request, err error) {
			if err == nil {
				open.Add(1)
			}
		},
		FrameRead: func(_ *websocket.Conn, f websocket.FrameInfo) {
			received.Add(f.Length)
			if f.Fin && f.Type <= websocket.BinaryMessage { // the last frame of a message
				messages.Add(1)
			}
		},
		FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) { sent.Add(f.Length) },
		Closed: func(_ *websocket.Conn, info websocket.CloseInfo) {
			open.Add(-1)
			closed.Add(strconv.Itoa(info.Code), 1)
		},
	}

	upgrader := websocket.Upgrader{Trace: trace}
	ended := make(chan struct{})
	server := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		defer close(ended)
		for range conn.Messages(context.Background()) {
		}
	}))
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.WriteMessage(websocket.TextMessage, []byte("hello"))
	conn.Shutdown(context.Background(), websocket.CloseNormalClosure, "")
	<-ended
	fmt.Println(vars)
	// Output: {"closed": {"1000": 1}, "connections": 0, "messages": 1, "received": 7, "sent": 2}
}

// traced returns hooks that call start for each connection, and end when it ends.
// RECIPES.md shows it with OpenTelemetry.
func traced(start func(r *http.Request) (end func(cause error))) *websocket.Trace {
	return &websocket.Trace{HandshakeDone: func(conn *websocket.Conn, r *http.Request, err error) {
		if err == nil {
			ctx, end := conn.Context(), start(r)
			context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
		}
	}}
}

// A span for each connection, with the error that ended it.
func ExampleTrace_spans() {
	ended := make(chan struct{})
	upgrader := websocket.Upgrader{Trace: traced(func(r *http.Request) func(error) {
		fmt.Println("start of", r.URL.Path)
		return func(cause error) {
			fmt.Println("end of", r.URL.Path, "by", cause)
			close(ended)
		}
	})}
	server := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) { conn.ReadMessage() }))
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.Dial(server.URL+"/chat", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.Shutdown(context.Background(), websocket.CloseGoingAway, "")
	<-ended
	// Output:
	// start of /chat
	// end of /chat by websocket: close 1001 (going away)
}
