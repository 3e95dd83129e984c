package main

import (
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"github.com/seed23105783/websocket"
)

var (
	//go:embed page.html
	pageHTML string

	//go:embed page.js
	pageJS string

	page = template.Must(template.New("page").Parse(pageHTML))
)

// A chat serves the pages, and at /chat the connections, each of whose messages
// goes to all.
type chat struct {
	http.Handler
	members websocket.Group
}

// newChat returns a chat whose page in Go has this program, run by this script.
func newChat(program, script string) *chat {
	c := new(chat)
	upgrader := websocket.Upgrader{
		ReadLimit: 64 << 10,
		KeepAlive: websocket.KeepAlive{Interval: 30 * time.Second},
		Group:     &c.members,
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/go", http.StatusFound))
	mux.HandleFunc("GET /go", servePage("Go"))
	mux.HandleFunc("GET /javascript", servePage("JavaScript"))
	mux.HandleFunc("GET /page.wasm", serveFile(program))
	mux.HandleFunc("GET /wasm_exec.js", serveFile(script))
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write([]byte(pageJS))
	})
	mux.Handle("GET /chat", upgrader.Handler(c.receive))
	c.Handler = mux
	return c
}

// receive sends the messages of a member to all.
func (c *chat) receive(conn *websocket.Conn, r *http.Request) {
	for message, err := range conn.Messages(r.Context()) {
		if err != nil {
			return
		}
		if message.Type == websocket.TextMessage {
			c.members.BroadcastText(string(message.Data))
		}
	}
}

func servePage(language string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, language)
	}
}

func serveFile(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) }
}
