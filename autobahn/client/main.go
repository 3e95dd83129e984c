// Command client is the echo client that the Autobahn suite's fuzzing server
// puts through its cases.
//
// The path of the URL says what the server is to do on a connection: tell the
// number of cases, run one of them, tell what it made of it, or write the
// reports.
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
	agent := flag.String("agent", "websocket", "`name` of this client in the reports")
	flag.Parse()

	suite := suite{server: *server, agent: *agent}
	if err := suite.run(); err != nil {
		log.Fatal(err)
	}
}

// dialer is safe for use by any number of goroutines at once.
var dialer = websocket.Dialer{
	Compression:      &websocket.Compression{Threshold: -1}, // however short a message is
	HandshakeTimeout: 30 * time.Second,
}

// statusTimeout is longer than any case takes to end after the client has left.
const statusTimeout = time.Minute

// suite is the fuzzing server as seen by the client called agent.
type suite struct {
	server string
	agent  string
}

// run goes through all cases in their order and then has the reports written.
func (s suite) run() error {
	count, err := s.caseCount()
	if err != nil {
		return fmt.Errorf("asking for the number of cases: %w", err)
	}
	for n := 1; n <= count; n++ {
		// Many cases are there to make the connection fail, and how it
		// failed is for the suite to judge.
		ended := s.runCase(n)
		behavior, err := s.caseStatus(n)
		if err != nil {
			return fmt.Errorf("asking for the verdict on case %d: %w", n, err)
		}
		log.Printf("case %d of %d: %s, ended with: %v", n, count, behavior, ended)
	}
	if err := s.updateReports(); err != nil {
		return fmt.Errorf("asking for the reports: %w", err)
	}
	return nil
}

// caseCount asks how many cases there are.
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

// runCase echoes whatever the server sends in its case n, counted from 1. The
// error says how the connection ended, and is never nil.
func (s suite) runCase(n int) error {
	conn, err := s.dial("/runCase", url.Values{"case": {strconv.Itoa(n)}})
	if err != nil {
		return err
	}
	defer conn.Close()

	return echo.Messages(conn)
}

// caseStatus waits until the server is done with case n and says what it makes
// of the client's behavior. Without the wait, the next request may overtake
// the end of the case, and the case may be missing in the reports.
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

// updateReports has the server write its reports, and waits until it closes
// the connection: that is its way to say that it has.
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
