package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	_ "github.com/seed23105783/websocket/http2"
)

// A reverse is a tunnel in the other direction: from HTTP/2 without TLS to HTTP/1.1.
type reverse struct{ target *url.URL }

// newReverseServer returns a server that speaks HTTP/2 alone.
func newReverseServer(target *url.URL) *http.Server {
	s := &http.Server{Handler: &reverse{target}, Protocols: new(http.Protocols), ReadHeaderTimeout: 10 * time.Second}
	s.Protocols.SetUnencryptedHTTP2(true)
	// net/http sends the WINDOW_UPDATE of a stream behind data of that stream that waits for
	// one. A client that echoes reads nothing while it waits for that: there has to be room
	// for the longest message.
	s.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 20, MaxReceiveBufferPerConnection: 64 << 20}
	return s
}

func (t *reverse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(":protocol") != "websocket" {
		http.Error(w, "not an extended CONNECT", http.StatusBadRequest)
		return
	}
	conn, body, header, err := t.connect(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer conn.Close()
	for _, name := range []string{"Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		if values := header[name]; values != nil {
			w.Header()[name] = values
		}
	}
	control := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	control.Flush()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, err := io.Copy(conn, r.Body); err != nil {
			control.SetWriteDeadline(time.Now()) // the client may not read before it has written
		}
		conn.(*net.TCPConn).CloseWrite()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil || control.Flush() != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	r.Body.Close() // the return sends END_STREAM: RFC 8441, Section 5
	<-ended
}

// connect opens a connection to the target. What it sends is read from body.
func (t *reverse) connect(r *http.Request) (conn net.Conn, body *bufio.Reader, header http.Header, err error) {
	conn, err = net.Dial("tcp", t.target.Host)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	var key [16]byte
	rand.Read(key[:])
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: %s\r\n",
		r.URL.RequestURI(), t.target.Host, base64.StdEncoding.EncodeToString(key[:]))
	for _, name := range []string{"Sec-Websocket-Version", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		for _, value := range r.Header[name] {
			request += name + ": " + value + "\r\n"
		}
	}
	if _, err = io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, nil, nil, err
	}
	body = bufio.NewReader(conn)
	response, err := http.ReadResponse(body, nil)
	if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New("the target answers " + response.Status)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	return conn, body, response.Header, nil
}
