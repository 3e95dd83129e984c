package websocket

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMessages(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.expectCloseThenClose(1000)
		p.send(p.text("1"), p.binary(""), p.frame(false, opText, "2"), p.frame(true, opContinuation, "3"), p.close(1000, ""))
		var got []Message
		for message, err := range c.Messages(t.Context()) {
			require.NoError(t, err)
			got = append(got, message)
		}
		require.Equal(t, []Message{{TextMessage, []byte("1")}, {BinaryMessage, []byte{}}, {TextMessage, []byte("23")}}, got)
		for range c.Messages(t.Context()) {
			t.Fatal("a message or an error after the end")
		}
	})
}

func TestMessagesEnd(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(c *Conn, p *peer)
		want error
	}{
		{"1000", func(c *Conn, p *peer) { p.send(p.close(1000, "bye")) }, nil},
		{"1001", func(c *Conn, p *peer) { p.send(p.close(1001, "")) }, nil},
		{"no code", func(c *Conn, p *peer) { p.send(p.close(CloseNoStatusReceived, "")) }, nil},
		{"ours first", func(c *Conn, p *peer) {
			c.WriteMessage(CloseMessage, FormatCloseMessage(1000, ""))
			p.send(p.close(1000, ""))
		}, nil},
		{"1011", func(c *Conn, p *peer) { p.send(p.close(1011, "oops")) }, &CloseError{1011, "oops"}},
		{"4000", func(c *Conn, p *peer) { p.send(p.close(4000, "")) }, &CloseError{4000, ""}},
		{"lost", func(c *Conn, p *peer) { p.conn.CloseWrite() }, &CloseError{1006, "unexpected EOF"}},
		{"Close", func(c *Conn, p *peer) { c.Close() }, net.ErrClosed},
		{"violation", func(c *Conn, p *peer) { p.send(p.frame(true, 3, "")) }, errReservedOpcode},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				p.closeAfterConn()
				test.end(c, p)
				for range 2 {
					var errs []error
					for message, err := range c.Messages(t.Context()) {
						require.Zero(t, message)
						errs = append(errs, err)
					}
					if test.want == nil {
						require.Empty(t, errs)
					} else {
						require.Equal(t, []error{test.want}, errs)
					}
				}
			})
		})
	}
}

// TestMessagesLoseNothing checks that no data is lost when the loop ends by break, by
// the end of a context and by a deadline.
func TestMessagesLoseNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.text("1"), p.text("2"), p.frame(false, opText, "3"))
		for message, err := range c.Messages(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, "1", string(message.Data))
			break
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var log []any
		for message, err := range c.Messages(ctx) {
			log = append(log, string(message.Data), err)
		}
		require.Equal(t, []any{"2", nil, "", context.DeadlineExceeded}, log)
		c.SetReadDeadline(time.Now().Add(time.Second))
		for _, err := range c.Messages(t.Context()) {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		c.SetReadDeadline(time.Time{})
		p.send(p.frame(true, opContinuation, "4"))
		for message, err := range c.Messages(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, "34", string(message.Data))
			break
		}
	})
}

// TestMessagesAllocations checks that nothing is allocated for each message but the
// message.
func TestMessagesAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
	c := newEndlessConn(true, opText, 1000)
	const n = 100
	got := testing.AllocsPerRun(10, func() {
		i := 0
		for _, err := range c.Messages(context.Background()) {
			if i++; err != nil || i == n {
				break
			}
		}
	})
	require.LessOrEqual(t, got, float64(n+4))
}
