// Command echo serves a WebSocket endpoint that echoes every message, and a page to
// try it from a browser. It shows a complete server: its limits and how it shuts down.
//
//	go run ./examples/echo -addr 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed23105783/websocket"
)

// shutdownTimeout is how long the peers have to answer the server's close
// frames before their connections are closed. http.Server.Shutdown waits up to
// five seconds for a connection that has not sent a request yet.
const shutdownTimeout = 8 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)

	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free port")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(flag.CommandLine.Output(), "unexpected argument %q\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(ctx, *addr, os.Stdout, log.New(os.Stderr, "", log.LstdFlags)); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// serve listens on addr, prints the URL of the page to stdout, and serves until
// ctx is done. It then ends every connection with a close frame.
func serve(ctx context.Context, addr string, stdout io.Writer, logger *log.Logger) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	echo := newEchoServer(logger)
	server := &http.Server{
		Handler: echo,
		// These timeouts are for ordinary requests. They do not apply to an
		// upgraded connection, for which the Upgrader has its own.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          logger,
	}
	fmt.Fprintf(stdout, "echo: open %s\n", pageURL(listener.Addr()))

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	logger.Print("shutting down")
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	// server.Shutdown stops the listener and waits for the requests in progress,
	// but it neither closes the upgraded connections nor waits for them.
	ended := make(chan error, 1)
	go func() {
		ended <- echo.conns.Shutdown(deadline, websocket.CloseGoingAway, "server is shutting down")
	}()
	return errors.Join(server.Shutdown(deadline), <-ended)
}

// pageURL returns the URL of the page for a browser on this machine.
func pageURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String() + "/"
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}
