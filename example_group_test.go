package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/seed23105783/websocket"
)

func ExampleConn_Send() {
	conn, stop := dialEcho()
	defer stop()

	// Send queues the message and returns.
	for i := range 3 {
		err := conn.Send(websocket.TextMessage, fmt.Appendf(nil, "message %d", i))
		if errors.Is(err, websocket.ErrSendQueueFull) {
			log.Print("the peer is too slow: this message was not queued")
		}
	}
	for range 3 {
		_, message, err := conn.ReadMessage()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", message)
	}
	// Output:
	// message 0
	// message 1
	// message 2
}

func ExampleConn_BufferedAmount() {
	conn, stop := dialEcho()
	defer stop()

	// A frame of a video is skipped if the one before has not been sent yet.
	frame := make([]byte, 10_000)
	if conn.BufferedAmount() == 0 {
		conn.Send(websocket.BinaryMessage, frame)
	}
	_, message, _ := conn.ReadMessage()
	fmt.Println(len(message), conn.BufferedAmount())
	// Output: 10000 0
}

func ExampleConn_Shutdown() {
	conn, stop := dialEcho()
	defer stop()

	conn.Send(websocket.TextMessage, []byte("the last message"))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := conn.Shutdown(ctx, websocket.CloseNormalClosure, "")
	fmt.Println(err, conn.State(), conn.CloseInfo().WasClean)
	// Output: <nil> closed true
}

// dialChat connects to a server and returns what it receives.
func dialChat(url string) <-chan string {
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	received := make(chan string)
	go func() {
		defer conn.Close()
		defer close(received)
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				received <- err.Error()
				return
			}
			received <- string(message)
		}
	}()
	return received
}

func ExampleGroup() {
	var room websocket.Group
	upgrader := websocket.Upgrader{Group: &room} // connections join, and leave when they are closed
	joined := make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		joined <- "a connection has joined"
		for message, err := range conn.Messages(r.Context()) {
			if err != nil {
				return
			}
			room.BroadcastText(string(message.Data)) // to the sender, too
		}
	}))
	defer server.Close()
	alice, bob := dialChat(server.URL), dialChat(server.URL)

	fmt.Println(<-joined)
	fmt.Println(<-joined)
	fmt.Printf("%+v\n", room.BroadcastText("welcome"))
	fmt.Println(<-alice)
	fmt.Println(<-bob)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	closed := make(chan error)
	go func() { closed <- room.Shutdown(ctx, websocket.CloseGoingAway, "") }()
	fmt.Println(<-alice)
	fmt.Println(<-bob)
	fmt.Println(<-closed, room.Len())
	// Output:
	// a connection has joined
	// a connection has joined
	// {Sent:2 Missed:0}
	// welcome
	// welcome
	// websocket: close 1001 (going away)
	// websocket: close 1001 (going away)
	// <nil> 0
}

func ExampleGroup_Broadcast() {
	room := websocket.Group{Slow: websocket.SlowClose} // members that do not read fast enough are closed
	conn, stop := dialEcho()
	defer stop()
	room.Add(conn)

	news, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("news"))
	if err != nil {
		log.Fatal(err)
	}
	result := room.Broadcast(news) // encoded once
	fmt.Println(result.Sent, "sent,", result.Missed, "missed")
	_, message, _ := conn.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output:
	// 1 sent, 0 missed
	// news
}

func ExampleGroup_BroadcastBinary() {
	var room websocket.Group
	conn, stop := dialEcho()
	defer stop()
	room.Add(conn)

	fmt.Println(room.BroadcastBinary([]byte{1, 2, 3}).Sent)
	_, message, _ := conn.ReadMessage()
	fmt.Println(message)
	// Output:
	// 1
	// [1 2 3]
}

func ExampleGroup_All() {
	var room websocket.Group
	alice, stopAlice := dialEcho()
	defer stopAlice()
	bob, stopBob := dialEcho()
	defer stopBob()
	room.Add(alice)
	room.Add(bob)

	// A message to all but the sender.
	for member := range room.All() {
		if member != alice {
			member.Send(websocket.TextMessage, []byte("from Alice"))
		}
	}
	_, message, _ := bob.ReadMessage()
	fmt.Printf("%s\n", message)
	// Output: from Alice
}

func ExampleGroup_Remove() {
	var lobby, room websocket.Group
	conn, stop := dialEcho()
	defer stop()

	lobby.Add(conn)
	fmt.Println(lobby.Len(), room.Len())
	lobby.Remove(conn) // does not close it
	room.Add(conn)     // a connection can be in several groups
	fmt.Println(lobby.Len(), room.Len())
	// Output:
	// 1 0
	// 0 1
}

// http.Server.Shutdown does not close connections that were upgraded, and does
// not wait for them: Group.Shutdown does.
func ExampleGroup_Shutdown() {
	var clients websocket.Group
	upgrader := websocket.Upgrader{Group: &clients}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // with status 503 once Shutdown has been called
		}
		defer conn.Close()
		conn.Send(websocket.TextMessage, []byte("welcome"))
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
	})}
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	client := dialChat("ws://" + listener.Addr().String())
	fmt.Println(<-client)

	// To end the program, in most cases after a signal:
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := server.Shutdown(ctx); err != nil {
			log.Print("requests were cut short: ", err)
		}
	})
	ended.Go(func() {
		if err := clients.Shutdown(ctx, websocket.CloseServiceRestart, "back in a minute"); err != nil {
			log.Print("some clients did not answer: ", err)
		}
	})
	fmt.Println(<-client)
	ended.Wait()
	fmt.Println(clients.Len(), "connections")
	// Output:
	// welcome
	// websocket: close 1012 (service restart): back in a minute
	// 0 connections
}
