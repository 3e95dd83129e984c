package websocket

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

func TestClosingSteps(t *testing.T) {
	var c closing
	assert.Equal(t, StateOpen, c.state())
	c.receiveClose(&CloseError{Code: 1000})
	assert.False(t, c.add(closeReceived), "only once")
	assert.Equal(t, StateClosing, c.state())
	assert.False(t, c.has(closeSent))
	assert.True(t, c.add(closeSending))
	c.cancelClose()
	assert.NoError(t, c.writeError())
	assert.True(t, c.add(closeSending))
	assert.Equal(t, ErrCloseSent, c.writeError())
	assert.Equal(t, StateClosing, c.state())
	assert.Zero(t, c.info())
	assert.True(t, c.end(net.ErrClosed))
	assert.False(t, c.end(net.ErrClosed), "only once")
	c.add(closeSent)
	assert.Equal(t, CloseInfo{Code: 1000}, c.info(), "too late to be clean")
	assert.Equal(t, StateClosed, c.state())
}

func TestStateValues(t *testing.T) {
	for want, s := range []State{StateConnecting, StateOpen, StateClosing, StateClosed} {
		assert.Equal(t, want, int(s))
	}
	assert.Equal(t, "connecting open closing closed State(4)",
		fmt.Sprint(StateConnecting, " ", StateOpen, " ", StateClosing, " ", StateClosed, " ", State(4)))
}

func TestCloseInfo(t *testing.T) {
	ignore := func(int, string) error { return nil }
	for _, test := range []struct {
		name string
		end  func(c *Conn, p *peer) // called before the connection is read
		want CloseInfo
	}{
		{"peer first", func(c *Conn, p *peer) { p.expectCloseThenClose(1000); p.send(p.close(1000, "bye")) }, CloseInfo{1000, "bye", true}},
		{"no code", func(c *Conn, p *peer) { p.closeAfterConn(); p.send(p.close(1005, "")) }, CloseInfo{1005, "", true}},
		{"application code", func(c *Conn, p *peer) { p.expectCloseThenClose(4999); p.send(p.close(4999, "x")) }, CloseInfo{4999, "x", true}},
		{"ours first", func(c *Conn, p *peer) {
			c.WriteMessage(CloseMessage, FormatCloseMessage(1001, "mine"))
			p.expectClose(1001)
			p.closeAfterConn()
			p.send(p.close(3000, "theirs"))
		}, CloseInfo{3000, "theirs", true}},
		{"no close frame", func(c *Conn, p *peer) { p.conn.Close() }, CloseInfo{Code: 1006}},
		{"ours not answered", func(c *Conn, p *peer) {
			c.WriteMessage(CloseMessage, FormatCloseMessage(1000, ""))
			p.conn.CloseWrite()
		}, CloseInfo{Code: 1006}},
		{"theirs not answered", func(c *Conn, p *peer) { c.SetCloseHandler(ignore); p.send(p.close(1000, "bye")) }, CloseInfo{1000, "bye", false}},
		{"Close", func(c *Conn, p *peer) { c.Close() }, CloseInfo{Code: 1006}},
		{"violation", func(c *Conn, p *peer) { p.expectCloseThenClose(1002); p.send(p.frame(true, 3, "")) }, CloseInfo{Code: 1006}},
		{"bad close frame", func(c *Conn, p *peer) { p.expectCloseThenClose(1002); p.send(p.frame(true, opClose, "\x00\x00")) }, CloseInfo{Code: 1006}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				require.Zero(t, c.CloseInfo())
				select {
				case <-c.Done():
					t.Fatal("done before the end")
				default:
				}
				test.end(c, p)
				_, _, err := c.ReadMessage()
				require.Error(t, err)
				c.Close() // after some of the ends it is for the application to close
				<-c.Done()
				require.Equal(t, test.want, c.CloseInfo())
			})
		})
	}
}

// TestCloseInfoWithUnsentAnswer checks that an end is not clean if only a part of
// the close frame was sent.
func TestCloseInfoWithUnsentAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(3, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{})
		p := &peer{t: t, conn: b, masked: true}
		go b.Write(p.close(1000, "bye"))
		_, _, err := c.ReadMessage()
		require.Equal(t, &CloseError{1000, "bye"}, err)
		c.Close()
		require.Equal(t, CloseInfo{1000, "bye", false}, c.CloseInfo())
	})
}

// TestCloseInfoDoesNotChange checks that a close frame that is found in the buffer
// after Close does not count.
func TestCloseInfoDoesNotChange(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		c.SetPingHandler(func(string) error {
			c.Close()
			return nil
		})
		p.send(p.frame(true, opPing, ""), p.close(1000, "late"))
		c.ReadMessage()
		<-c.Done()
		require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
		time.Sleep(settleTime)
		require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
	})
}
