package peer

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

func gwsServers() []*Server {
	takes := func(Options) bool { return true }
	return []*Server{
		{Name: "gws", HTTP: true, Takes: takes, broadcast: gwsBroadcast, serve: overHTTP(gwsUpgrade)},
		// Its own HTTP server, which does handshakes with less.
		{Name: "gws-own", Takes: plain, serve: func(l net.Listener, o Options, _ *Hub) error {
			return gws.NewServer(gwsEcho{}, gwsOption(o)).RunListener(l)
		}},
	}
}

// A gwsEcho is told of messages and sends them back.
type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}

func gwsUpgrade(o Options) upgrade {
	u := gws.NewUpgrader(gwsEcho{}, gwsOption(o))
	return func(w http.ResponseWriter, r *http.Request) (any, func(), error) {
		c, err := u.Upgrade(w, r)
		return c, func() { c.ReadLoop() }, err
	}
}

func gwsOption(o Options) *gws.ServerOption {
	takeover := o.Compression == Takeover
	return &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
		Enabled: o.Compression != "", Threshold: 1,
		ServerContextTakeover: takeover, ClientContextTakeover: takeover,
		ServerMaxWindowBits: o.windowBits(), ClientMaxWindowBits: o.windowBits(),
	}}
}

func gwsBroadcast(conns []any, payload []byte) error {
	b := gws.NewBroadcaster(gws.OpcodeText, payload)
	defer b.Close()
	for _, c := range conns {
		if err := b.Broadcast(c.(*gws.Conn)); err != nil {
			return err
		}
	}
	return nil
}
