// Command server is the echo server that the Autobahn suite's fuzzing client
// connects to.
//
// It prints the URL at which it listens, as its only line on standard output.
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
	flag.Parse()

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ws://%s\n", listener.Addr())

	server := &http.Server{
		Handler: http.HandlerFunc(serveEcho),
		// Without a limit, a client that never finishes its request would
		// keep its connection for ever.
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.Serve(listener))
}

// upgrader is safe for use by any number of requests at once.
// It compresses every message, however short: that is what the suite is for.
var upgrader = websocket.Upgrader{Compression: &websocket.Compression{Threshold: -1}}

func serveEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Print(err) // the client has its answer: Upgrade wrote it
		return
	}
	defer conn.Close()

	err = echo.Messages(conn)
	if _, closed := errors.AsType[*websocket.CloseError](err); !closed {
		log.Print(err)
	}
}
