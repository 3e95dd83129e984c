// Command push sends the time to every browser that is connected, once a second. A
// connection that waits has no goroutine: there can be as many as there are
// descriptors.
//
//	go run ./examples/push -addr 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed23105783/websocket"
)

const page = `<!doctype html><meta charset=utf-8><title>push</title><h1 id=time>…</h1>
<script>new WebSocket(location.href.replace("http", "ws") + "ws").onmessage = e => time.textContent = e.data</script>`

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("push: open http://%s/\n", listener.Addr())
	if err := serve(ctx, listener, time.Second); err != nil {
		log.Fatal(err)
	}
}

// serve pushes the time at every interval, until ctx is done.
func serve(ctx context.Context, listener net.Listener, interval time.Duration) error {
	var group websocket.Group
	upgrader := websocket.Upgrader{Group: &group, Events: &websocket.Events{}, KeepAlive: websocket.KeepAlive{Interval: time.Minute}}
	mux := http.NewServeMux()
	mux.Handle("GET /ws", upgrader.Handler(nil))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	for ticks := time.Tick(interval); ; {
		select {
		case now := <-ticks:
			group.BroadcastText(now.Format(time.TimeOnly))
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			return errors.Join(server.Shutdown(end), group.Shutdown(end, websocket.CloseGoingAway, "the server is going down"))
		}
	}
}
