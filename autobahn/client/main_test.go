package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed23105783/websocket"
)

// fuzzer replaces the fuzzing server of wstest.
type fuzzer struct {
	mu       sync.Mutex // the end of a request may overlap the next one
	requests []string
	echoes   []string
}

func (f *fuzzer) record(list *[]string, entry string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, entry)
}

func (f *fuzzer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.record(&f.requests, r.URL.String())
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()

	switch r.URL.Path {
	case "/getCaseCount":
		conn.WriteMessage(websocket.TextMessage, []byte("2"))
	case "/runCase":
		conn.WriteMessage(websocket.TextMessage, []byte("case "+r.FormValue("case")))
		_, data, err := conn.ReadMessage()
		f.record(&f.echoes, fmt.Sprintf("%s %v", data, err))
	case "/getCaseStatus":
		conn.WriteMessage(websocket.TextMessage, []byte(`{"behavior": "OK"}`))
	}
	conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	conn.ReadMessage() // the client's close frame
}

func TestRun(t *testing.T) {
	var f fuzzer
	server := httptest.NewServer(&f)
	s := suite{server: "ws" + strings.TrimPrefix(server.URL, "http"), agent: "me & you"}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	server.Close()
	f.mu.Lock()
	defer f.mu.Unlock()

	want := []string{
		"/getCaseCount?agent=me+%26+you",
		"/runCase?agent=me+%26+you&case=1",
		"/getCaseStatus?agent=me+%26+you&case=1",
		"/runCase?agent=me+%26+you&case=2",
		"/getCaseStatus?agent=me+%26+you&case=2",
		"/updateReports?agent=me+%26+you",
	}
	if !slices.Equal(f.requests, want) {
		t.Errorf("requests %q\nwant %q", f.requests, want)
	}
	if want := []string{"case 1 <nil>", "case 2 <nil>"}; !slices.Equal(f.echoes, want) {
		t.Errorf("echoes %q, want %q", f.echoes, want)
	}
}

func TestRunFailsWithoutAServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	s := suite{server: "ws" + strings.TrimPrefix(server.URL, "http"), agent: "websocket"}
	server.Close()
	if err := s.run(); err == nil {
		t.Error("run returns no error although there is no server")
	}
}
