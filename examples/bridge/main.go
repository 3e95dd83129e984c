// Command bridge accepts WebSocket connections and passes their messages on to another
// server: from HTTP/1.1 to HTTP/2 or the other way round.
//
//	go run ./examples/bridge -addr 127.0.0.1:8080 -http2 -insecure wss://127.0.0.1:8443/ws
//	go run ./examples/bridge -addr 127.0.0.1:8443 -cert cert.pem -key key.pem ws://127.0.0.1:8080/ws
package main

import (
	"context"
	"crypto/tls"
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
	_ "github.com/seed23105783/websocket/http2" // with -cert, clients can use HTTP/2
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free port")
	http2 := flag.Bool("http2", false, "connect over HTTP/2")
	insecure := flag.Bool("insecure", false, "accept any certificate of the other server")
	cert := flag.String("cert", "", "`file` of the certificate to serve TLS and HTTP/2 with")
	key := flag.String("key", "", "`file` of its key")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: bridge [flags] url")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	b := &bridge{url: flag.Arg(0)}
	b.dialer.TLSClientConfig = &tls.Config{InsecureSkipVerify: *insecure}
	if *http2 {
		b.dialer.HTTP2 = &websocket.HTTP2{}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("bridge: %s to %s\n", listener.Addr(), b.url)
	if err := b.serve(ctx, listener, *cert, *key); err != nil {
		log.Fatal(err)
	}
}

// A bridge passes connections on to url.
type bridge struct {
	url     string
	dialer  websocket.Dialer
	clients websocket.Group
}

// serve serves until ctx is done. cert and key are files, or "" for no TLS.
func (b *bridge) serve(ctx context.Context, listener net.Listener, cert, key string) error {
	server := &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() {
		if cert != "" {
			served <- server.ServeTLS(listener, cert, key)
		} else {
			served <- server.Serve(listener)
		}
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	defer b.dialer.CloseIdleConnections()
	return errors.Join(b.clients.Shutdown(end, websocket.CloseGoingAway, "the bridge is going down"), server.Shutdown(end))
}

// ServeHTTP connects to the other server before it answers the client, so that the
// client gets the subprotocol that the server has chosen.
func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dialer := b.dialer
	dialer.Subprotocols = websocket.Subprotocols(r)
	dialer.EnableCompression = true
	dialer.ReadLimit = -1
	server, resp, err := dialer.DialContext(r.Context(), b.url, nil)
	if err != nil {
		log.Print(err)
		status := http.StatusBadGateway
		if resp != nil {
			status = resp.StatusCode
		}
		http.Error(w, "the other server does not accept the connection", status)
		return
	}
	defer server.Close()
	upgrader := websocket.Upgrader{
		CheckOrigin: func(*http.Request) bool { return true }, // the other server's business
		Compression: &websocket.Compression{Threshold: -1},
		ReadLimit:   -1,
		Group:       &b.clients,
	}
	if p := server.Subprotocol(); p != "" {
		upgrader.Subprotocols = []string{p}
	}
	upgrader.Handler(func(client *websocket.Conn, _ *http.Request) {
		passed := make(chan struct{})
		go func() {
			defer close(passed)
			pass(client, server)
		}()
		pass(server, client)
		<-passed
	}).ServeHTTP(w, r)
}

// pass passes messages on, as they come, until either connection ends, and then ends the
// other with the same close code.
func pass(to, from *websocket.Conn) {
	err := passMessages(to, from)
	code, reason := websocket.CloseGoingAway, ""
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
		code, reason = closed.Code, closed.Text
	}
	if err := to.Shutdown(context.Background(), code, reason); errors.Is(err, websocket.ErrInvalidCloseCode) {
		to.Shutdown(context.Background(), websocket.CloseNormalClosure, reason) // it is not a client's to send
	}
	from.Close()
}

func passMessages(to, from *websocket.Conn) error {
	for {
		kind, r, err := from.NextReader()
		if err != nil {
			return err
		}
		w, err := to.NextWriter(kind)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}
