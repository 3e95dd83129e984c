package peer

import (
	"net/http"
	"time"

	"github.com/seed23105783/websocket"
)

// ourEventServer echoes from event functions, without a goroutine for each
// connection. It broadcasts through a Group.
func ourEventServer() *Server {
	events := &websocket.Events{ReuseData: true, Message: func(c *websocket.Conn, m websocket.Message) {
		if string(m.Data) == SleepRequest {
			time.Sleep(Sleep)
		}
		if c.WriteMessage(m.Type, m.Data) != nil {
			c.Close()
		}
	}}
	group := new(websocket.Group)
	return &Server{Name: "websocket-events", Ours: true, Sleeps: true, HTTP: true, Takes: func(o Options) bool { return !o.InHandler && !o.HTTP2 },
		broadcast: groupBroadcast(group),
		serve: overHTTP(func(o Options) upgrade {
			u := websocket.Upgrader{Compression: ourCompression(o), Events: events}
			if o.Broadcast {
				u.Group = group
			}
			return func(w http.ResponseWriter, r *http.Request) (any, func(), error) {
				c, err := u.Upgrade(w, r, nil)
				return c, nil, err
			}
		})}
}
