// Command chat is a chat with rooms, history, presence and typing indicators. Its page
// reconnects by itself, also after SIGTERM, with which every browser gets close code 1001.
//
//	go run ./examples/chat -addr 127.0.0.1:8080
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

	"github.com/seed23105783/websocket/examples/internal/chat"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("chat: open http://%s/\n", listener.Addr())
	if err := serve(ctx, listener); err != nil {
		log.Fatal(err)
	}
}

// serve serves the chat until ctx is done, and then waits for the clients to go.
func serve(ctx context.Context, listener net.Listener) error {
	rooms := chat.NewServer(new(chat.Memory))
	server := &http.Server{Handler: rooms, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- rooms.Shutdown(end) }()
	return errors.Join(server.Shutdown(end), <-closed)
}
