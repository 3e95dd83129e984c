package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed23105783/websocket"
)

func ExamplePipe() {
	server, client := websocket.Pipe()
	defer server.Close()
	defer client.Close()

	client.WriteMessage(websocket.TextMessage, []byte("hello"))
	_, message, err := server.ReadMessage()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", message)
	// Output: hello
}

// A handshake that was done by other means has left a stream, and said that it
// is a WebSocket connection from here on.
func ExampleNewConn() {
	type stream struct {
		io.Reader
		io.WriteCloser
	}
	clientReads, serverWrites := io.Pipe()
	serverReads, clientWrites := io.Pipe()

	server, err := websocket.NewConn(stream{serverReads, serverWrites}, websocket.ConnOptions{Subprotocol: "chat"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := websocket.NewConn(stream{clientReads, clientWrites}, websocket.ConnOptions{Client: true, Subprotocol: "chat"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	go client.WriteMessage(websocket.TextMessage, []byte("hello"))
	_, message, err := server.ReadMessage()
	fmt.Printf("%s: %s %v\n", server.Subprotocol(), message, err)
	// Output: chat: hello <nil>
}

// The handler of a chat room ends when the client leaves; what it has started
// ends with the connection.
func ExampleUpgrader_Handler() {
	upgrader := websocket.Upgrader{}
	handler := upgrader.Handler(func(conn *websocket.Conn, r *http.Request) {
		conn.WriteMessage(websocket.TextMessage, []byte("welcome, "+r.FormValue("name")))
	})
	server := httptest.NewServer(handler)
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial(server.URL+"/?name=Ann", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// welcome, Ann
	// websocket: close 1000 (normal)
}

// userNameKey is the key of a value in a context.
type userNameKey struct{}

// The context of a connection has the values that ConnContext gives it, and ends
// with the connection.
func ExampleConn_Context() {
	left := make(chan string)
	upgrader := websocket.Upgrader{
		ConnContext: func(r *http.Request) context.Context {
			return context.WithValue(context.Background(), userNameKey{}, r.FormValue("user"))
		},
	}
	server := httptest.NewServer(upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		ctx := conn.Context()
		go func() {
			<-ctx.Done()
			left <- fmt.Sprint(ctx.Value(userNameKey{}), ": ", context.Cause(ctx))
		}()
		conn.ReadMessage()
	}))
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial(server.URL+"/?user=Ann", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.Shutdown(context.Background(), websocket.CloseGoingAway, "")
	fmt.Println(<-left)
	// Output: Ann: websocket: close 1001 (going away)
}

func ExampleConn_ReadJSONContext() {
	server, client := websocket.Pipe()
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	if err := client.WriteJSONContext(ctx, map[string]int{"answer": 42}); err != nil {
		fmt.Println(err)
	}
	var v map[string]int
	if err := server.ReadJSONContext(ctx, &v); err != nil {
		fmt.Println(err)
	}
	fmt.Println(v["answer"])
	// Output: 42
}

func ExampleConn_AppendMessageContext() {
	server, client := websocket.Pipe()
	defer server.Close()
	defer client.Close()
	client.WriteMessage(websocket.TextMessage, []byte("hello"))

	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	buf := make([]byte, 0, 4096) // for all messages
	for {
		_, message, err := server.AppendMessageContext(ctx, buf)
		if errors.Is(err, context.DeadlineExceeded) {
			fmt.Println("nothing more, and the connection is", server.State())
			return
		}
		fmt.Printf("%s\n", message)
	}
	// Output:
	// hello
	// nothing more, and the connection is open
}

func ExampleConn_NextWriterContext() {
	server, client := websocket.Pipe()
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	w, err := client.NextWriterContext(ctx, websocket.TextMessage)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(w, "hello, ", "world")
	w.Close()

	_, r, err := server.NextReaderContext(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(r)
	fmt.Printf("%s %v\n", text, err)
	// Output: hello, world <nil>
}

func ExampleConn_WritePreparedMessageContext() {
	server, client := websocket.Pipe()
	defer server.Close()
	defer client.Close()
	news, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("news"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.WritePreparedMessageContext(ctx, news); err != nil {
		fmt.Println(err)
	}
	_, message, _ := client.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output: news
}

// A message goes to everybody but its sender.
func ExampleGroup_BroadcastJSON() {
	var room websocket.Group
	ann, annsClient := websocket.Pipe()
	bob, bobsClient := websocket.Pipe()
	for _, conn := range []*websocket.Conn{ann, bob, annsClient, bobsClient} {
		defer conn.Close()
	}
	room.Add(ann)
	room.Add(bob)

	result, err := room.BroadcastJSON(map[string]string{"from": "Ann", "text": "hello"}, ann)
	fmt.Println(result.Sent, result.Missed, err)
	_, message, _ := bobsClient.ReadMessage()
	fmt.Printf("%s", message)
	// Output:
	// 1 0 <nil>
	// {"from":"Ann","text":"hello"}
}
