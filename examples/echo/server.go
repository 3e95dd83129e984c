package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

const (
	// readLimit is the largest message the server accepts. A larger one ends
	// the connection with 1009 (message too big).
	readLimit = 16 << 20

	// writeTimeout ends a connection whose peer has stopped reading.
	writeTimeout = 10 * time.Second

	// closeTimeout is how long a peer may take to answer a close frame.
	closeTimeout = 5 * time.Second
)

//go:embed page.html
var page []byte

// echoServer serves the page at / and the WebSocket endpoint at /ws.
type echoServer struct {
	http.Handler
	upgrader websocket.Upgrader
	logger   *log.Logger

	mu       sync.Mutex
	stopping bool
	conns    map[*websocket.Conn]bool
	serving  sync.WaitGroup // counts the entries of conns
}

func newEchoServer(logger *log.Logger) *echoServer {
	s := &echoServer{
		// CheckOrigin is nil: only pages of the same origin may connect, and
		// programs, which send no Origin.
		upgrader: websocket.Upgrader{
			Subprotocols: []string{"echo.v2", "echo.v1"},
			ReadLimit:    readLimit,
		},
		logger: logger,
		conns:  make(map[*websocket.Conn]bool),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /ws", s.serveEcho)
	s.Handler = mux
	return s
}

func servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page)
}

func (s *echoServer) serveEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		// Upgrade has already answered the request with an HTTP error.
		s.logger.Printf("%s refused (origin %q): %v", r.RemoteAddr, r.Header.Get("Origin"), err)
		return
	}
	defer conn.Close()
	if !s.add(conn) {
		sendClose(conn, websocket.CloseGoingAway, "server is shutting down")
		return
	}
	defer s.remove(conn)

	s.logger.Printf("%s connected, subprotocol %q", r.RemoteAddr, conn.Subprotocol())
	s.logger.Printf("%s ended: %s", r.RemoteAddr, describeEnd(echo(conn)))
}

// echo sends every message back in its own type until the connection ends, and
// returns the error that ended it.
func echo(conn *websocket.Conn) error {
	// The default handler answers a close frame with its code only. This one
	// sends the reason, too.
	conn.SetCloseHandler(func(code int, reason string) error {
		// This fails if the server has sent its close frame first. Then there
		// is nothing to answer.
		sendClose(conn, code, reason)
		return nil
	})
	for {
		messageType, message, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		if messageType == websocket.TextMessage {
			if code, reason, ok := parseClose(string(message)); ok {
				return closeConn(conn, code, reason)
			}
		}
		conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		// ErrCloseSent means that a shutdown has begun the closing handshake. Go
		// on reading until the peer's close frame.
		err = conn.WriteMessage(messageType, message)
		if err != nil && !errors.Is(err, websocket.ErrCloseSent) {
			return err
		}
	}
}

// closeCommand matches the text message "/close CODE REASON", with which a peer
// asks the server to close the connection.
var closeCommand = regexp.MustCompile(`^/close (\d{4})(?: (.*))?$`)

// parseClose accepts the codes that a browser's WebSocket.close accepts too:
// 1000 and those that RFC 6455, Section 7.4.2 leaves to applications. Any other
// message is not a command, but a message to echo.
func parseClose(message string) (code int, reason string, ok bool) {
	match := closeCommand.FindStringSubmatch(message)
	if match == nil {
		return 0, "", false
	}
	code, err := strconv.Atoi(match[1])
	if err != nil || code != websocket.CloseNormalClosure && (code < 3000 || code > 4999) {
		return 0, "", false
	}
	// A control frame carries 125 bytes (Section 5.5), two of them the code.
	return code, match[2], len(match[2]) <= 123
}

// closeConn starts the closing handshake and reads until the peer's close frame
// completes it. It discards the messages in between.
func closeConn(conn *websocket.Conn, code int, reason string) error {
	if err := sendClose(conn, code, reason); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(closeTimeout))
	for {
		_, message, err := conn.NextReader()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, message); err != nil {
			return err
		}
	}
}

func sendClose(conn *websocket.Conn, code int, reason string) error {
	payload := websocket.FormatCloseMessage(code, reason)
	return conn.WriteControl(websocket.CloseMessage, payload, time.Now().Add(closeTimeout))
}

// describeEnd returns how a connection ended. Code 1006 stands for the lack of a
// close frame (Section 7.1.5).
func describeEnd(err error) string {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
		return fmt.Sprintf("peer sent close %d %q", closed.Code, closed.Text)
	}
	return fmt.Sprintf("connection lost: %v", err)
}

// add registers conn for shutdown. It returns false if the server is already
// shutting down.
func (s *echoServer) add(conn *websocket.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.conns[conn] = true
	s.serving.Add(1)
	return true
}

func (s *echoServer) remove(conn *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	s.serving.Done()
}

// shutdown sends close code 1001 (going away) to every peer and waits until all
// have answered. If ctx ends first, it closes the remaining connections.
func (s *echoServer) shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for conn := range s.conns {
		go sendClose(conn, websocket.CloseGoingAway, "server is shutting down")
	}
	s.mu.Unlock()

	ended := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	<-ended
	return fmt.Errorf("closed connections whose peers did not answer the close frame: %w", ctx.Err())
}
