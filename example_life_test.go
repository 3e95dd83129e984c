package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/seed23105783/websocket"
)

func ExampleConn_Done() {
	conn, stop := dialEcho()
	defer stop()

	go conn.ReadMessage() // a reader answers the close frame of the peer
	payload := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	conn.WriteMessage(websocket.CloseMessage, payload)
	<-conn.Done()
	fmt.Println(conn.State())
	// Output: closed
}

func ExampleConn_CloseInfo() {
	conn, stop := dialEcho()
	defer stop()

	payload := websocket.FormatCloseMessage(4000, "")
	conn.WriteMessage(websocket.CloseMessage, payload)
	conn.ReadMessage() // the server answers with the same code
	conn.Close()
	fmt.Printf("%+v\n", conn.CloseInfo())
	// Output: {Code:4000 Reason: WasClean:true}
}

func ExampleConn_Ping() {
	conn, stop := dialEcho()
	defer stop()

	go conn.ReadMessage() // a reader receives the pong
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	rtt, err := conn.Ping(ctx)
	fmt.Println(rtt > 0, err)
	// Output: true <nil>
}

func ExampleKeepAlive() {
	upgrader := websocket.Upgrader{
		KeepAlive: websocket.KeepAlive{Interval: 30 * time.Millisecond, Timeout: 10 * time.Millisecond}, // or seconds
	}
	ended := make(chan error)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		ended <- err
	}))
	defer server.Close()

	// A client that does not read does not answer pings.
	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(errors.Is(<-ended, websocket.ErrKeepAlive))
	// Output: true
}

func ExampleConn_Messages() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		for i := range 3 {
			conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "message %d", i))
		}
		conn.Shutdown(context.Background(), websocket.CloseNormalClosure, "")
	})
	defer stop()

	for message, err := range conn.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", message.Data)
	}
	// Output:
	// message 0
	// message 1
	// message 2
}

func ExampleConn_Serve() {
	conn, stop := dialEcho()
	defer stop()

	err := conn.Serve(websocket.Events{
		Open: func(c *websocket.Conn) {
			c.WriteMessage(websocket.TextMessage, []byte("hello"))
		},
		Message: func(c *websocket.Conn, m websocket.Message) {
			fmt.Printf("message: %s\n", m.Data)
			payload := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			c.WriteMessage(websocket.CloseMessage, payload)
		},
		Error: func(c *websocket.Conn, err error) {
			fmt.Println("error:", err)
		},
		Close: func(c *websocket.Conn, info websocket.CloseInfo) {
			fmt.Printf("close: %+v\n", info)
		},
	})
	fmt.Println(err)
	// Output:
	// message: hello
	// close: {Code:1000 Reason: WasClean:true}
	// <nil>
}

func ExampleJoinEvents() {
	conn, stop := dialEcho()
	defer stop()

	counted := 0
	counter := websocket.Events{
		Message: func(*websocket.Conn, websocket.Message) { counted++ },
	}
	program := websocket.Events{
		Open: func(c *websocket.Conn) { c.WriteMessage(websocket.TextMessage, []byte("hello")) },
		Message: func(c *websocket.Conn, m websocket.Message) {
			fmt.Printf("message %d: %s\n", counted, m.Data)
			c.Close()
		},
	}
	conn.Serve(websocket.JoinEvents(counter, program))
	// Output: message 1: hello
}

func ExampleTrace() {
	server := httptest.NewServer(echoServer())
	defer server.Close()

	var sent, received atomic.Int64
	dialer := websocket.Dialer{Trace: &websocket.Trace{
		HandshakeDone: func(c *websocket.Conn, _ *http.Request, err error) { fmt.Println("handshake:", err) },
		FrameRead:     func(_ *websocket.Conn, f websocket.FrameInfo) { received.Add(f.Length) },
		FrameWritten:  func(_ *websocket.Conn, f websocket.FrameInfo) { sent.Add(f.Length) },
		Closed:        func(_ *websocket.Conn, info websocket.CloseInfo) { fmt.Println("closed:", info.Code) },
	}}
	conn, _, err := dialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	conn.WriteMessage(websocket.TextMessage, []byte("hello"))
	conn.ReadMessage()
	conn.Close()
	fmt.Println(sent.Load(), "bytes sent,", received.Load(), "received")
	// Output:
	// handshake: <nil>
	// closed: 1006
	// 5 bytes sent, 5 received
}

func ExampleNewStream() {
	conn, stop := dialEcho()
	defer stop()

	stream := websocket.NewStream(conn, websocket.BinaryMessage)
	defer stream.Close()
	stream.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(stream, "any ")
	fmt.Fprint(stream, "bytes")
	b := make([]byte, 9)
	if _, err := io.ReadFull(stream, b); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", b)
	// Output: any bytes
}

// A server whose connections have no goroutines: event functions receive the messages.
func ExampleConn_Start() {
	upgrader := websocket.Upgrader{Events: &websocket.Events{
		Message: func(c *websocket.Conn, m websocket.Message) { c.WriteMessage(m.Type, m.Data) },
	}}
	server := httptest.NewServer(upgrader.Handler(nil))
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	conn.Start(websocket.Events{
		Open: func(c *websocket.Conn) { c.WriteMessage(websocket.TextMessage, []byte("hello")) },
		Message: func(c *websocket.Conn, m websocket.Message) {
			fmt.Printf("%s\n", m.Data)
			c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
		},
		Close: func(_ *websocket.Conn, info websocket.CloseInfo) {
			fmt.Println(info.Code, info.WasClean)
			close(done)
		},
	})
	<-done
	// Output:
	// hello
	// 1000 true
}

// Functions that block, here on a database that takes two requests at a time. The
// peers of the other connections have to wait.
func ExampleNewCallLimit() {
	upgrader := websocket.Upgrader{Events: &websocket.Events{
		Limit: websocket.NewCallLimit(2),
		Message: func(c *websocket.Conn, m websocket.Message) {
			time.Sleep(time.Millisecond) // the database
			c.WriteMessage(websocket.TextMessage, m.Data)
		},
	}}
	server := httptest.NewServer(upgrader.Handler(nil))
	defer server.Close()

	for i := range 3 {
		conn, _, err := websocket.DefaultDialer.Dial(server.URL, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "request %d", i))
		_, answer, _ := conn.ReadMessage()
		fmt.Printf("%s\n", answer)
	}
	// Output:
	// request 0
	// request 1
	// request 2
}
