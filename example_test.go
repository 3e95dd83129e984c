package websocket_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed23105783/websocket"
)

// echoServer is the server that the README shows.
func echoServer(w http.ResponseWriter, r *http.Request) {
	var upgrader websocket.Upgrader // the zero value is ready: same-origin pages, messages to 32 MiB

	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Print(err) // the client has got an error status that says the same
		return
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return // a *websocket.CloseError if the client has sent a close frame
		}
		if err := conn.WriteMessage(kind, message); err != nil {
			return
		}
	}
}

func ExampleUpgrader() {
	http.HandleFunc("/ws", echoServer)
	// log.Fatal(http.ListenAndServe("localhost:8080", nil))
}

func ExampleDialer() {
	server := httptest.NewServer(http.HandlerFunc(echoServer))
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil) // or ws://…, wss://…
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

	// Say goodbye, and read until the server has answered.
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	conn.WriteMessage(websocket.CloseMessage, goodbye)
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// hello
	// websocket: close 1000 (normal)
}

// dialEcho connects to an echo server of its own.
func dialEcho() (conn *websocket.Conn, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(echoServer))
	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	return conn, func() {
		conn.Close()
		server.Close()
	}
}

func ExampleConn_AppendMessage() {
	conn, stop := dialEcho()
	defer stop()

	buffer := make([]byte, 0, 4096) // one for all messages: nothing is allocated
	for i := range 3 {
		conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "message %d", i))
		_, message, err := conn.AppendMessage(buffer[:0])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", message)
		buffer = message
	}
	// Output:
	// message 0
	// message 1
	// message 2
}

func ExampleConn_ReadMessageContext() {
	conn, stop := dialEcho()
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, _, err := conn.ReadMessageContext(ctx)
	fmt.Println(err)

	// The connection is as good as before.
	conn.WriteMessage(websocket.TextMessage, []byte("still here"))
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s, %v\n", message, conn.State())
	// Output:
	// context deadline exceeded
	// still here, open
}

func ExampleConn_WriteMessageContext() {
	conn, stop := dialEcho()
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(conn.WriteMessageContext(ctx, websocket.BinaryMessage, []byte{1, 2, 3}))
	_, message, _ := conn.ReadMessage()
	fmt.Println(message)
	// Output:
	// <nil>
	// [1 2 3]
}

func ExampleConn_NextWriter() {
	conn, stop := dialEcho()
	defer stop()

	w, err := conn.NextWriter(websocket.TextMessage)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		fmt.Fprintf(w, "part %d; ", i)
	}
	w.Close() // sends the end of the message

	_, r, err := conn.NextReader()
	if err != nil {
		log.Fatal(err)
	}
	message, _ := io.ReadAll(r)
	fmt.Printf("%s\n", message)
	// Output: part 0; part 1; part 2;
}

func ExamplePreparedMessage() {
	conn, stop := dialEcho()
	defer stop()

	news, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("news for all"))
	if err != nil {
		log.Fatal(err)
	}
	for _, conn := range []*websocket.Conn{conn} { // any number of them
		conn.WritePreparedMessage(news)
	}
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output: news for all
}

func ExampleCompression() {
	// Each side keeps 4 KiB of what was sent, for the next message to refer to.
	window := websocket.CompressionSide{WindowBits: 12}
	compression := &websocket.Compression{Server: window, Client: window}

	upgrader := websocket.Upgrader{Compression: compression}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.WriteMessage(websocket.TextMessage, []byte("compressed if it is long enough"))
		conn.ReadMessage() // until the client has gone
	}))
	defer server.Close()

	dialer := websocket.Dialer{Compression: compression}
	conn, _, err := dialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(conn.Extensions())
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output:
	// permessage-deflate; server_max_window_bits=12; client_max_window_bits=12
	// compressed if it is long enough
}

func ExampleConn_WriteJSON() {
	conn, stop := dialEcho()
	defer stop()

	type point struct{ X, Y int }
	conn.WriteJSON(point{1, 2})
	var p point
	if err := conn.ReadJSON(&p); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p)
	// Output: {1 2}
}

func ExampleIsUnexpectedCloseError() {
	for _, err := range []error{
		&websocket.CloseError{Code: websocket.CloseGoingAway},
		&websocket.CloseError{Code: websocket.CloseInternalServerErr},
		io.ErrUnexpectedEOF,
	} {
		fmt.Println(websocket.IsUnexpectedCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway))
	}
	// Output:
	// false
	// true
	// false
}
