package websocket

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusals are answers of servers that do not take an offer of compression, and whether
// a second request without the offer may help.
var refusals = []struct {
	name   string
	answer func(r *http.Request) string
	helps  bool
}{
	{"status 400", func(*http.Request) string { return "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" }, true},
	{"status 500", func(*http.Request) string { return "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n" }, true},
	{"status 501", func(*http.Request) string { return "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n" }, true},
	{"other parameters", func(r *http.Request) string {
		return acceptingResponse(r, "Sec-WebSocket-Extensions: permessage-deflate; unknown")
	}, true},
	{"other extension", func(r *http.Request) string {
		return acceptingResponse(r, "Sec-WebSocket-Extensions: permessage-bzip2")
	}, true},
	{"no syntax", func(r *http.Request) string { return acceptingResponse(r, "Sec-WebSocket-Extensions: ;;") }, true},
	{"status 401", func(*http.Request) string { return "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n" }, false},
	{"status 302", func(*http.Request) string { return "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" }, false},
	{"wrong accept", func(*http.Request) string {
		return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
	}, false},
}

// TestCompressionSecondTry checks that a Dialer with FallBack asks a second time, without
// an offer, where that may help, and no other does.
func TestCompressionSecondTry(t *testing.T) {
	for _, refusal := range refusals {
		for _, wish := range []*Compression{{}, {FallBack: true}, {FallBack: true, Required: true}} {
			t.Run(fmt.Sprintf("%s/FallBack=%t,Required=%t", refusal.name, wish.FallBack, wish.Required), func(t *testing.T) {
				var requests, done atomic.Int32
				network := newFakeNetwork(func(r *http.Request) string {
					requests.Add(1)
					if r.Header.Get(headerExtensions) != "" {
						return refusal.answer(r)
					}
					return acceptingResponse(r) + "\x81\x05plain"
				})
				d := &Dialer{NetDialContext: network.dial, Compression: wish, HandshakeTimeout: testTimeout,
					Trace: &Trace{HandshakeDone: func(*Conn, *http.Request, error) { done.Add(1) }}}
				c, _, err := d.Dial("ws://example.com/", nil)
				assert.Equal(t, int32(1), done.Load())
				if wish.FallBack && !wish.Required && refusal.helps {
					require.NoError(t, err)
					defer c.Close()
					assert.Equal(t, int32(2), requests.Load())
					assert.Empty(t, c.Extensions())
					require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
					expectMessages(t, c, []string{"plain"})
					return
				}
				require.ErrorIs(t, err, ErrBadHandshake)
				assert.Nil(t, c)
				assert.Equal(t, int32(1), requests.Load())
			})
		}
	}
}

// TestRefusedTwice checks that the second answer is what the caller gets if the server
// refuses a request without an offer, too.
func TestRefusedTwice(t *testing.T) {
	var requests atomic.Int32
	network := newFakeNetwork(func(*http.Request) string {
		return fmt.Sprintf("HTTP/1.1 400 Bad Request\r\nX-Request: %d\r\nContent-Length: 0\r\n\r\n", requests.Add(1))
	})
	d := &Dialer{NetDialContext: network.dial, Compression: &Compression{FallBack: true}}
	_, resp, err := d.Dial("ws://example.com/", nil)
	require.Equal(t, ErrBadHandshake, err)
	require.Equal(t, "2", resp.Header.Get("X-Request"))
}
