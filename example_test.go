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
func echoServer() http.Handler {
	var upgrader websocket.Upgrader // the zero value: pages of the same origin, messages up to 32 MiB

	return upgrader.Handler(func(conn *websocket.Conn, r *http.Request) {
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil {
				return // a *websocket.CloseError if the client has sent a close frame
			}
			if err := conn.WriteMessage(kind, message); err != nil {
				return
			}
		}
	})
}

func ExampleUpgrader() {
	upgrader := websocket.Upgrader{ReadLimit: 1 << 20} // for any number of requests
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			log.Print(err) // Upgrade has answered with an error status
			return
		}
		defer conn.Close()
		for {
			messageType, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(messageType, message); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	conn.WriteMessage(websocket.TextMessage, []byte("hello"))
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output: hello
}

func ExampleDialer() {
	server := httptest.NewServer(echoServer())
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

	// Send a close frame, wait for the server's, and close the connection.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := conn.Shutdown(ctx, websocket.CloseNormalClosure, ""); err != nil {
		log.Fatal(err)
	}
	// Output: hello
}

// dialEcho connects to an echo server of its own.
func dialEcho() (conn *websocket.Conn, stop func()) {
	server := httptest.NewServer(echoServer())
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

	buffer := make([]byte, 0, 4096) // used for all messages
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

	// The connection can still be used.
	conn.WriteMessage(websocket.TextMessage, []byte("a message"))
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s, %v\n", message, conn.State())
	// Output:
	// context deadline exceeded
	// a message, open
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

	news, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("news"))
	if err != nil {
		log.Fatal(err)
	}
	for _, conn := range []*websocket.Conn{conn} { // any number of connections
		conn.WritePreparedMessage(news)
	}
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output: news
}

func ExampleCompression() {
	// Messages may refer to the 4 KiB before them, in both directions.
	window := websocket.CompressionSide{WindowBits: 12}
	compression := &websocket.Compression{Server: window, Client: window}

	upgrader := websocket.Upgrader{Compression: compression}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.WriteMessage(websocket.TextMessage, []byte("a message"))
		conn.ReadMessage() // until the client closes the connection
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
	// a message
}

func ExampleConn_WriteJSON() {
	conn, stop := dialEcho()
	defer stop()

	type point struct{ X, Y int }
	if err := conn.WriteJSON(point{1, 2}); err != nil {
		log.Fatal(err)
	}
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
