package websocket

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/httphead"
)

// A negotiator answers an offer of permessage-deflate as a certain server does.
// It reports false if the server declines the offer.
type negotiator func(offer httphead.Extension) (answer string, ok bool)

// negotiators answer as other servers do, according to their source code.
var negotiators = map[string]negotiator{
	// Tornado 6 loses parameters without a value, and returns all others.
	"Tornado": func(offer httphead.Extension) (string, bool) {
		return echoParams(offer, func(p httphead.Param) bool { return p.HasValue })
	},
	// Jetty 9 to 12 and Undertow 2 ignore window sizes.
	"Jetty": func(offer httphead.Extension) (string, bool) {
		return echoParams(offer, func(p httphead.Param) bool { return !strings.HasSuffix(p.Name, "_max_window_bits") })
	},
	// Java-WebSocket up to 1.5 never takes over its context.
	"Java-WebSocket 1.5": func(offer httphead.Extension) (string, bool) {
		answer := "permessage-deflate; server_no_context_takeover"
		if hasParam(offer, "client_no_context_takeover") {
			answer += "; client_no_context_takeover"
		}
		return answer, true
	},
	// Java-WebSocket since 1.6 declines offers that limit the server's window.
	"Java-WebSocket 1.6": func(offer httphead.Extension) (string, bool) {
		if hasParam(offer, "server_max_window_bits") {
			return "", false
		}
		return echoParams(offer, func(p httphead.Param) bool { return p.HasValue || p.Name != "client_max_window_bits" })
	},
	// Node's ws with serverNoContextTakeover: false and windows of 12 bits for
	// both sides: it declines smaller ones, and clients that do not offer any.
	"ws with limits": func(offer httphead.Extension) (string, bool) {
		ok, answer := false, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
		for _, p := range offer.Params {
			bits, _ := strconv.Atoi(p.Value)
			switch p.Name {
			case "server_no_context_takeover":
				return "", false
			case "client_no_context_takeover":
				answer += "; client_no_context_takeover"
			case "server_max_window_bits", "client_max_window_bits":
				if p.HasValue && bits < 12 {
					return "", false
				}
				ok = ok || p.Name == "client_max_window_bits"
			}
		}
		return answer, ok
	},
	// A server that supports no parameters.
	"plain": func(offer httphead.Extension) (string, bool) { return "permessage-deflate", len(offer.Params) == 0 },
	// A server that does not support compression.
	"none": func(httphead.Extension) (string, bool) { return "", false },
}

// echoParams answers an offer with those of its parameters for which keep is true.
func echoParams(offer httphead.Extension, keep func(httphead.Param) bool) (string, bool) {
	answer := offer.Name
	for _, p := range offer.Params {
		if !keep(p) {
			continue
		}
		answer += "; " + p.Name
		if p.HasValue {
			answer += "=" + p.Value
		}
	}
	return answer, true
}

func hasParam(e httphead.Extension, name string) bool {
	for _, p := range e.Params {
		if p.Name == name {
			return true
		}
	}
	return false
}

// paramsOf returns the parameters that were agreed on with an answer.
func paramsOf(t *testing.T, answer string) deflate.Params {
	list, err := httphead.Extensions([]string{answer}, maxExtensions)
	require.NoError(t, err)
	// Without parameters of its own, Agree accepts any valid answer.
	params, ok := deflate.Agree(list[0], deflate.Params{}, false)
	require.True(t, ok, answer)
	return params
}

// negotiate returns the answer to a request's offers, "" for none.
func (n negotiator) negotiate(t *testing.T, r *http.Request) string {
	offers, err := httphead.Extensions(r.Header["Sec-Websocket-Extensions"], maxExtensions)
	require.NoError(t, err)
	for _, offer := range offers {
		require.Equal(t, "permessage-deflate", offer.Name)
		if answer, ok := n(offer); ok {
			return answer
		}
	}
	return ""
}

// listen starts a server that negotiates in this way and echoes messages.
func (n negotiator) listen(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := n.negotiate(t, r)
		conn, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		config := connConfig{}
		if answer != "" {
			config.agreement = agreement{&Compression{Threshold: -1}, paramsOf(t, answer), answer}
		}
		_, err = conn.Write(appendResponse(nil, r.Header.Get("Sec-WebSocket-Key"), "", answer, nil))
		assert.NoError(t, err)
		c := newConn(conn, config)
		for {
			kind, p, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, p) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// fallBackTests have what each server answers to a client's settings: "" is no
// compression. required reports whether the answer grants all that was asked for.
var fallBackTests = []struct {
	server, wish, answer string
	required             bool
}{
	{"Tornado", "EnableCompression", "permessage-deflate", false},
	{"Tornado", "takeover", "permessage-deflate", true},
	{"Tornado", "server's window", "permessage-deflate; server_max_window_bits=9", true},
	{"Tornado", "everything", "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", false},
	{"Jetty", "EnableCompression", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", true},
	{"Jetty", "takeover", "permessage-deflate", true},
	{"Jetty", "server's window", "permessage-deflate", false},
	{"Jetty", "everything", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", false},
	{"Java-WebSocket 1.5", "EnableCompression", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", true},
	{"Java-WebSocket 1.5", "takeover", "permessage-deflate; server_no_context_takeover", true},
	{"Java-WebSocket 1.5", "server's window", "permessage-deflate; server_no_context_takeover", false},
	{"Java-WebSocket 1.5", "everything", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", false},
	{"Java-WebSocket 1.6", "EnableCompression", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", true},
	{"Java-WebSocket 1.6", "takeover", "permessage-deflate", true},
	{"Java-WebSocket 1.6", "server's window", "permessage-deflate", false},
	{"Java-WebSocket 1.6", "everything", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10", false},
	{"ws with limits", "EnableCompression", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12; client_no_context_takeover", false},
	{"ws with limits", "takeover", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", true},
	{"ws with limits", "server's window", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", false},
	{"ws with limits", "client's window", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", false},
	{"ws with limits", "everything", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12; client_no_context_takeover", false},
	{"plain", "EnableCompression", "permessage-deflate", false},
	{"plain", "takeover", "permessage-deflate", false},
	{"plain", "server's window", "permessage-deflate", false},
	{"plain", "everything", "permessage-deflate", false},
	{"none", "EnableCompression", "", false},
	{"none", "takeover", "", false},
	{"none", "everything", "", false},
}

// compressionOptions are the settings of the clients in fallBackTests.
var compressionOptions = map[string]Compression{
	"EnableCompression": noTakeover,
	"takeover":          {},
	"server's window":   {Server: CompressionSide{WindowBits: 9}},
	"client's window":   {Client: CompressionSide{WindowBits: 9}},
	"everything":        {Server: CompressionSide{true, 9}, Client: CompressionSide{true, 10}},
}

// TestCompressionFallBack checks that Dial accepts whatever a server agrees to, and
// that messages are compressed as was agreed on.
func TestCompressionFallBack(t *testing.T) {
	for _, test := range fallBackTests {
		t.Run(test.server+"/"+test.wish, func(t *testing.T) {
			s := negotiators[test.server].listen(t)
			wish := compressionOptions[test.wish]
			wish.Threshold = -1
			d := &Dialer{Compression: &wish}
			if test.wish == "EnableCompression" {
				d = &Dialer{EnableCompression: true}
			}
			c, _, err := d.Dial(s.URL, nil)
			require.NoError(t, err)
			defer c.Close()
			assert.Equal(t, test.answer, c.Extensions())
			requireEcho(t, c)
			for range 3 { // with context takeover, the later ones refer to the first
				for _, text := range compressibleTexts {
					require.NoError(t, c.WriteMessage(TextMessage, []byte(text)))
					_, p, err := c.ReadMessage()
					require.NoError(t, err)
					require.Equal(t, text, string(p))
				}
			}
		})
	}
}

// TestCompressionRequired checks that with Required a Dial fails if the server does
// not grant all that was asked for, with an error that says why.
func TestCompressionRequired(t *testing.T) {
	for _, test := range fallBackTests {
		t.Run(test.server+"/"+test.wish, func(t *testing.T) {
			wish := compressionOptions[test.wish]
			wish.Required = true
			c, resp, err := (&Dialer{Compression: &wish}).Dial(negotiators[test.server].listen(t).URL, nil)
			if test.required {
				require.NoError(t, err)
				defer c.Close()
				assert.Equal(t, test.answer, c.Extensions())
				requireEcho(t, c)
				return
			}
			require.ErrorIs(t, err, ErrBadHandshake)
			assert.Contains(t, err.Error(), "Compression.Required")
			assert.Nil(t, c)
			assert.Equal(t, 101, resp.StatusCode)
		})
	}
}

// TestFallBackKeepsContexts checks that messages of a server that takes over its
// context can be read although the client has asked for none.
func TestFallBackKeepsContexts(t *testing.T) {
	const text = "a message that is sent twice, and refers to itself the second time"
	s := newFakeNetwork(func(r *http.Request) string {
		var p peer
		compressor := deflate.NewCompressor(deflate.MaxWindowBits, deflate.Speed)
		first := string(compressor.Append(nil, []byte(text)))
		second := string(compressor.Append(nil, []byte(text)))
		require.Less(t, len(second), len(first)/2)
		return acceptingResponse(r, "Sec-WebSocket-Extensions: permessage-deflate") +
			string(p.compressedFrame(true, opText, first)) + string(p.compressedFrame(true, opText, second))
	})
	c, _, err := (&Dialer{NetDialContext: s.dial, EnableCompression: true}).Dial("ws://example.com/", nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
	expectMessages(t, c, []string{text, text})
}

// TestUpgradeCompressionRequired checks that a server can refuse clients that do
// not offer what it requires.
func TestUpgradeCompressionRequired(t *testing.T) {
	wish := Compression{Client: CompressionSide{WindowBits: 9}, Required: true}
	for _, test := range []struct {
		offers string
		answer string // "" if the request is refused
	}{
		{"", ""},
		{"permessage-bzip2", ""},
		{"permessage-deflate", ""},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=9"},
		{"permessage-deflate, permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=9"},
	} {
		s := newTestHandler(t)
		s.Compression = &wish
		s.handle = func(*Conn) {}
		answer := rawExchange(t, s.listen(t).Listener.Addr(), addHeader("", "Sec-WebSocket-Extensions: "+test.offers).text(t))
		err := <-s.upgradeErrors
		if test.answer != "" {
			require.NoError(t, err, test.offers)
			assert.Equal(t, []string{test.answer}, answer.header["Sec-Websocket-Extensions"])
			continue
		}
		var refused HandshakeError
		require.ErrorAs(t, err, &refused, test.offers)
		assert.Equal(t, 400, refused.Status())
		assert.Equal(t, 400, answer.status)
		assert.Contains(t, err.Error(), "Compression.Required")
	}
}
