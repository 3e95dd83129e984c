// Command stream runs protocols that need a stream of bytes over WebSocket connections:
// net/rpc at /rpc and values of encoding/gob at /gob, by websocket.NewStream.
//
//	go run ./examples/stream
package main

import (
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/rpc"
	"time"

	"github.com/seed23105783/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: newHandler(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	sum, err := add("ws://"+*addr+"/rpc", 1, 2)
	if err != nil {
		log.Print(err)
	} else {
		fmt.Printf("stream: ws://%s/rpc says that 1 + 2 is %d\n", *addr, sum)
	}
	log.Fatal(<-served)
}

// Arithmetic is what net/rpc serves.
type Arithmetic struct{}

// Add sets sum to the sum of the numbers.
func (Arithmetic) Add(numbers []int, sum *int) error {
	for _, n := range numbers {
		*sum += n
	}
	return nil
}

// A Reading is a value that encoding/gob carries.
type Reading struct {
	Sensor string
	Value  float64
}

// newHandler serves both protocols.
func newHandler() http.Handler {
	var upgrader websocket.Upgrader
	mux := http.NewServeMux()
	calls := rpc.NewServer()
	calls.Register(Arithmetic{})
	mux.Handle("/rpc", upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		// ServeConn closes the stream when the client has gone.
		calls.ServeConn(websocket.NewStream(conn, websocket.BinaryMessage))
	}))
	mux.Handle("/gob", upgrader.Handler(func(conn *websocket.Conn, _ *http.Request) {
		if err := sumReadings(websocket.NewStream(conn, websocket.BinaryMessage)); err != nil {
			log.Print(err)
		}
	}))
	return mux
}

// sumReadings answers each reading with the sum for its sensor.
func sumReadings(stream io.ReadWriteCloser) error {
	defer stream.Close()
	decoder, encoder := gob.NewDecoder(stream), gob.NewEncoder(stream)
	sums := make(map[string]float64)
	for {
		var r Reading
		if err := decoder.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) { // the peer has closed the connection
				return nil
			}
			return err
		}
		sums[r.Sensor] += r.Value
		if err := encoder.Encode(Reading{r.Sensor, sums[r.Sensor]}); err != nil {
			return err
		}
	}
}

// add calls Arithmetic.Add.
func add(url string, numbers ...int) (sum int, err error) {
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return 0, err
	}
	client := rpc.NewClient(websocket.NewStream(conn, websocket.BinaryMessage))
	defer client.Close()
	err = client.Call("Arithmetic.Add", numbers, &sum)
	return sum, err
}
