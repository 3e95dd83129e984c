package websocket

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCompressionHandshake has an Upgrader and a Dialer negotiate compression with
// every combination of settings, and sends messages in both directions.
func TestCompressionHandshake(t *testing.T) {
	for _, test := range []struct {
		name           string
		server, client *Compression
		enable         bool // by EnableCompression, on both sides
		extensions     string
	}{
		{name: "neither"},
		{name: "server alone", server: &Compression{}},
		{name: "client alone", client: &Compression{}},
		{name: "enabled", enable: true, extensions: "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{name: "takeover", server: &Compression{}, client: &Compression{}, extensions: "permessage-deflate"},
		{name: "server's windows",
			server: &Compression{Server: CompressionSide{WindowBits: 9}, Client: CompressionSide{WindowBits: 8}}, client: &Compression{},
			extensions: "permessage-deflate; server_max_window_bits=9; client_max_window_bits=8"},
		{name: "client's windows",
			server: &Compression{}, client: &Compression{Server: CompressionSide{WindowBits: 8}, Client: CompressionSide{WindowBits: 10}},
			extensions: "permessage-deflate; server_max_window_bits=8; client_max_window_bits=10"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := Upgrader{Compression: test.server, EnableCompression: test.enable}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := u.Upgrade(w, r, nil)
				if !assert.NoError(t, err) {
					return
				}
				defer c.Close()
				assert.Equal(t, test.extensions, c.Extensions())
				for {
					kind, p, err := c.ReadMessage()
					if err != nil || c.WriteMessage(kind, p) != nil {
						return
					}
				}
			}))
			defer server.Close()
			d := Dialer{Compression: test.client, EnableCompression: test.enable}
			c, _, err := d.Dial(server.URL, nil)
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, test.extensions, c.Extensions())
			for _, s := range compressibleTexts {
				require.NoError(t, c.WriteMessage(TextMessage, []byte(s)))
				_, p, err := c.ReadMessage()
				require.NoError(t, err)
				require.Equal(t, s, string(p))
			}
		})
	}
}

func TestCheckExtensions(t *testing.T) {
	for _, test := range []struct {
		wish   *Compression
		answer []string
		ok     bool
	}{
		{&Compression{}, nil, true},
		{&Compression{}, []string{"permessage-deflate"}, true},
		{&Compression{}, []string{"", "permessage-deflate; client_max_window_bits=8"}, true},
		{&noTakeover, []string{"permessage-deflate; server_no_context_takeover"}, true},
		{&noTakeover, []string{"permessage-deflate"}, true}, // the fall-back
		{&noTakeover, []string{"permessage-deflate; server_no_context_takeover=1"}, false},
		{&Compression{}, []string{"permessage-deflate, permessage-deflate"}, false},
		{&Compression{}, []string{"permessage-deflate", "x"}, false},
		{&Compression{}, []string{"permessage-deflate; client_max_window_bits"}, false},
		{&Compression{}, []string{"permessage-deflate; unknown=1"}, false},
		{&Compression{}, []string{"permessage-deflate;"}, false},
		{nil, []string{"permessage-deflate"}, false},
		{nil, []string{"=="}, false},
	} {
		agreed, err := checkExtensions(http.Header{headerExtensions: test.answer}, test.wish)
		if test.ok {
			require.NoError(t, err, "%q", test.answer)
			assert.Equal(t, len(test.answer) > 0, agreed.wish != nil)
			continue
		}
		assert.ErrorIs(t, err, ErrBadHandshake, "%q", test.answer)
		assert.Zero(t, agreed)
	}
}

func TestMalformedExtensionsAreRefused(t *testing.T) {
	for _, wish := range []*Compression{nil, {}} {
		_, err := acceptExtensions(http.Header{headerExtensions: {"permessage-deflate;"}}, wish)
		failed, ok := errors.AsType[HandshakeError](err)
		require.True(t, ok)
		require.Equal(t, http.StatusBadRequest, failed.Status())
	}
	d := Dialer{Compression: &Compression{Level: 10}}
	_, _, err := d.Dial("ws://127.0.0.1:1/", nil)
	require.Equal(t, errCompressionLevel, err)
}
