package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/seed23105783/websocket"
)

const (
	// readLimit is the largest message the server accepts. A larger one ends
	// the connection with 1009 (message too big).
	readLimit = 16 << 20

	// closeTimeout is how long a peer may take to answer a close frame.
	closeTimeout = 5 * time.Second
)

//go:embed page.html
var page []byte

// echoServer serves the page at / and the WebSocket endpoint at /ws.
type echoServer struct {
	http.Handler
	conns  websocket.Group
	logger *log.Logger
}

func newEchoServer(logger *log.Logger) *echoServer {
	s := &echoServer{logger: logger}
	// CheckOrigin is nil: only pages of the same origin may connect, and programs,
	// which send no Origin.
	upgrader := &websocket.Upgrader{
		Subprotocols: []string{"echo.v2", "echo.v1"},
		Compression:  &websocket.Compression{},
		ReadLimit:    readLimit,
		// A peer that has stopped reading, and one that has vanished.
		WriteTimeout: 10 * time.Second,
		KeepAlive:    websocket.KeepAlive{Interval: 30 * time.Second, Timeout: 10 * time.Second},
		Group:        &s.conns,
		Trace:        &websocket.Trace{HandshakeDone: s.logHandshake, Closed: s.logEnd},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.Handle("GET /ws", upgrader.Handler(serveEcho))
	s.Handler = mux
	return s
}

func servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page)
}

// serveEcho sends every message back in its own type until the connection ends.
func serveEcho(conn *websocket.Conn, _ *http.Request) {
	// The default handler answers a close frame with its code only. This one
	// sends the reason, too. It fails if the server has sent its close frame first.
	// Then there is nothing to answer.
	conn.SetCloseHandler(func(code int, reason string) error {
		payload := websocket.FormatCloseMessage(code, reason)
		conn.WriteControl(websocket.CloseMessage, payload, time.Now().Add(closeTimeout))
		return nil
	})
	for message, err := range conn.Messages(context.Background()) {
		if err != nil {
			return
		}
		if code, reason, ok := parseClose(message); ok {
			ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
			defer cancel()
			conn.Shutdown(ctx, code, reason)
			return
		}
		// If this fails the connection ends, which the next read returns.
		conn.WriteMessage(message.Type, message.Data)
	}
}

// closeCommand matches the text message "/close CODE REASON", with which a peer
// asks the server to close the connection.
var closeCommand = regexp.MustCompile(`^/close (\d{4})(?: (.*))?$`)

// parseClose accepts the codes that a browser's WebSocket.close accepts too:
// 1000 and those that RFC 6455, Section 7.4.2 leaves to applications. Any other
// message is not a command, but a message to echo.
func parseClose(message websocket.Message) (code int, reason string, ok bool) {
	match := closeCommand.FindSubmatch(message.Data)
	if message.Type != websocket.TextMessage || match == nil {
		return 0, "", false
	}
	code, err := strconv.Atoi(string(match[1]))
	if err != nil || code != websocket.CloseNormalClosure && (code < 3000 || code > 4999) {
		return 0, "", false
	}
	// A control frame carries 125 bytes (Section 5.5), two of them the code.
	return code, string(match[2]), len(match[2]) <= 123
}

func (s *echoServer) logHandshake(conn *websocket.Conn, r *http.Request, err error) {
	if err != nil {
		s.logger.Printf("%s refused (origin %q): %v", r.RemoteAddr, r.Header.Get("Origin"), err)
		return
	}
	s.logger.Printf("%s connected, subprotocol %q", r.RemoteAddr, conn.Subprotocol())
}

// logEnd logs how a connection ended. Code 1006 stands for the lack of a close
// frame (Section 7.1.5).
func (s *echoServer) logEnd(conn *websocket.Conn, info websocket.CloseInfo) {
	end := fmt.Sprintf("peer sent close %d %q", info.Code, info.Reason)
	if info.Code == websocket.CloseAbnormalClosure {
		end = fmt.Sprintf("connection lost: %v", context.Cause(conn.Context()))
	}
	s.logger.Printf("%s ended: %s", conn.RemoteAddr(), end)
}
