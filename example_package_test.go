package websocket_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed23105783/websocket"
)

// A server that echoes, and a client.
func Example() {
	var upgrader websocket.Upgrader
	server := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, r *http.Request) {
		for message, err := range conn.Messages(context.Background()) {
			if err != nil || conn.WriteMessage(message.Type, message.Data) != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil) // or a URL that begins with ws:// or wss://
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_, message, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", message)

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(conn.Shutdown(ctx, websocket.CloseNormalClosure, ""), conn.CloseInfo().WasClean)
	// Output:
	// hello
	// <nil> true
}

// A chat: what one sends, all get. At its end everybody is told.
func Example_chat() {
	var room websocket.Group
	upgrader := websocket.Upgrader{Group: &room} // which connections join, and leave when they end
	server := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, r *http.Request) {
		for message, err := range conn.Messages(context.Background()) {
			if err != nil {
				return
			}
			room.BroadcastText(string(message.Data))
		}
	}))
	defer server.Close()

	alice, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	bob, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	for room.Len() < 2 { // a client can have its answer a moment before it is a member
		time.Sleep(time.Millisecond)
	}

	alice.WriteMessage(websocket.TextMessage, []byte("hello, all"))
	_, message, _ := bob.ReadMessage()
	fmt.Printf("bob gets %q\n", message)

	go room.Shutdown(context.Background(), websocket.CloseGoingAway, "see you tomorrow")
	_, _, err = bob.ReadMessage()
	fmt.Println(err)
	// Output:
	// bob gets "hello, all"
	// websocket: close 1001 (going away): see you tomorrow
}
