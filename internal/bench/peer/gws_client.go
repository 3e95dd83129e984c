package peer

import (
	"github.com/lxzan/gws"
)

// A gwsClient sends the next message when it is told of the answer.
type gwsClient struct {
	gws.BuiltinEventHandler
	opcode  gws.Opcode
	message []byte
	stop    func() bool
	n       int
	done    chan error
}

func gwsDial(addr string, opcode byte, message []byte) (RoundTrips, error) {
	g := &gwsClient{opcode: gws.Opcode(opcode), message: message, done: make(chan error, 1)}
	c, _, err := gws.NewClient(g, &gws.ClientOption{Addr: "ws://" + addr + "/ws"})
	if err != nil {
		return nil, err
	}
	go c.ReadLoop()
	return func(stop func() bool) (int, error) {
		g.stop, g.n = stop, 0
		if err := c.WriteMessage(g.opcode, g.message); err != nil {
			return 0, err
		}
		err := <-g.done
		return g.n, err
	}, nil
}

func (g *gwsClient) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	err := check(m.Bytes(), g.message)
	g.n++
	if err == nil && !g.stop() {
		err = c.WriteMessage(g.opcode, g.message)
		if err == nil {
			return
		}
	}
	g.done <- err
}

func (g *gwsClient) OnClose(_ *gws.Conn, err error) {
	select {
	case g.done <- err:
	default:
	}
}
