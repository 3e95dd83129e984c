// Command memory measures what an open connection costs a server that has
// compressed a message on it and inflated one, for this library and others.
//
//	go run ./cmd/memory -connections 1000
//
// Every server is a process of its own, echoes JSON messages of about 1 KiB to
// the same client, one on each connection and then so many that they fill the
// largest window, and tells its resident memory after a garbage collection
// each time. What it had before the first connection is taken off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/seed23105783/websocket"
)

func main() {
	connections := flag.Int("connections", 1000, "how many to `open` at the same time")
	serve := flag.String("serve", "", "be the server of this `name`")
	flag.Parse()
	if *serve != "" {
		log.Fatal(runServer(*serve))
	}
	fmt.Printf("| server | KiB per connection after 1 message | after %d |\n|---|---|---|\n", full)
	for _, s := range servers {
		first, last, err := measure(s.name, *connections)
		if err != nil {
			log.Fatalf("%s: %v", s.name, err)
		}
		fmt.Printf("| %s | %.1f | %.1f |\n", s.name, float64(first)/1024, float64(last)/1024)
	}
}

// full is how many messages fill a window of 32 KiB.
const full = 40

// measure returns what a connection to the named server costs it in bytes,
// after the first message and after the last.
func measure(name string, connections int) (first, last int, err error) {
	addr, stop, err := start(name)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	empty, err := resident(addr)
	if err != nil {
		return 0, 0, err
	}
	conns := make([]*websocket.Conn, connections)
	for i := range conns {
		if conns[i], err = dial(addr); err != nil {
			return 0, 0, err
		}
		defer conns[i].Close()
		if err := echo(conns[i], i); err != nil {
			return 0, 0, err
		}
	}
	if first, err = resident(addr); err != nil {
		return 0, 0, err
	}
	for n := range full - 1 {
		for i, c := range conns {
			if err := echo(c, i+n); err != nil {
				return 0, 0, err
			}
		}
	}
	last, err = resident(addr)
	return (first - empty) / connections, (last - empty) / connections, err
}

// start starts a server and returns its address.
func start(name string) (addr string, stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, os.Args[0], "-serve", name)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		cancel()
		return "", nil, err
	}
	stop = func() {
		cancel()
		command.Wait()
	}
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		stop()
		return "", nil, err
	}
	return addr, stop, nil
}

// dial opens a connection that compresses if the server does.
func dial(addr string) (*websocket.Conn, error) {
	d := websocket.Dialer{Compression: &websocket.Compression{}}
	c, _, err := d.Dial("ws://"+addr+"/ws", nil)
	if err == nil && c.Extensions() == "" {
		c.Close()
		err = errors.New("no compression")
	}
	return c, err
}

// echo has a message echoed.
func echo(c *websocket.Conn, i int) error {
	sent := message(i)
	if err := c.WriteMessage(websocket.TextMessage, sent); err != nil {
		return err
	}
	_, got, err := c.ReadMessage()
	if err == nil && string(got) != string(sent) {
		err = fmt.Errorf("echoed %d bytes of %d", len(got), len(sent))
	}
	return err
}

// message returns a JSON text of about 1 KiB, another for every i.
func message(i int) []byte {
	var b strings.Builder
	b.WriteString(`{"items":[`)
	for j := range 12 {
		if j > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"name":"item number %d","price":%d.%02d,"tags":["red","round"],"stock":%v}`, i*100+j, j*j+i, i%90+j, j, j%3 == 0)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// resident returns the resident memory of a server in bytes.
func resident(addr string) (int, error) {
	resp, err := http.Get("http://" + addr + "/memory")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(body))
}
