package peer

import (
	"net/http"

	"github.com/seed23105783/websocket"
)

// An echo loop of ours.
type ourEcho func(c *websocket.Conn)

func ourServers() []*Server {
	all := []*Server{
		ourServer("websocket", echoMessage, nil),
		ourServer("websocket-append", echoAppended, nil),
		ourServer("websocket-immediate", echoAppended, func(u *websocket.Upgrader) { u.WriteImmediately = true }),
		ourServer("websocket-send", echoSend, nil),
	}
	all[0].broadcast = ourBroadcast
	return append(all, ourGroupServer(), ourEventServer())
}

// ourServer returns a server that echoes in one way, with what more its
// Upgrader is told.
func ourServer(name string, echo ourEcho, configure func(*websocket.Upgrader)) *Server {
	return &Server{Name: name, Ours: true, HTTP: true, Takes: func(Options) bool { return true },
		serve: overHTTP(func(o Options) upgrade {
			u := websocket.Upgrader{Compression: ourCompression(o)}
			if configure != nil {
				configure(&u)
			}
			return func(w http.ResponseWriter, r *http.Request) (any, func(), error) {
				c, err := u.Upgrade(w, r, nil)
				return c, func() { echo(c) }, err
			}
		})}
}

// ourCompression compresses all messages, as every peer is told to, at the
// default level.
func ourCompression(o Options) *websocket.Compression {
	if o.Compression == "" {
		return nil
	}
	side := websocket.CompressionSide{NoContextTakeover: o.Compression == Alone}
	if !side.NoContextTakeover {
		side.WindowBits = o.windowBits()
	}
	return &websocket.Compression{Threshold: -1, Server: side, Client: side}
}

func echoMessage(c *websocket.Conn) {
	defer c.Close()
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

func echoAppended(c *websocket.Conn) {
	defer c.Close()
	var buf []byte
	for {
		kind, p, err := c.AppendMessage(buf[:0])
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
		buf = p
	}
}

func ourBroadcast(conns []any, payload []byte) error {
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
