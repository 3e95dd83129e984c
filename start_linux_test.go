package websocket_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestStartWithoutDescriptors: connections of a process that has no descriptor left get
// messages, and end, as others do.
func TestStartWithoutDescriptors(t *testing.T) {
	eachStart(t, func(t *testing.T, r route, start starter) {
		const n = 5
		var g websocket.Group
		var logs [n]eventLog
		var peers [n]*rawPeer
		for i := range n {
			var c *websocket.Conn
			c, peers[i] = start(t, r, options{}, recordTo(&logs[i]))
			g.Add(c)
		}
		release := wstest.TakeDescriptors(t)
		for _, p := range peers {
			p.send(p.frame(finText, "hello"))
			f, err := p.next()
			require.NoError(t, err)
			require.Equal(t, "hello", f.payload)
		}
		ended := async(func() error { return g.Shutdown(t.Context(), 1001, "") })
		for _, p := range peers {
			f, err := p.next()
			require.NoError(t, err)
			require.EqualValues(t, finClose, f.first)
			p.send(p.closeFrame(1001))
			p.closeWrite()
		}
		require.NoError(t, wait(t, ended, "Shutdown"))
		release()
		for i := range n {
			require.Equal(t, []string{"open", "message 1 hello", "close {1001  true}"}, logs[i].wait(t))
		}
	})
}
