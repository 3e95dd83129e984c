package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed23105783/websocket"
)

// timeout is how long a test waits for something that should happen at once.
const timeout = 10 * time.Second

// A server sends a message on every connection, and can close all of them.
type server struct {
	mu       sync.Mutex
	conns    map[*websocket.Conn]bool
	count    int // of connections so far
	status   int // if set, handshakes are refused with it
	handling sync.WaitGroup
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handling.Add(1)
	defer s.handling.Done()
	s.mu.Lock()
	status := s.status
	s.mu.Unlock()
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	s.mu.Lock()
	s.count++
	s.conns[conn] = true
	conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "hello %d", s.count))
	s.mu.Unlock()
	for range conn.Messages(context.Background()) {
	}
}

func (s *server) setStatus(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// each calls f for all connections and removes them from conns.
func (s *server) each(f func(conn *websocket.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		f(conn)
	}
	clear(s.conns)
}

// abort closes all connections without a close frame.
func (s *server) abort() { s.each(func(conn *websocket.Conn) { conn.NetConn().Close() }) }

// close sends a close frame on all connections.
func (s *server) close(code int) {
	s.each(func(conn *websocket.Conn) {
		conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
	})
}

// A run is a client that is running. The test decides how long its pauses are.
type run struct {
	t        *testing.T
	received chan string
	pauses   chan time.Duration // a pause ends when it is received from here
	stop     context.CancelFunc
	ended    chan error
}

func start(t *testing.T) (*server, *run) {
	s := &server{conns: make(map[*websocket.Conn]bool)}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		s.abort()
		web.Close()
		s.handling.Wait()
	})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r := &run{t, make(chan string), make(chan time.Duration), cancel, make(chan error, 1)}
	c := newClient(web.URL, backOff{first: time.Second, limit: time.Minute})
	c.stable = 0
	c.receive = func(m websocket.Message) { r.received <- string(m.Data) }
	c.pause = func(ctx context.Context, d time.Duration) {
		select {
		case r.pauses <- d:
		case <-ctx.Done():
		}
	}
	go func() { r.ended <- c.run(ctx) }()
	return s, r
}

func await[T any](r *run, c <-chan T) (v T) {
	r.t.Helper()
	select {
	case v = <-c:
	case <-time.After(timeout):
		r.t.Fatal("timeout")
	}
	return v
}

func (r *run) expect(want string) {
	r.t.Helper()
	if got := await(r, r.received); got != want {
		r.t.Fatalf("received %q, want %q", got, want)
	}
}

func TestReconnects(t *testing.T) {
	s, r := start(t)
	for i := range 5 {
		r.expect(fmt.Sprintf("hello %d", i+1))
		if i%2 == 0 {
			s.abort()
		} else {
			s.close(websocket.CloseGoingAway)
		}
		if d := await(r, r.pauses); d > time.Second {
			t.Errorf("paused for %v after a good connection", d)
		}
	}
	r.expect("hello 6")
	r.stop()
	if err := await(r, r.ended); err != nil {
		t.Error(err)
	}
}

func TestPausesGrow(t *testing.T) {
	s, r := start(t)
	r.expect("hello 1")
	s.setStatus(http.StatusServiceUnavailable)
	s.abort()
	bound := time.Second
	for range 10 {
		if d := await(r, r.pauses); d <= 0 || d > bound {
			t.Errorf("paused for %v, want up to %v", d, bound)
		}
		bound = min(2*bound, time.Minute)
	}
	s.setStatus(0)
	select {
	case <-r.pauses: // of an attempt before the status changed
	case got := <-r.received:
		if got != "hello 2" {
			t.Errorf("received %q", got)
		}
		return
	case <-time.After(timeout):
		t.Fatal("the client does not reconnect")
	}
	r.expect("hello 2")
}

func TestRefusedHandshake(t *testing.T) {
	s, r := start(t)
	r.expect("hello 1")
	s.setStatus(http.StatusForbidden)
	s.abort()
	await(r, r.pauses)
	var refused *refusedError
	if err := await(r, r.ended); !errors.As(err, &refused) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestServerClosesNormally(t *testing.T) {
	s, r := start(t)
	r.expect("hello 1")
	s.close(websocket.CloseNormalClosure)
	if err := await(r, r.ended); err != nil {
		t.Error(err)
	}
}

func TestStopDuringPause(t *testing.T) {
	s, r := start(t)
	r.expect("hello 1")
	s.abort()
	r.stop()
	if err := await(r, r.ended); err != nil {
		t.Error(err)
	}
}

func TestBackOff(t *testing.T) {
	b := backOff{first: time.Second, limit: 10 * time.Second}
	for range 1000 {
		for _, bound := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
			if d := b.next(); d <= 0 || d > bound*time.Second {
				t.Fatalf("paused for %v, want up to %v", d, bound*time.Second)
			}
		}
		b.reset()
	}
}

func TestConnectionEnded(t *testing.T) {
	c := newClient("", backOff{first: time.Second, limit: time.Minute})
	c.backOff.next()
	c.connectionEnded(time.Minute - 1)
	if c.backOff.bound == 0 {
		t.Error("a short connection resets the pauses")
	}
	c.connectionEnded(time.Minute)
	if c.backOff.bound != 0 {
		t.Error("a long connection does not reset the pauses")
	}
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		pause(t.Context(), time.Minute)
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("paused for %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		pause(ctx, time.Hour)
		if d := time.Since(begin); d != time.Minute+time.Second {
			t.Errorf("paused for %v in all", d)
		}
	})
}

func TestRefusesMalformedURL(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8080", "ws:///path", "ftp://127.0.0.1", "ws://[::1", "ws://:80"} {
		c := newClient(url, backOff{first: time.Second, limit: time.Minute})
		c.pause = func(context.Context, time.Duration) { t.Errorf("%q: the client tries again", url) }
		if err := c.run(t.Context()); err == nil {
			t.Errorf("%q is no URL to dial, but there is no error", url)
		}
	}
}

// TestSendsNumbers: what the client sends arrives, on the next connection too.
func TestSendsNumbers(t *testing.T) {
	var upgrader websocket.Upgrader
	web := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		_, data, err := conn.ReadMessage()
		if err == nil {
			conn.WriteMessage(websocket.TextMessage, data)
		}
		conn.Shutdown(context.Background(), websocket.CloseServiceRestart, "")
	}))
	defer web.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	c := newClient(web.URL, backOff{first: time.Second, limit: time.Minute})
	c.interval = time.Millisecond
	c.pause = func(context.Context, time.Duration) {}
	var received []string
	c.receive = func(m websocket.Message) {
		if received = append(received, string(m.Data)); len(received) == 2 {
			cancel()
		}
	}
	if err := c.run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(received) < 2 || received[0] != "message 1" || received[1] == "message 1" {
		t.Errorf("received %q", received)
	}
}
