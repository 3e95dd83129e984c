package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

func ExampleUpgrader_Upgrade() {
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat.v2", "chat.v1"}} // in order of preference
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, http.Header{"Set-Cookie": {"session=1"}})
		if err != nil {
			return // the client has been answered with an error status
		}
		defer conn.Close()
		conn.WriteMessage(websocket.TextMessage, []byte("this is "+conn.Subprotocol()))
		conn.ReadMessage()
	}))
	defer server.Close()

	dialer := websocket.Dialer{Subprotocols: []string{"chat.v1"}}
	conn, response, err := dialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s, %s\n", message, response.Header.Get("Set-Cookie"))
	// Output: this is chat.v1, session=1
}

func ExampleUpgrader_checkOrigin() {
	allowed := map[string]bool{"https://example.com": true, "https://www.example.com": true}
	upgrader := websocket.Upgrader{
		CheckOrigin: func(r *http.Request) bool { return allowed[r.Header.Get("Origin")] },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r, nil); err == nil {
			conn.Close()
		}
	}))
	defer server.Close()

	for _, origin := range []string{"https://example.com", "https://example.org"} {
		conn, response, err := websocket.DefaultDialer.Dial(server.URL, http.Header{"Origin": {origin}})
		if err == nil {
			conn.Close()
		}
		fmt.Println(origin, response.Status)
	}
	// Output:
	// https://example.com 101 Switching Protocols
	// https://example.org 403 Forbidden
}

func ExampleDialer_DialContext() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		echoServer().ServeHTTP(w, r)
	}))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // for the handshake only
	defer cancel()
	_, response, err := websocket.DefaultDialer.DialContext(ctx, server.URL, nil)
	fmt.Println(errors.Is(err, websocket.ErrBadHandshake), response.Status)

	header := http.Header{"Authorization": {"Bearer secret"}}
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, server.URL, header)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(response.Status)
	// Output:
	// true 401 Unauthorized
	// 101 Switching Protocols
}

func ExampleDialer_proxy() {
	proxy, err := url.Parse("socks5://localhost:1080")
	if err != nil {
		log.Fatal(err)
	}
	dialer := websocket.Dialer{
		Proxy:            http.ProxyURL(proxy), // DefaultDialer has http.ProxyFromEnvironment
		HandshakeTimeout: 10 * time.Second,
	}
	request := httptest.NewRequest(http.MethodGet, "http://example.com", nil)
	fmt.Println(dialer.Proxy(request))
	// Output: socks5://localhost:1080 <nil>
}

func ExampleHandshakeError() {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/ws", nil) // an ordinary request
	_, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if handshake, ok := errors.AsType[websocket.HandshakeError](err); ok {
		fmt.Println(handshake.Status(), w.Code)
	}
	// Output: 426 426
}

func ExampleIsWebSocketUpgrade() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			fmt.Fprint(w, "a page")
			return
		}
		echoServer().ServeHTTP(w, r)
	}))
	defer server.Close()

	response, err := http.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	fmt.Println(response.Status)
	conn, response, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	conn.Close()
	fmt.Println(response.Status)
	// Output:
	// 200 OK
	// 101 Switching Protocols
}

func ExampleSubprotocols() {
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Header.Set("Sec-WebSocket-Protocol", "chat.v2, chat.v1")
	fmt.Printf("%q\n", websocket.Subprotocols(r))
	// Output: ["chat.v2" "chat.v1"]
}

func ExampleBufferPool() {
	var pool sync.Pool // a BufferPool, here for two upgraders
	public := websocket.Upgrader{WriteBufferSize: 1024, WriteBufferPool: &pool}
	internal := websocket.Upgrader{WriteBufferSize: 1024, WriteBufferPool: &pool}
	fmt.Println(public.WriteBufferPool == internal.WriteBufferPool)
	// Output: true
}
