package websocket_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// lastWrites hand messages over for others to write, and then close the
// connection. They return what the peer is to receive before the end.
var lastWrites = []struct {
	name    string
	options options
	write   func(t *testing.T, c *websocket.Conn, p *rawPeer) []string
}{
	{"WriteMessage", options{}, answerTwo},
	{"Send beside a reader", options{}, func(t *testing.T, c *websocket.Conn, _ *rawPeer) []string {
		ended := async(func() error {
			_, _, err := c.ReadMessage()
			return err
		})
		defer wait(t, ended, "the reader")
		return sendThree(t, c)
	}},
	{"Send", options{}, func(t *testing.T, c *websocket.Conn, _ *rawPeer) []string { return sendThree(t, c) }},
	{"Broadcast beside a reader", options{}, func(t *testing.T, c *websocket.Conn, _ *rawPeer) []string {
		ended := async(func() error {
			_, _, err := c.ReadMessage()
			return err
		})
		defer wait(t, ended, "the reader")
		var group websocket.Group
		group.Add(c)
		group.BroadcastText("1")
		group.BroadcastText("2")
		require.NoError(t, c.Close())
		return []string{digest("1"), digest("2")}
	}},
	{"Send within Serve", options{}, func(t *testing.T, c *websocket.Conn, p *rawPeer) (want []string) {
		p.send(p.frame(finText, "1"), p.frame(finText, "2"))
		c.Serve(websocket.Events{Message: func(c *websocket.Conn, m websocket.Message) {
			want = sendThree(t, c)
		}})
		return want
	}},
}

// sendThree sends three messages and closes the connection.
func sendThree(t *testing.T, c *websocket.Conn) (want []string) {
	for i := range 3 {
		m := longMessage(i, 1000)
		require.NoError(t, c.Send(websocket.TextMessage, []byte(m)))
		want = append(want, digest(m))
	}
	require.NoError(t, c.Close())
	return want
}

// answerTwo answers two of three requests that come in one piece, and closes the
// connection. Neither answer is written at once, since there is another request.
func answerTwo(t *testing.T, c *websocket.Conn, p *rawPeer) (want []string) {
	p.send(p.frame(finText, "1"), p.frame(finText, "2"), p.frame(finText, "3"))
	for range 2 {
		_, data, err := c.ReadMessage()
		require.NoError(t, err)
		require.NoError(t, c.WriteMessage(websocket.TextMessage, data))
		want = append(want, digest(string(data)))
	}
	require.NoError(t, c.Close())
	return want
}

// TestCloseAfterWrites: what has been accepted before Close is written as far as
// the socket takes it without waiting. Over TLS and HTTP/2 Close gives up after a while,
// which a busy machine may need.
func TestCloseAfterWrites(t *testing.T) {
	for _, last := range lastWrites {
		t.Run(last.name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				s := r.source(t, last.options)
				late := 0
				for range 50 {
					c, p := s.connect()
					want := last.write(t, c, p)
					got := p.receive(0)
					if n := len(got.messages); r.tls && n < len(want) {
						require.ElementsMatch(t, want[:n], got.messages)
						p.socket.Close()
						late++
						continue
					}
					require.Equal(t, want, got.messages)
					if r.http2 && r.client { // RFC 8441, Section 5
						require.ErrorIs(t, got.err, errReset)
					} else {
						require.Equal(t, io.EOF, got.err)
					}
					p.socket.Close()
				}
				require.Less(t, late, 25)
			})
		})
	}
}
