// Package jstest is a WebSocket server for tests that may run elsewhere than the
// server: under GOOS=js, in Node.js or a browser, where a process cannot serve
// itself. The program in its directory node runs the tests of a package that way.
package jstest

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

// The variables of the environment by which a process with tests finds a Server.
const (
	urlVariable       = "JSTEST_URL"
	secureURLVariable = "JSTEST_SECURE_URL"
	programVariable   = "JSTEST_PROGRAM"
)

// A Server serves over ws and over wss. The paths are
//
//	/echo       sends every message back
//	/deflate    the same, with compression
//	/close      answers the first message with a close frame: code and reason
//	/drop       closes the socket at the first message
//	/send       sends count messages of size bytes, and then closes normally
//	/deaf       is /echo, but reads nothing before /hear
//	/hear       lets the /deaf with the same id read
//	/ended      sends how the connection with the same id has ended, as JSON
//	/header     sends the header of the request, as JSON
//	/refuse     answers with 403
//	/silent     never answers
//
// and what they use comes from the query, such as "/close?code=4000&reason=r".
type Server struct {
	URL       string // ws://…
	SecureURL string // wss://…

	// Program is what runs the tests, such as "Node.js", "" for the process of the
	// server itself.
	Program string

	// Certificate is that of the wss server, nil if that is elsewhere.
	Certificate *x509.Certificate

	plain, secure *httptest.Server

	open  context.Context // until Close
	close context.CancelFunc

	mu   sync.Mutex
	byID map[string]*session
}

// A session is what happens to the connection with an id.
type session struct {
	hear  chan struct{} // closed by /hear
	ended chan struct{} // closed when end is set
	end   websocket.CloseInfo
}

// Find returns the server that Environment told this process of, nil if there is
// none.
func Find() *Server {
	url := os.Getenv(urlVariable)
	if url == "" {
		return nil
	}
	return &Server{URL: url, SecureURL: os.Getenv(secureURLVariable), Program: os.Getenv(programVariable)}
}

// Start starts a server on the loopback interface.
func Start() *Server {
	s := &Server{byID: make(map[string]*session)}
	s.open, s.close = context.WithCancel(context.Background())
	s.plain = httptest.NewUnstartedServer(s)
	s.secure = httptest.NewUnstartedServer(s)
	quiet := log.New(io.Discard, "", 0)
	s.plain.Config.ErrorLog, s.secure.Config.ErrorLog = quiet, quiet
	s.plain.Start()
	s.secure.StartTLS()
	s.URL = "ws" + strings.TrimPrefix(s.plain.URL, "http")
	s.SecureURL = "ws" + strings.TrimPrefix(s.secure.URL, "http")
	s.Certificate = s.secure.Certificate()
	return s
}

// Close stops the server. It waits for the connections to end.
func (s *Server) Close() {
	s.close()
	s.plain.Close()
	s.secure.Close()
}

// Environment returns variables for a process that is to find s. program is what
// runs it.
func (s *Server) Environment(program string) map[string]string {
	return map[string]string{urlVariable: s.URL, secureURLVariable: s.SecureURL, programVariable: program}
}

// CertificatePEM returns the certificate of the wss server in PEM.
func (s *Server) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate.Raw})
}

// session returns the session with an id.
func (s *Server) session(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] == nil {
		s.byID[id] = &session{hear: make(chan struct{}), ended: make(chan struct{})}
	}
	return s.byID[id]
}

// ServeHTTP serves all paths.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/refuse":
		http.Error(w, "refused", http.StatusForbidden)
		return
	case "/silent":
		s.wait(r.Context().Done())
		panic(http.ErrAbortHandler) // or net/http would answer now
	}
	upgrader := websocket.Upgrader{
		CheckOrigin:       func(*http.Request) bool { return true },
		Subprotocols:      []string{"echo.v2", "echo.v1"},
		EnableCompression: r.URL.Path == "/deflate",
		ReadLimit:         -1,
	}
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(s.open, func() { c.Close() })()
	session := s.session(r.URL.Query().Get("id"))
	s.converse(c, r, session)
	if r.URL.Query().Has("id") && r.URL.Path != "/hear" && r.URL.Path != "/ended" {
		<-c.Done()
		session.end = c.CloseInfo()
		close(session.ended)
	}
}

// wait waits for done or for Close.
func (s *Server) wait(done <-chan struct{}) {
	select {
	case <-done:
	case <-s.open.Done():
	}
}

// converse does what the path of the request says, until the connection ends.
func (s *Server) converse(c *websocket.Conn, r *http.Request, session *session) error {
	query := r.URL.Query()
	number := func(name string) int {
		n, _ := strconv.Atoi(query.Get(name))
		return n
	}
	switch r.URL.Path {
	case "/deaf":
		s.wait(session.hear)
	case "/hear":
		close(session.hear)
	case "/close":
		if _, _, err := c.ReadMessage(); err != nil {
			return err
		}
		return c.Shutdown(context.Background(), cmp.Or(number("code"), websocket.CloseNoStatusReceived), query.Get("reason"))
	case "/drop":
		_, _, err := c.ReadMessage()
		return cmp.Or(err, c.Close())
	case "/send":
		if err := sendMany(c, number("count"), number("size")); err != nil {
			c.ReadMessage() // finds the peer's close frame, if there is one
			return err
		}
		return c.Shutdown(context.Background(), websocket.CloseNormalClosure, "")
	case "/ended":
		s.wait(session.ended)
		return sendJSON(c, session.end)
	case "/header":
		return sendJSON(c, r.Header)
	}
	return echo(c)
}

// echo sends every message back.
func echo(c *websocket.Conn) error {
	for {
		messageType, message, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if err := c.WriteMessage(messageType, message); err != nil && !errors.Is(err, websocket.ErrCloseSent) {
			return err
		}
	}
}

// sendMany sends binary messages. It gives up when the peer does not take one.
func sendMany(c *websocket.Conn, count, size int) error {
	message := make([]byte, size)
	for range count {
		c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if err := c.WriteMessage(websocket.BinaryMessage, message); err != nil {
			return err
		}
	}
	return nil
}

// sendJSON sends a value, and then closes normally.
func sendJSON(c *websocket.Conn, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := c.WriteMessage(websocket.TextMessage, text); err != nil {
		return err
	}
	return c.Shutdown(context.Background(), websocket.CloseNormalClosure, "")
}
