// Command client is the echo client that the fuzzing server of the Autobahn suite
// tests.
//
// The path of the URL selects what the server does on a connection: send the number
// of cases, run a case, send the result of a case, or write the reports.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/url"
	"strconv"
	"time"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/autobahn/internal/echo"
)

func main() {
	server := flag.String("url", "ws://127.0.0.1:9001", "`URL` of the fuzzing server")
	http2 := flag.Bool("http2", false, "open connections over HTTP/2")
	agent := flag.String("agent", "websocket", "`name` of this client in the reports")
	flag.Parse()
	if *http2 {
		dialer.HTTP2 = &websocket.HTTP2{}
	}

	suite := suite{server: *server, agent: *agent}
	if err := suite.run(); err != nil {
		log.Fatal(err)
	}
}

// dialer is safe for use by any number of goroutines at once.
var dialer = websocket.Dialer{
	Compression:      &websocket.Compression{Threshold: -1}, // all messages
	HandshakeTimeout: 30 * time.Second,
}

// statusTimeout is longer than any case takes to end after its connection has ended.
const statusTimeout = time.Minute

// suite is the fuzzing server.
type suite struct {
	server string // its URL
	agent  string // the name of this client
}

// run runs all cases in order and then has the server write the reports.
func (s suite) run() error {
	count, err := s.caseCount()
	if err != nil {
		return fmt.Errorf("asking for the number of cases: %w", err)
	}
	for n := 1; n <= count; n++ {
		// Many cases make the connection fail. The suite checks how.
		ended := s.runCase(n)
		behavior, err := s.caseStatus(n)
		if err != nil {
			return fmt.Errorf("asking for the result of case %d: %w", n, err)
		}
		log.Printf("case %d of %d: %s, ended with: %v", n, count, behavior, ended)
	}
	if err := s.updateReports(); err != nil {
		return fmt.Errorf("asking for the reports: %w", err)
	}
	return nil
}

// caseCount asks the server for the number of cases.
func (s suite) caseCount() (int, error) {
	conn, err := s.dial("/getCaseCount", url.Values{})
	if err != nil {
		return 0, err
	}
	defer conn.Close()

	var count int
	if err := conn.ReadJSON(&count); err != nil {
		return 0, err
	}
	return count, nil
}

// runCase runs case n, counted from 1: it sends all messages back. It returns the
// error that ended the connection, which is never nil.
func (s suite) runCase(n int) error {
	conn, err := s.dial("/runCase", url.Values{"case": {strconv.Itoa(n)}})
	if err != nil {
		return err
	}
	defer conn.Close()

	return echo.Messages(conn)
}

// caseStatus waits until case n has ended and returns its result. Without it, the
// next request may come before the end of the case, and the case may be missing in
// the reports.
func (s suite) caseStatus(n int) (behavior string, err error) {
	conn, err := s.dial("/getCaseStatus", url.Values{"case": {strconv.Itoa(n)}})
	if err != nil {
		return "", err
	}
	defer conn.Close()

	if err := conn.SetReadDeadline(time.Now().Add(statusTimeout)); err != nil {
		return "", err
	}
	var status struct {
		Behavior string `json:"behavior"`
	}
	err = conn.ReadJSON(&status)
	return status.Behavior, err
}

// updateReports has the server write its reports, and waits until it closes the
// connection, which it does after that.
func (s suite) updateReports() error {
	conn, err := s.dial("/updateReports", url.Values{})
	if err != nil {
		return err
	}
	defer conn.Close()

	_, _, err = conn.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseNoStatusReceived) {
		return fmt.Errorf("no regular close: %v", err)
	}
	return nil
}

func (s suite) dial(path string, query url.Values) (*websocket.Conn, error) {
	query.Set("agent", s.agent)
	conn, _, err := dialer.Dial(s.server+path+"?"+query.Encode(), nil)
	return conn, err
}
