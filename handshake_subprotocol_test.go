package websocket

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goodSubprotocols are values that can be offered and chosen. Some of them are
// not tokens, but in use.
var goodSubprotocols = []string{
	"chat",
	"SPDY/3.1+portforward.k8s.io",
	"v5.channel.k8s.io",
	"base64url.bearer.authorization.k8s.io.dG9rZW4",
	"http://example.com/protocol?version=2;draft",
	"!#$%&'()*+-./:;<=>?@[\\]^_`{|}~",
}

// badSubprotocols are invalid. The empty string and the comma are not among them:
// they have another meaning in a header field.
var badSubprotocols = []string{
	"a b", `"a"`, `a"`, "a\tb", "a\r\nX: b", "a\nb", "a\rb", "a\x00", "\x7f", "ä", "\xff", "a\u00a0", "\u2028",
}

// TestSubprotocolsOnTheWire offers and selects each good value: by the fields
// of Dialer and Upgrader, and by their header arguments.
func TestSubprotocolsOnTheWire(t *testing.T) {
	header := func(value string) http.Header { return http.Header{"Sec-WebSocket-Protocol": {value}} }
	for _, protocol := range goodSubprotocols {
		for _, byHeader := range []bool{false, true} {
			s := newTestHandler(t)
			d := &Dialer{}
			var request http.Header
			if byHeader {
				s.header, request = header(protocol), header("other, "+protocol)
			} else {
				s.Subprotocols, d.Subprotocols = []string{protocol}, []string{"other", protocol}
			}
			chosen := make(chan string, 1)
			s.handle = func(c *Conn) { chosen <- c.Subprotocol() }
			c, resp, err := d.Dial(s.listen(t).URL, request)
			require.NoError(t, err, protocol)
			assert.Equal(t, protocol, c.Subprotocol())
			assert.Equal(t, protocol, <-chosen)
			assert.Equal(t, []string{protocol}, resp.Header.Values("Sec-WebSocket-Protocol"))
			require.NoError(t, c.Close())
		}
	}
}

// TestServerRefusesSubprotocols covers what the client offers, what the
// Upgrader is configured with, and what responseHeader selects.
func TestServerRefusesSubprotocols(t *testing.T) {
	expect := func(u *Upgrader, r *http.Request, header http.Header, status int, field string) {
		t.Helper()
		w, _ := newPipeHijacker(0, nil)
		_, err := u.Upgrade(w, r, header)
		var refused HandshakeError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, status, refused.Status(), err)
		assert.Contains(t, err.Error(), field)
		assert.NotContains(t, err.Error(), "\n")
	}
	for _, bad := range append(badSubprotocols, "a,b") {
		r := parseRequest(t, sampleRequest)
		expect(&Upgrader{Subprotocols: []string{"fine", bad}}, r, nil, 500, "Upgrader.Subprotocols")
		expect(&Upgrader{}, r, http.Header{"Sec-WebSocket-Protocol": {bad}}, 500, "response header")
	}
	for _, bad := range badSubprotocols {
		r := parseRequest(t, sampleRequest)
		r.Header["Sec-Websocket-Protocol"] = []string{"fine", bad}
		expect(&Upgrader{Subprotocols: []string{"fine"}}, r, nil, 400, "Sec-WebSocket-Protocol")
		assert.Nil(t, Subprotocols(r))
	}
}

// TestEmptySubprotocolOfServer checks that an empty value selects no subprotocol,
// as in gorilla/websocket.
func TestEmptySubprotocolOfServer(t *testing.T) {
	for _, byHeader := range []bool{false, true} {
		s := newTestHandler(t)
		if byHeader {
			s.header = http.Header{"Sec-WebSocket-Protocol": {""}}
		} else {
			s.Subprotocols = []string{"", "b"}
		}
		s.handle = func(*Conn) {}
		answer := rawExchange(t, s.listen(t).Listener.Addr(), addHeader("", "Sec-WebSocket-Protocol: a").text(t))
		require.NoError(t, <-s.upgradeErrors)
		assert.Empty(t, answer.header["Sec-Websocket-Protocol"])
	}
}

// TestClientRefusesSubprotocols covers both ways to offer subprotocols. Dial fails
// before it connects.
func TestClientRefusesSubprotocols(t *testing.T) {
	for _, bad := range badSubprotocols {
		for field, test := range map[string]struct {
			subprotocols []string
			header       http.Header
		}{
			"Dialer.Subprotocols": {subprotocols: []string{"fine", bad}},
			"request header":      {header: http.Header{"Sec-WebSocket-Protocol": {"fine, " + bad}}},
		} {
			s := newFakeNetwork(acceptHandshake)
			_, _, err := (&Dialer{NetDialContext: s.dial, Subprotocols: test.subprotocols}).Dial("ws://example.com/", test.header)
			var failed HandshakeError
			require.ErrorAs(t, err, &failed, "%q in %s", bad, field)
			assert.Contains(t, err.Error(), field)
			assert.NotContains(t, err.Error(), "\n")
			assert.Empty(t, s.dialed())
		}
	}
}

// TestClientRefusesAnsweredSubprotocols has a server that selects an invalid
// subprotocol. net/http accepts its response.
func TestClientRefusesAnsweredSubprotocols(t *testing.T) {
	for _, bad := range badSubprotocols {
		if strings.ContainsAny(bad, "\r\n\x00\x7f") {
			continue // not one value of a header that net/http accepts
		}
		synctest.Test(t, func(t *testing.T) {
			s := newFakeNetwork(func(r *http.Request) string { return acceptingResponse(r, "Sec-WebSocket-Protocol: "+bad) })
			_, _, err := (&Dialer{NetDialContext: s.dial, Subprotocols: []string{"chat"}}).Dial("ws://example.com/", nil)
			require.ErrorIs(t, err, ErrBadHandshake)
			assert.Contains(t, err.Error(), "Sec-WebSocket-Protocol")
			s.open.Wait()
		})
	}
}
