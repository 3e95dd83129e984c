package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/seed23105783/websocket"
)

// servers are what is measured. Each handler returns when a goroutine of its
// own reads the connection, which sheds what net/http keeps for a request.
var servers = []struct {
	name    string
	handler http.HandlerFunc
}{
	{"this library", ours(15)},
	{"this library, windows of 4 KiB", ours(12)},
	{"gws", gwsHandler(15)},
	{"gws, windows of 4 KiB", gwsHandler(12)},
	{"coder", coderHandler},
	{"gorilla, which has no context takeover", gorillaHandler},
}

func runServer(name string) error {
	for _, s := range servers {
		if s.name != name {
			continue
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println(listener.Addr())
		mux := http.NewServeMux()
		mux.HandleFunc("/ws", s.handler)
		mux.HandleFunc("/memory", tellMemory)
		return http.Serve(listener, mux)
	}
	return fmt.Errorf("no server %q", name)
}

// tellMemory answers with the resident memory after a garbage collection.
func tellMemory(w http.ResponseWriter, _ *http.Request) {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what pools held is free after the second
	statm, err := os.ReadFile("/proc/self/statm")
	var size, pages int
	if err == nil {
		_, err = fmt.Fscan(bytes.NewReader(statm), &size, &pages)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, pages*os.Getpagesize())
}

func ours(bits int) http.HandlerFunc {
	side := websocket.CompressionSide{WindowBits: bits}
	u := websocket.Upgrader{Compression: &websocket.Compression{Server: side, Client: side}}
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				kind, p, err := c.ReadMessage()
				if err != nil || c.WriteMessage(kind, p) != nil {
					return
				}
			}
		}()
	}
}

func gorillaHandler(w http.ResponseWriter, r *http.Request) {
	u := gorilla.Upgrader{EnableCompression: true}
	c, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	go func() {
		defer c.Close()
		for {
			kind, p, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, p) != nil {
				return
			}
		}
	}()
}

func coderHandler(w http.ResponseWriter, r *http.Request) {
	c, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1})
	if err != nil {
		return
	}
	go func() {
		defer c.CloseNow()
		for {
			kind, reader, err := c.Reader(context.Background())
			if err != nil {
				return
			}
			p, err := io.ReadAll(reader)
			if err != nil || c.Write(context.Background(), kind, p) != nil {
				return
			}
		}
	}()
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}

func gwsHandler(bits int) http.HandlerFunc {
	u := gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
		Enabled: true, Threshold: 1, ServerContextTakeover: true, ClientContextTakeover: true,
		ServerMaxWindowBits: bits, ClientMaxWindowBits: bits,
	}})
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r)
		if err != nil {
			return
		}
		go c.ReadLoop()
	}
}
