package peer

import (
	"bytes"
	"context"
	"net/http"

	"github.com/coder/websocket"
)

func coderServers() []*Server {
	return []*Server{{Name: "coder", HTTP: true,
		// Windows of other sizes than 32 KiB are not for it.
		Takes: func(o Options) bool { return o.windowBits() == 15 },
		serve: overHTTP(func(o Options) upgrade {
			options := websocket.AcceptOptions{CompressionMode: coderMode(o.Compression), CompressionThreshold: 1}
			return func(w http.ResponseWriter, r *http.Request) (any, func(), error) {
				c, err := websocket.Accept(w, r, &options)
				return c, func() { coderEcho(c) }, err
			}
		}),
		broadcast: coderBroadcast,
	}}
}

func coderMode(compression string) websocket.CompressionMode {
	switch compression {
	case Alone:
		return websocket.CompressionNoContextTakeover
	case Takeover:
		return websocket.CompressionContextTakeover
	}
	return websocket.CompressionDisabled
}

// coderEcho reads into a buffer that it keeps, which is faster than Read.
func coderEcho(c *websocket.Conn) {
	defer c.CloseNow()
	c.SetReadLimit(-1) // it is 32 KiB otherwise
	ctx := context.Background()
	var buf bytes.Buffer
	for {
		kind, r, err := c.Reader(ctx)
		if err != nil {
			return
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil || c.Write(ctx, kind, buf.Bytes()) != nil {
			return
		}
	}
}

func coderBroadcast(conns []any, payload []byte) error {
	for _, c := range conns {
		if err := c.(*websocket.Conn).Write(context.Background(), websocket.MessageText, payload); err != nil {
			return err
		}
	}
	return nil
}
