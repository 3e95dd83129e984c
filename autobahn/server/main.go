// Command server is the echo server that the fuzzing client of the Autobahn suite
// tests. It prints its URL to standard output.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/autobahn/internal/echo"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	events := flag.Bool("events", false, "receive messages by event functions, without a goroutine for each connection")
	flag.Parse()
	if *events {
		upgrader.Events = &echo.Events
	}

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ws://%s\n", listener.Addr())

	server := &http.Server{
		Handler: http.HandlerFunc(serveEcho),
		// Without it, a client that never completes its request could keep its
		// connection open without limit.
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.Serve(listener))
}

// upgrader compresses all messages, however short, so that the suite tests that.
var upgrader = websocket.Upgrader{Compression: &websocket.Compression{Threshold: -1}}

func serveEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Print(err) // Upgrade has answered the request
		return
	}
	if upgrader.Events != nil {
		return // the connection closes itself
	}
	defer conn.Close()

	err = echo.Messages(conn)
	if _, closed := errors.AsType[*websocket.CloseError](err); !closed {
		log.Print(err)
	}
}
