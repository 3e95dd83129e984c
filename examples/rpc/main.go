// Command rpc answers JSON requests, which have ids, in parallel and in any order. Each
// connection has limits: of calls at the same time, and of requests in a second.
//
//	go run ./examples/rpc
//	go run ./examples/client -x '{"id":1,"method":"add","params":[1,2]}' -wait 1s ws://127.0.0.1:8080/rpc
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	upgrader := &websocket.Upgrader{ReadLimit: 1 << 20, WriteTimeout: 10 * time.Second}
	http.Handle("/rpc", upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		newServer(methods).serve(conn)
	}))
	server := &http.Server{Addr: *addr, ReadHeaderTimeout: 5 * time.Second}
	fmt.Printf("rpc: ws://%s/rpc\n", *addr)
	log.Fatal(server.ListenAndServe())
}

// methods are what clients can call.
var methods = map[string]method{
	"add": func(_ context.Context, params json.RawMessage) (any, error) {
		var numbers []float64
		if err := json.Unmarshal(params, &numbers); err != nil {
			return nil, err
		}
		sum := 0.0
		for _, n := range numbers {
			sum += n
		}
		return sum, nil
	},
	"sleep": func(ctx context.Context, params json.RawMessage) (any, error) {
		var ms int
		if err := json.Unmarshal(params, &ms); err != nil {
			return nil, err
		}
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			return "awake", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	},
}

// A method is called with a context that ends with the connection.
type method func(ctx context.Context, params json.RawMessage) (any, error)

// A request is what a client sends.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// A response has the id of its request, and a result or an error.
type response struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// A server serves one connection.
type server struct {
	methods map[string]method
	rate    rate
	calls   chan struct{} // its capacity is the number of calls at the same time
}

func newServer(methods map[string]method) *server {
	return &server{methods, rate{perSecond: 100, burst: 20}, make(chan struct{}, 8)}
}

// errTooFast is the answer to a request beyond the rate.
var errTooFast = errors.New("too many requests: wait a second")

// serve answers requests until the connection ends, and waits for the calls.
func (s *server) serve(conn *websocket.Conn) {
	var calls sync.WaitGroup
	defer calls.Wait()
	for message, err := range conn.Messages(context.Background()) {
		var r request
		switch {
		case err != nil:
			return
		case json.Unmarshal(message.Data, &r) != nil:
			conn.WriteJSON(response{Error: "this is no request in JSON"})
			continue
		case !s.rate.allow(time.Now()):
			conn.WriteJSON(response{ID: r.ID, Error: errTooFast.Error()})
			continue
		}
		// While all calls are taken nothing is read, and TCP holds up the client.
		select {
		case s.calls <- struct{}{}:
		case <-conn.Done():
			return
		}
		calls.Go(func() {
			defer func() { <-s.calls }()
			// The methods of a Conn may be called by any number of goroutines.
			conn.WriteJSON(s.call(conn.Context(), r))
		})
	}
}

// call returns the response to a request.
func (s *server) call(ctx context.Context, r request) response {
	method, ok := s.methods[r.Method]
	if !ok {
		return response{ID: r.ID, Error: fmt.Sprintf("no method %q", r.Method)}
	}
	result, err := method(ctx, r.Params)
	if err != nil {
		return response{ID: r.ID, Error: err.Error()}
	}
	return response{ID: r.ID, Result: result}
}

// A rate allows burst requests at once, and perSecond of them in the long run.
type rate struct {
	perSecond, burst float64

	used float64 // at the time of last
	last time.Time
}

// allow reports whether there may be a request now, and counts it.
func (r *rate) allow(now time.Time) bool {
	r.used = max(0, r.used-now.Sub(r.last).Seconds()*r.perSecond)
	r.last = now
	if r.used+1 > r.burst {
		return false
	}
	r.used++
	return true
}
