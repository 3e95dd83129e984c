package peer

import (
	"bytes"
	"net/http"

	"github.com/gorilla/websocket"
)

func gorillaServers() []*Server {
	read := gorillaServer("gorilla", gorillaMessage)
	read.broadcast = gorillaBroadcast
	return []*Server{read, gorillaServer("gorilla-reader", gorillaReader)}
}

func gorillaServer(name string, echo func(*websocket.Conn)) *Server {
	return &Server{Name: name, HTTP: true, Takes: func(o Options) bool { return o.Compression != Takeover },
		serve: overHTTP(func(o Options) upgrade {
			u := websocket.Upgrader{EnableCompression: o.Compression != ""}
			return func(w http.ResponseWriter, r *http.Request) (any, func(), error) {
				c, err := u.Upgrade(w, r, nil)
				return c, func() { echo(c) }, err
			}
		})}
}

func gorillaMessage(c *websocket.Conn) {
	defer c.Close()
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

// gorillaReader keeps its buffer, the faster way for long messages.
func gorillaReader(c *websocket.Conn) {
	defer c.Close()
	var buf bytes.Buffer
	for {
		kind, r, err := c.NextReader()
		if err != nil {
			return
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil || c.WriteMessage(kind, buf.Bytes()) != nil {
			return
		}
	}
}

func gorillaBroadcast(conns []any, payload []byte) error {
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, payload)
	if err != nil {
		return err
	}
	for _, c := range conns {
		if err := c.(*websocket.Conn).WritePreparedMessage(m); err != nil {
			return err
		}
	}
	return nil
}
