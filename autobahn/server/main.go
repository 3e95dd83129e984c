// Command server is the echo server that the fuzzing client of the Autobahn suite
// tests. It prints its URL to standard output.
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/autobahn/internal/echo"
	_ "github.com/seed23105783/websocket/http2"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	http2 := flag.Bool("http2", false, "serve HTTP/2 over TLS, with a certificate that nobody trusts")
	events := flag.Bool("events", false, "receive messages by event functions, without a goroutine for each connection")
	flag.Parse()
	if *events {
		upgrader.Events = &echo.Events
	}

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(serveEcho),
		// Without it, a client that never completes its request could keep its
		// connection open without limit.
		ReadHeaderTimeout: 10 * time.Second,
	}
	if *http2 {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{selfSigned()}}
		fmt.Printf("wss://%s\n", listener.Addr())
		log.Fatal(server.ServeTLS(listener, "", ""))
	}
	fmt.Printf("ws://%s\n", listener.Addr())
	log.Fatal(server.Serve(listener))
}

// selfSigned returns a new certificate.
func selfSigned() tls.Certificate {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
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
