// Command net connects over TLS with a certificate that the client trusts, over a Unix
// socket, and through an HTTP proxy. Each server echoes one message.
//
//	go run ./examples/net
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/seed23105783/websocket"
)

func main() {
	for _, way := range []struct {
		name string
		run  func() (string, error)
	}{{"TLS", overTLS}, {"Unix socket", overUnixSocket}, {"proxy", throughProxy}} {
		answer, err := way.run()
		if err != nil {
			log.Fatalf("%s: %v", way.name, err)
		}
		fmt.Printf("%s: %s\n", way.name, answer)
	}
}

// overTLS serves wss URLs: net/http does TLS, and the Upgrader does not know.
func overTLS() (string, error) {
	certificate, roots, err := newCertificate("localhost")
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := newServer()
	// A program with files calls ServeTLS with their names.
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	go server.ServeTLS(listener, "", "")
	defer server.Close()

	dialer := websocket.Dialer{
		// RootCAs are needed for a private authority only. The default is the system's.
		// The certificate is for the name localhost.
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"},
	}
	return exchange(&dialer, "wss://"+listener.Addr().String()+"/")
}

// overUnixSocket serves on a Unix socket: for a proxy on the same machine.
func overUnixSocket() (string, error) {
	directory, err := os.MkdirTemp("", "websocket")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(directory)
	path := filepath.Join(directory, "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return "", err
	}
	server := newServer()
	go server.Serve(listener)
	defer server.Close()

	dialer := websocket.Dialer{
		// The host of the URL is only that of the Host header.
		NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}
	return exchange(&dialer, "ws://localhost/")
}

// throughProxy connects through a proxy. http.ProxyFromEnvironment as Proxy, which
// DefaultDialer has, takes it from HTTP_PROXY and HTTPS_PROXY. The scheme of its URL
// can also be https and socks5.
func throughProxy() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := newServer()
	go server.Serve(listener)
	defer server.Close()

	proxyListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	proxy := &http.Server{Handler: newProxy(listener.Addr().String()), ReadHeaderTimeout: 5 * time.Second}
	go proxy.Serve(proxyListener)
	defer proxy.Close()

	dialer := websocket.Dialer{
		Proxy: http.ProxyURL(&url.URL{
			Scheme: "http",
			User:   url.UserPassword("user", "password"),
			Host:   proxyListener.Addr().String(),
		}),
	}
	// Only the proxy has to know this name.
	return exchange(&dialer, "ws://server.example/")
}

// newServer returns a server that echoes one message.
func newServer() *http.Server {
	var upgrader websocket.Upgrader
	return &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		Handler: upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
			if kind, message, err := conn.ReadMessage(); err == nil {
				conn.WriteMessage(kind, message)
			}
		}),
	}
}

// exchange sends a message, and returns the answer and from where it came.
func exchange(dialer *websocket.Dialer, url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.WriteMessageContext(ctx, websocket.TextMessage, []byte("hello")); err != nil {
		return "", err
	}
	_, answer, err := conn.ReadMessageContext(ctx)
	if err != nil {
		return "", err
	}
	// The server has begun the closing handshake, which the next read answers.
	if _, _, err := conn.ReadMessageContext(ctx); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return "", err
	}
	return fmt.Sprintf("%q from %s", answer, conn.RemoteAddr().Network()), nil
}

// newProxy returns an HTTP proxy that asks for a password. It knows one server, which it
// has at an address.
func newProxy(addr string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Proxy-Authorization is to a proxy what Authorization is to a server.
		r.Header["Authorization"] = r.Header["Proxy-Authorization"]
		user, password, _ := r.BasicAuth()
		switch {
		case user != "user" || password != "password":
			http.Error(w, "wrong password", http.StatusProxyAuthRequired)
		case r.Method != http.MethodConnect || r.Host != "server.example:80":
			http.Error(w, "unknown server", http.StatusBadGateway)
		default:
			tunnel(w, addr)
		}
	})
}

// tunnel connects the client to the server at addr until one of them closes.
func tunnel(w http.ResponseWriter, addr string) {
	server, err := net.Dial("tcp", addr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	io.Copy(client, server)
}

// newCertificate returns a certificate for a name, and a pool that has it.
func newCertificate(name string) (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, nil
}
