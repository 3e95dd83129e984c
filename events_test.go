package websocket

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestServeEndsWithClose checks that Message is not called any more after Close,
// although there are messages in the buffer.
func TestServeEndsWithClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.text("1"), p.text("2"), p.text("3"))
		var events []string
		err := c.Serve(Events{
			Message: func(c *Conn, m Message) {
				events = append(events, string(m.Data))
				c.Close()
			},
			Error: func(*Conn, error) { events = append(events, "error") },
			Close: func(*Conn, CloseInfo) { events = append(events, "close") },
		})
		require.Equal(t, net.ErrClosed, err)
		require.Equal(t, []string{"1", "close"}, events)
	})
}

// recordEvents returns Events that append their calls to a log.
func recordEvents(log *[]string, name string) Events {
	add := func(format string, args ...any) { *log = append(*log, name+fmt.Sprintf(format, args...)) }
	return Events{
		Open:    func(c *Conn) { add("open %v", c.State()) },
		Message: func(_ *Conn, m Message) { add("message %d %s", m.Type, m.Data) },
		Error:   func(c *Conn, err error) { add("error %v, %v", err, c.State()) },
		Close:   func(c *Conn, info CloseInfo) { add("close %v, %v", info, c.State()) },
	}
}

func TestServe(t *testing.T) {
	stop := errors.New("stop")
	for _, test := range []struct {
		name string
		end  func(c *Conn, p *peer)
		err  error
		log  []string
	}{
		{"1000", func(c *Conn, p *peer) { p.send(p.close(1000, "bye")) }, nil,
			[]string{"close {1000 bye true}, closed"}},
		{"no code", func(c *Conn, p *peer) { p.send(p.close(CloseNoStatusReceived, "")) }, nil,
			[]string{"close {1005  true}, closed"}},
		{"1011", func(c *Conn, p *peer) { p.send(p.close(1011, "")) }, &CloseError{Code: 1011},
			[]string{"close {1011  true}, closed"}},
		{"ours first", func(c *Conn, p *peer) {
			c.WriteMessage(CloseMessage, FormatCloseMessage(1000, ""))
			p.send(p.close(1000, ""))
		}, nil,
			[]string{"close {1000  true}, closed"}},
		{"lost", func(c *Conn, p *peer) { p.conn.CloseWrite() }, &CloseError{1006, "unexpected EOF"},
			[]string{"error websocket: close 1006 (abnormal closure): unexpected EOF, closed", "close {1006  false}, closed"}},
		{"violation", func(c *Conn, p *peer) { p.send(p.frame(true, 3, "")) }, errReservedOpcode,
			[]string{"error websocket: reserved opcode, closed", "close {1006  false}, closed"}},
		{"silence", func(c *Conn, p *peer) { c.startKeepAlive(testKeepAlive) }, ErrKeepAlive,
			[]string{"error websocket: no sign of life from the peer, closed", "close {1006  false}, closed"}},
		{"handler", func(c *Conn, p *peer) {
			c.SetPingHandler(func(string) error { return stop })
			p.send(p.frame(true, opPing, ""))
		}, stop,
			[]string{"error stop, closed", "close {1006  false}, closed"}},
		{"Close", func(c *Conn, p *peer) { c.Close() }, net.ErrClosed,
			[]string{"close {1006  false}, closed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				p.closeAfterConn()
				p.send(p.text("1"), p.binary("2"))
				var log []string
				events := recordEvents(&log, "")
				message := events.Message
				events.Message = func(c *Conn, m Message) {
					message(c, m)
					if string(m.Data) == "2" {
						test.end(c, p)
					}
				}
				require.Equal(t, test.err, c.Serve(events))
				require.Equal(t, append([]string{"open open", "message 1 1", "message 2 2"}, test.log...), log)
				require.Equal(t, StateClosed, c.State())
			})
		})
	}
}

func TestServeWithoutListeners(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, events := range []Events{{}, JoinEvents()} {
			c, p := m.connect(t)
			p.closeAfterConn()
			p.send(p.text("1"), p.close(1000, ""))
			require.NoError(t, c.Serve(events))
		}
		c, p := m.connect(t)
		p.conn.Close()
		require.Equal(t, &CloseError{1006, "unexpected EOF"}, c.Serve(Events{}))
	})
}

func TestJoinEvents(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.send(p.text("x"))
		p.conn.CloseWrite()
		var log []string
		opened := Events{Open: func(*Conn) { log = append(log, "only open") }}
		require.Error(t, c.Serve(JoinEvents(recordEvents(&log, "a "), opened, Events{}, recordEvents(&log, "b "))))
		require.Equal(t, []string{
			"a open open", "only open", "b open open",
			"a message 1 x", "b message 1 x",
			"a error websocket: close 1006 (abnormal closure): unexpected EOF, closed",
			"b error websocket: close 1006 (abnormal closure): unexpected EOF, closed",
			"a close {1006  false}, closed", "b close {1006  false}, closed",
		}, log)
	})
}

// TestServePanics checks that the panic of a callback closes the connection and is not
// recovered.
func TestServePanics(t *testing.T) {
	const panicValue = "panic in a callback"
	fail := func() { panic(panicValue) }
	for name, events := range map[string]Events{
		"open":    {Open: func(*Conn) { fail() }},
		"message": {Message: func(*Conn, Message) { fail() }},
		"error":   {Error: func(*Conn, error) { fail() }},
		"close":   {Close: func(*Conn, CloseInfo) { fail() }},
	} {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, m mode) {
				c, p := m.connect(t)
				p.send(p.text("x"))
				p.conn.CloseWrite()
				require.PanicsWithValue(t, panicValue, func() { c.Serve(events) })
				<-c.Done()
				_, _, err := c.ReadMessage()
				require.ErrorIs(t, err, net.ErrClosed)
			})
		})
	}
}

// TestServeWhileOthersWrite checks that other goroutines can write to a connection
// that is served, and end it.
func TestServeWhileOthersWrite(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		var log []string
		served := make(chan error)
		go func() { served <- c.Serve(recordEvents(&log, "")) }()
		synctest.Wait()
		require.NoError(t, c.WriteMessage(TextMessage, []byte("hello")))
		p.expect(true, opText, "hello")
		go func() { p.send(p.pong(p.expectPing())) }()
		_, err := c.Ping(t.Context())
		require.NoError(t, err)
		c.SetReadDeadline(time.Now().Add(-1))
		require.ErrorContains(t, <-served, "timeout")
		require.Len(t, log, 3)
		require.Contains(t, log[1], "error")
	})
}
