package websocket_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestStartStorm opens and closes connections, from both ends, while messages are under
// way: no connection gets what is another's, and each gets all its events.
func TestStartStorm(t *testing.T) {
	websocket.NeedsSockets(t)
	for _, r := range []route{{network: "tcp"}, {network: "unix"}, {network: "tcp", tls: true}} {
		t.Run(r.String(), func(t *testing.T) {
			var opened, closed, foreign atomic.Int32
			var owners sync.Map // *websocket.Conn → the first message
			s := r.source(t, options{events: &websocket.Events{
				ReuseData: true,
				Open:      func(*websocket.Conn) { opened.Add(1) },
				Message: func(c *websocket.Conn, m websocket.Message) {
					id := string(m.Data)
					if owner, _ := owners.LoadOrStore(c, id); owner != id {
						foreign.Add(1)
					}
					if c.WriteMessage(m.Type, m.Data) != nil || strings.HasSuffix(id, "7") {
						c.Close()
					}
				},
				Close: func(c *websocket.Conn, _ websocket.CloseInfo) {
					closed.Add(1)
					owners.Delete(c)
				},
			}})
			go func() {
				for {
					select {
					case <-s.upgraded:
					case <-t.Context().Done():
						return
					}
				}
			}()
			const workers, rounds = 8, 60
			var done sync.WaitGroup
			for w := range workers {
				done.Go(func() {
					for i := range rounds {
						stormClient(t, s, fmt.Sprint("client ", w, " ", i), i)
					}
				})
			}
			done.Wait()
			require.Zero(t, foreign.Load())
			wstest.Settle(t, "events", func() bool { return closed.Load() == opened.Load() })
			require.Greater(t, opened.Load(), int32(workers*rounds/2))
		})
	}
}

// stormClient opens a connection, sends its id some times, and closes the connection
// whatever is under way.
func stormClient(t *testing.T, s *source, id string, i int) {
	conn, err := net.Dial(s.route.network, s.listener.Addr().String())
	if !assert.NoError(t, err) {
		return
	}
	defer conn.Close()
	p := &rawPeer{t: t, Conn: conn, socket: conn, masked: true}
	if s.route.tls {
		p.Conn = tls.Client(conn, clientTLS())
	}
	io.WriteString(p, handshake)
	answer := make([]byte, 1000)
	if n, _ := p.Read(answer); !assert.Contains(t, string(answer[:n]), "101") {
		return
	}
	for range i % 5 {
		p.Write(p.frame(finText, id))
		if i%3 == 0 {
			p.Read(answer)
		}
	}
	if i%4 == 0 {
		p.Write(p.closeFrame(1000))
	}
	if tcp, ok := conn.(*net.TCPConn); ok && i%7 == 0 {
		tcp.SetLinger(0)
	}
}
