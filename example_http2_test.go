package websocket_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed23105783/websocket"
	_ "github.com/seed23105783/websocket/http2" // servers accept WebSocket connections over HTTP/2
)

// Connections over HTTP/2 are kept for later ones. A program that needs no more of them
// need not wait for HTTP2.IdleTimeout.
func ExampleHTTP2_CloseIdleConnections() {
	shared := &websocket.HTTP2{}
	one, other := websocket.Dialer{HTTP2: shared}, websocket.Dialer{HTTP2: shared, EnableCompression: true}
	fmt.Println(one.HTTP2 == other.HTTP2)
	shared.CloseIdleConnections()
	// Output: true
}

func ExampleDialer_CloseIdleConnections() {
	dialer := websocket.Dialer{HTTP2: &websocket.HTTP2{}}
	defer dialer.CloseIdleConnections() // after the last connection has ended
	fmt.Println(dialer.HTTP2.FallBack)
	// Output: false
}

// A server and a client over HTTP/2: all connections are streams of one TCP connection.
func ExampleHTTP2() {
	var upgrader websocket.Upgrader
	server := httptest.NewUnstartedServer(upgrader.Handler(func(conn *websocket.Conn, r *http.Request) {
		conn.WriteMessage(websocket.TextMessage, []byte(r.Proto))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	dialer := websocket.Dialer{
		HTTP2:           &websocket.HTTP2{FallBack: true},
		TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig,
	}
	defer dialer.CloseIdleConnections()
	for range 2 {
		conn, _, err := dialer.Dial("wss"+strings.TrimPrefix(server.URL, "https"), nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		_, message, err := conn.ReadMessage()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", message)
	}
	// Output:
	// HTTP/2.0
	// HTTP/2.0
}
