package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/seed23105783/websocket"
)

func ExampleFormatCloseMessage() {
	conn, stop := dialEcho()
	defer stop()

	payload := websocket.FormatCloseMessage(4000, "too many requests")
	conn.WriteMessage(websocket.CloseMessage, payload)
	_, _, err := conn.ReadMessage() // until the server has answered
	fmt.Println(err)
	// Output: websocket: close 4000
}

func ExampleIsCloseError() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		conn.Shutdown(context.Background(), websocket.CloseTryAgainLater, "")
	})
	defer stop()

	_, _, err := conn.ReadMessage()
	if websocket.IsCloseError(err, websocket.CloseServiceRestart, websocket.CloseTryAgainLater) {
		fmt.Println("to be tried again")
	}
	// Output: to be tried again
}

func ExampleCloseError() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		conn.Shutdown(context.Background(), 4001, "the session has expired")
	})
	defer stop()

	_, _, err := conn.ReadMessage()
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		fmt.Println(closed.Code, closed.Text)
	}
	fmt.Println(errors.Is(err, net.ErrClosed))
	// Output:
	// 4001 the session has expired
	// true
}

func ExampleProtocolError() {
	failed := make(chan error)
	conn, stop := dialServer(func(conn *websocket.Conn) {
		_, _, err := conn.ReadMessage()
		failed <- err
	})
	defer stop()

	conn.NetConn().Write([]byte{0x81, 0x00}) // a frame without a mask, which a client must not send
	err := <-failed
	if violation, ok := errors.AsType[*websocket.ProtocolError](err); ok {
		fmt.Println("closed with code", violation.Code)
	}
	_, _, err = conn.ReadMessage() // the close frame says the same
	fmt.Println(websocket.IsCloseError(err, websocket.CloseProtocolError))
	// Output:
	// closed with code 1002
	// true
}

func ExampleConn_SetCloseHandler() {
	conn, stop := dialServer(func(conn *websocket.Conn) {
		conn.Shutdown(context.Background(), websocket.CloseGoingAway, "maintenance")
	})
	defer stop()

	answer := conn.CloseHandler() // the default sends a close frame with the same code
	conn.SetCloseHandler(func(code int, text string) error {
		fmt.Println("close:", code, text)
		return answer(code, text)
	})
	_, _, err := conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// close: 1001 maintenance
	// websocket: close 1001 (going away): maintenance
}

func ExampleState() {
	conn, stop := dialEcho()
	defer stop()

	fmt.Println(conn.State() == websocket.StateOpen, conn.State())
	conn.WriteMessage(websocket.CloseMessage, nil)
	fmt.Println(conn.State() == websocket.StateClosing, conn.State())
	conn.Close()
	fmt.Println(conn.State() == websocket.StateClosed, conn.State())
	// Output:
	// true open
	// true closing
	// true closed
}
