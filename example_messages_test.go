package websocket_test

import (
	"bufio"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/seed23105783/websocket"
)

func ExampleConn() {
	conn, stop := dialEcho()
	defer stop()
	defer conn.Close()

	if err := conn.WriteMessage(websocket.BinaryMessage, []byte{1, 2, 3}); err != nil {
		log.Fatal(err)
	}
	messageType, message, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(messageType == websocket.BinaryMessage, message)
	fmt.Println(strings.HasPrefix(conn.URL(), "ws://127.0.0.1:"))
	// Output:
	// true [1 2 3]
	// true
}

// dialServer connects to a server of its own that calls serve.
func dialServer(serve func(conn *websocket.Conn)) (conn *websocket.Conn, stop func()) {
	var upgrader websocket.Upgrader
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}))
	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	return conn, func() {
		conn.Close()
		server.Close()
	}
}

func ExampleConn_NextReader() {
	conn, stop := dialEcho()
	defer stop()

	conn.WriteMessage(websocket.TextMessage, []byte("one\ntwo\nthree\n"))
	_, r, err := conn.NextReader()
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(r) // reads the message piece by piece
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	// Output:
	// one
	// two
	// three
}

func ExampleConn_SetReadDeadline() {
	conn, stop := dialEcho()
	defer stop()

	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _, err := conn.ReadMessage()
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))

	// The connection can still be used.
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	conn.WriteMessage(websocket.TextMessage, []byte("in time"))
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output:
	// true
	// in time
}

func ExampleConn_SetWriteDeadline() {
	conn, stop := dialEcho()
	defer stop()

	conn.SetWriteDeadline(time.Now().Add(-time.Second))
	err := conn.WriteMessage(websocket.TextMessage, []byte("too late"))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))

	// Nothing was sent: the connection can still be used.
	conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	conn.WriteMessage(websocket.TextMessage, []byte("in time"))
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output:
	// true
	// in time
}

func ExampleConn_SetReadLimit() {
	conn, stop := dialEcho()
	defer stop()

	conn.SetReadLimit(1000) // bytes
	conn.WriteMessage(websocket.BinaryMessage, make([]byte, 1001))
	_, _, err := conn.ReadMessage()
	fmt.Println(errors.Is(err, websocket.ErrReadLimit))
	// Output: true
}

func ExampleConn_EnableWriteCompression() {
	dialer := websocket.Dialer{EnableCompression: true, Trace: &websocket.Trace{
		FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) { fmt.Println("compressed:", f.Compressed) },
	}}
	upgrader := websocket.Upgrader{EnableCompression: true}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r, nil); err == nil {
			defer conn.Close()
			conn.ReadMessage()
			conn.ReadMessage()
		}
	}))
	defer server.Close()
	conn, _, err := dialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	text := []byte(strings.Repeat("a text that can be compressed; ", 100))
	conn.SetCompressionLevel(9) // the best ratio
	conn.WriteMessage(websocket.TextMessage, text)
	conn.EnableWriteCompression(false) // for what is compressed already, or secret
	conn.WriteMessage(websocket.TextMessage, text)
	// Output:
	// compressed: true
	// compressed: false
}

func ExampleJoinMessages() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		conn.WriteMessage(websocket.TextMessage, []byte("first"))
		conn.WriteMessage(websocket.TextMessage, []byte("second"))
	})
	defer stop()

	lines := bufio.NewScanner(websocket.JoinMessages(conn, "\n"))
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	// Output:
	// first
	// second
}

func ExampleConn_WriteControl() {
	conn, stop := dialEcho()
	defer stop()

	conn.SetPongHandler(func(data string) error {
		fmt.Println("pong:", data)
		return nil
	})
	err := conn.WriteControl(websocket.PingMessage, []byte("1"), time.Now().Add(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	conn.WriteMessage(websocket.TextMessage, []byte("a message"))
	_, message, _ := conn.ReadMessage() // calls the handler for the pong that comes before
	fmt.Printf("%s\n", message)
	// Output:
	// pong: 1
	// a message
}

func ExampleConn_SetPingHandler() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		conn.WriteControl(websocket.PingMessage, []byte("1"), time.Time{})
		conn.WriteMessage(websocket.TextMessage, []byte("a message"))
		conn.ReadMessage()
	})
	defer stop()

	answer := conn.PingHandler() // the default sends a pong
	conn.SetPingHandler(func(data string) error {
		fmt.Println("ping:", data)
		return answer(data)
	})
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output:
	// ping: 1
	// a message
}

func ExampleConn_SetPongHandler() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		conn.WriteControl(websocket.PongMessage, []byte("unasked"), time.Time{})
		conn.WriteMessage(websocket.TextMessage, []byte("a message"))
		conn.ReadMessage()
	})
	defer stop()

	before := conn.PongHandler() // the default does nothing
	conn.SetPongHandler(func(data string) error {
		fmt.Println("pong:", data)
		return before(data)
	})
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output:
	// pong: unasked
	// a message
}

func ExampleConn_NetConn() {
	conn, stop := dialEcho()
	defer stop()

	if tcp, ok := conn.NetConn().(*net.TCPConn); ok { // a *tls.Conn for a wss URL
		tcp.SetKeepAlive(false)
		fmt.Println(tcp.RemoteAddr().Network())
	}
	fmt.Println(conn.UnderlyingConn() == conn.NetConn()) // the older name
	// Output:
	// tcp
	// true
}

func ExampleConn_RemoteAddr() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		conn.WriteMessage(websocket.TextMessage, []byte(conn.RemoteAddr().String()))
		conn.ReadMessage()
	})
	defer stop()

	_, message, _ := conn.ReadMessage()
	fmt.Println(string(message) == conn.LocalAddr().String())
	// Output: true
}
