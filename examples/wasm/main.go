// Command wasm is a chat with Go on both ends: the page's program is compiled to
// WebAssembly and uses the same package as the server. The same page in JavaScript
// is beside it, and both talk to each other.
//
//	go run ./examples/wasm
//
// builds the page's program with the go tool and serves it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed23105783/websocket"
)

// shutdownTimeout is how long the server waits for its clients at the end.
const shutdownTimeout = 5 * time.Second

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal(err)
	}
}

// run serves the chat until ctx ends.
func run(ctx context.Context, addr string) error {
	dir, err := os.MkdirTemp("", "wasm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "page.wasm")
	if err := build(ctx, program); err != nil {
		return err
	}
	script, err := wasmExec(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	chat := newChat(program, script)
	server := &http.Server{Handler: chat, ReadHeaderTimeout: 10 * time.Second}
	fmt.Printf("open http://%s/\n", listener.Addr())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return errors.Join(
		chat.members.Shutdown(deadline, websocket.CloseGoingAway, "the server is shutting down"),
		server.Shutdown(deadline),
	)
}

// build compiles the page's program.
func build(ctx context.Context, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", output, "github.com/seed23105783/websocket/examples/wasm/page")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// wasmExec returns the name of the script that comes with Go and runs its programs
// in a page.
func wasmExec(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"), err
}
