// Command reconnect sends a message each second and prints what it receives. When the
// connection is lost it dials again after a random pause, whose bound doubles each time.
//
//	go run ./examples/reconnect ws://127.0.0.1:8080/ws
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed23105783/websocket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)

	first := flag.Duration("first", 500*time.Millisecond, "longest pause after the first failure")
	limit := flag.Duration("limit", 30*time.Second, "longest pause after any number of failures")
	interval := flag.Duration("every", time.Second, "time between the messages that are sent; 0 sends none")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: reconnect [flags] ws://host[:port]/path")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *first <= 0 || *limit < *first || *interval < 0 {
		flag.Usage()
		os.Exit(2)
	}
	c := newClient(flag.Arg(0), backOff{first: *first, limit: *limit})
	c.interval = *interval
	c.logger = log.New(os.Stderr, "", log.LstdFlags)
	c.receive = func(m websocket.Message) { fmt.Printf("%s\n", m.Data) }
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "reconnect:", err)
		os.Exit(1)
	}
}
