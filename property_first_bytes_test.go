package websocket_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// firstBytes are beginnings of frames that break a rule. The mask bit is added
// where it belongs.
var firstBytes = []struct {
	name   string
	before string // the payload of a fragment before, or ""
	bytes  string
	code   int
}{
	{"reserved bit 1", "", "\xC1\x05", 1002},
	{"reserved bit 2", "", "\xA1\x05", 1002},
	{"reserved bit 3", "", "\x91\x05", 1002},
	{"reserved opcode of data", "", "\x83\x05", 1002},
	{"reserved control opcode", "", "\x8B\x05", 1002},
	{"fragmented ping", "", "\x09\x05", 1002},
	{"fragmented close", "", "\x08\x05", 1002},
	{"ping of 126 bytes", "", "\x89\x7E", 1002},
	{"close of 64 bits", "", "\x88\x7F", 1002},
	{"continuation outside a message", "", "\x80\x05", 1002},
	{"text inside a message", "begun", "\x81\x05", 1002},
	{"binary inside a message", "begun", "\x02\x7E", 1002},
	{"length above the limit in 16 bits", "", "\x82\x7E\x10\x01", 1009},
	{"length above the limit in 64 bits", "", "\x82\x7F\x00\x00\x00\x01\x00\x00\x00\x00", 1009},
	{"continuation above the limit", "begun", "\x80\x7E\x0F\xFC", 1009},
	{"length that is not minimal", "", "\x82\x7E\x00\x05", 1002},
	{"length with its high bit set", "", "\x82\x7F\x80\x00\x00\x00\x00\x00\x00\x00", 1002},
}

// TestFirstBytesAreEnough checks that a frame that breaks a rule is answered when
// the bytes that show it have come. The peer sends nothing after them.
func TestFirstBytesAreEnough(t *testing.T) {
	for _, test := range firstBytes {
		t.Run(test.name, func(t *testing.T) {
			eachRoute(t, func(t *testing.T, r route) {
				c, p := r.connect(t, options{readLimit: 4096})
				if test.before != "" {
					p.send(p.frame(0x01, test.before))
				}
				b := []byte(test.bytes)
				if p.masked {
					b[1] |= 0x80
				}
				p.send(b)
				requireRefused(t, c, p, test.code)
			}, tcpRoutes, tlsRoutes, http2Routes)
		})
	}
	t.Run("mask bit", func(t *testing.T) {
		eachRoute(t, func(t *testing.T, r route) {
			c, p := r.connect(t, options{})
			b := []byte{finText, 0x80}
			if p.masked {
				b[1] = 0
			}
			p.send(b)
			requireRefused(t, c, p, 1002)
		}, tcpRoutes, tlsRoutes, http2Routes)
	})
}

// requireRefused checks that a connection ends because of what the peer has sent,
// and that the peer is told.
func requireRefused(t *testing.T, c *websocket.Conn, p *rawPeer, code int) {
	t.Helper()
	read := async(func() error {
		_, _, err := c.ReadMessage()
		return err
	})
	f, err := p.next()
	require.NoError(t, err)
	require.EqualValues(t, 8, f.opcode())
	require.Equal(t, code, f.closeCode())
	err = wait(t, read, "the read")
	if code == websocket.CloseMessageTooBig {
		require.Equal(t, websocket.ErrReadLimit, err)
		return
	}
	var violation *websocket.ProtocolError
	require.ErrorAs(t, err, &violation)
	require.Equal(t, code, violation.Code)
}
