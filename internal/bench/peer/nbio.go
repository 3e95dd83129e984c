package peer

import (
	"net"
	"net/http"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

func nbioServers() []*Server {
	takes := func(o Options) bool { return o.Compression != Takeover && !o.InHandler }
	return []*Server{
		{Name: "nbio", Takes: takes, serve: nbioServe(nbhttp.IOModNonBlocking), broadcast: nbioBroadcast},
		{Name: "nbio-blocking", Takes: takes, serve: nbioServe(nbhttp.IOModBlocking), broadcast: nbioBroadcast},
	}
}

// nbioServe returns a server with the package's own HTTP: with a few
// goroutines for all connections, or with one for each.
func nbioServe(mode int) func(net.Listener, Options, *Hub) error {
	return func(l net.Listener, o Options, h *Hub) error {
		logging.SetLevel(logging.LevelError)
		u := websocket.NewUpgrader()
		u.EnableCompression(o.Compression != "")
		u.OnMessage(func(c *websocket.Conn, kind websocket.MessageType, p []byte) { c.WriteMessage(kind, p) })
		u.OnOpen(func(c *websocket.Conn) { h.add(c) })
		u.BlockingModAsyncWrite = false // as for speed where nobody else writes
		engine := nbhttp.NewEngine(nbhttp.Config{
			Network: "tcp", Addrs: []string{l.Addr().String()},
			Listen:                       func(string, string) (net.Listener, error) { return l, nil },
			IOMod:                        mode,
			MaxLoad:                      1 << 20,
			MaxBlockingOnline:            1 << 20,
			ReleaseWebsocketPayload:      true,
			MaxWebsocketFramePayloadSize: 32 << 20, // answers in one frame, as all others do
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				u.Upgrade(w, r, nil)
			}),
		})
		u.Engine = engine // what blocks takes the default one's settings otherwise
		if err := engine.Start(); err != nil {
			return err
		}
		select {}
	}
}

func nbioBroadcast(conns []any, payload []byte) error {
	for _, c := range conns {
		if err := c.(*websocket.Conn).WriteMessage(websocket.TextMessage, payload); err != nil {
			return err
		}
	}
	return nil
}
