// Command tunnel accepts WebSocket connections over HTTP/1.1 and opens one over HTTP/2
// for each, as a proxy does (RFC 8441): it translates the handshake, and passes all that
// follows on byte by byte. So the suite, which knows HTTP/1.1 alone, tests a server over
// HTTP/2. The target's certificate is not checked. With -reverse it accepts connections over
// HTTP/2 without TLS, and opens them over HTTP/1.1. It prints its URL to standard output.
package main

import (
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func main() {
	backward := flag.Bool("reverse", false, "from HTTP/2 to HTTP/1.1")
	flag.Parse()
	target, err := url.Parse(strings.Replace(flag.Arg(0), "wss://", "https://", 1))
	if err != nil || target.Host == "" {
		log.Fatal("usage: tunnel wss://host:port/path, or tunnel -reverse ws://host:port")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ws://%s\n", listener.Addr())
	server := &http.Server{Handler: &tunnel{target}, ReadHeaderTimeout: 10 * time.Second}
	if *backward {
		server = newReverseServer(target)
	}
	log.Fatal(server.Serve(listener))
}

// A tunnel passes connections on to target.
type tunnel struct{ target *url.URL }

func (t *tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upstream, body, err := t.connect(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer upstream.Body.Close()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, Section 1.3
	head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if extensions := upstream.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
		head += "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return
	}
	go func() {
		io.Copy(body, buffered)
		body.Close() // END_STREAM: RFC 8441, Section 5
	}()
	io.Copy(conn, upstream.Body)
}

// connect opens a stream to the target. What is written to body goes to it.
func (t *tunnel) connect(r *http.Request) (response *http.Response, body *io.PipeWriter, err error) {
	conn, err := tls.Dial("tcp", t.target.Host, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{ForceAttemptHTTP2: true, DisableCompression: true, IdleConnTimeout: time.Second}
	transport.CloseIdleConnections() // which sets TLSNextProto
	client := transport.TLSNextProto["h2"](t.target.Host, conn)
	reader, body := io.Pipe()
	header := http.Header{":protocol": {"websocket"}}
	for _, name := range []string{"Sec-Websocket-Version", "Sec-Websocket-Extensions"} {
		header[name] = r.Header[name]
	}
	response, err = client.RoundTrip(&http.Request{
		Method: http.MethodConnect, URL: t.target, Header: header, Body: reader, ContentLength: -1,
	})
	if err == nil && response.StatusCode != http.StatusOK {
		response.Body.Close()
		err = fmt.Errorf("the target answers %s", response.Status)
	}
	return response, body, err
}
