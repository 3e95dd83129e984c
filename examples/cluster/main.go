// Command cluster is the chat of examples/chat over several processes, which NATS connects.
// By itself it runs a NATS server and three nodes in one process; with -nats it is one node.
//
//	cd examples/cluster && go run .
//	cd examples/cluster && go run . -nats nats://10.0.0.5:4222 -addr :8080
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/seed23105783/websocket/examples/internal/chat"
)

func main() {
	addr := flag.String("addr", "", "`address` to listen on; 127.0.0.1:8080 if empty, and two free ports for the other nodes")
	url := flag.String("nats", "", "`URL` of a NATS server with JetStream; one is run in this process if it is empty")
	store := flag.String("store", "", "`directory` for the messages of the NATS server in this process; a temporary one if it is empty")
	replicas := flag.Int("replicas", 1, "how many servers of a NATS cluster keep the messages; 3 survive the loss of one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	first := cmp.Or(*addr, "127.0.0.1:8080")
	if err := run(ctx, *url, *store, *replicas, first, func(url string) { fmt.Printf("cluster: open %s\n", url) }); err != nil {
		log.Fatal(err)
	}
}

// run runs one node, or three and a NATS server, until ctx is done. It calls opened with
// the URL of each node.
func run(ctx context.Context, url, store string, replicas int, addr string, opened func(url string)) error {
	addrs := []string{addr}
	if url == "" {
		broker, err := startBroker(store)
		if err != nil {
			return err
		}
		defer broker.stop()
		url = broker.ClientURL()
		addrs = append(addrs, "127.0.0.1:0", "127.0.0.1:0")
	}
	// If one ends, all do.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(addrs))
	var nodes sync.WaitGroup
	for i, addr := range addrs {
		nodes.Go(func() {
			defer cancel()
			errs[i] = runNode(ctx, url, replicas, addr, opened)
		})
	}
	nodes.Wait()
	return errors.Join(errs...)
}

// runNode serves the chat until ctx is done, and then waits for the clients to go.
func runNode(ctx context.Context, url string, replicas int, addr string, opened func(url string)) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	name := fmt.Sprintf("%s/%d", listener.Addr(), os.Getpid())
	conn, err := nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	if err != nil {
		return fmt.Errorf("NATS at %s: %w", url, err)
	}
	defer conn.Drain() // what the clients' leaving has told
	starting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	b, err := newBackend(starting, conn, name, replicas)
	if err != nil {
		return fmt.Errorf("JetStream at %s: %w", url, err)
	}
	rooms := chat.NewServer(b)
	server := &http.Server{Handler: rooms, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	opened("http://" + listener.Addr().String() + "/")
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

// A broker is a NATS server in this process.
type broker struct {
	*server.Server
	temporary string // the directory to remove, or ""
}

func startBroker(store string) (*broker, error) {
	b := &broker{}
	if store == "" {
		dir, err := os.MkdirTemp("", "cluster")
		if err != nil {
			return nil, err
		}
		store, b.temporary = dir, dir
	}
	var err error
	b.Server, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: store, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return nil, err
	}
	b.Start()
	if !b.ReadyForConnections(10 * time.Second) {
		b.stop()
		return nil, errors.New("the NATS server in this process does not start")
	}
	return b, nil
}

func (b *broker) stop() {
	b.Shutdown()
	b.WaitForShutdown()
	if b.temporary != "" {
		os.RemoveAll(b.temporary)
	}
}
