package deflate

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/httphead"
)

func parsed(t *testing.T, header string) []httphead.Extension {
	t.Helper()
	list, err := httphead.Extensions([]string{header}, 100)
	require.NoError(t, err)
	return list
}

func TestAccept(t *testing.T) {
	none := Params{}
	for _, test := range []struct {
		offers string
		wish   Params
		answer string // "" declines
		agreed Params
	}{
		{"permessage-deflate", none, "permessage-deflate", Params{Side{false, 15}, Side{false, 15}}},
		{"permessage-deflate; client_max_window_bits", none, "permessage-deflate", Params{Side{false, 15}, Side{false, 15}}},
		{"permessage-deflate; server_no_context_takeover", none, "permessage-deflate; server_no_context_takeover", Params{Side{true, 15}, Side{false, 15}}},
		{"permessage-deflate; client_no_context_takeover", none, "permessage-deflate; client_no_context_takeover", Params{Side{false, 15}, Side{true, 15}}},
		{"permessage-deflate; server_max_window_bits=8", none, "permessage-deflate; server_max_window_bits=8", Params{Side{false, 8}, Side{false, 15}}},
		{"permessage-deflate; server_max_window_bits=15", none, "permessage-deflate; server_max_window_bits=15", Params{Side{false, 15}, Side{false, 15}}},
		{`permessage-deflate; server_max_window_bits="10"`, none, "permessage-deflate; server_max_window_bits=10", Params{Side{false, 10}, Side{false, 15}}},
		{"permessage-deflate; client_max_window_bits=9", none, "permessage-deflate; client_max_window_bits=9", Params{Side{false, 15}, Side{false, 9}}},
		{"permessage-deflate; client_max_window_bits=15", none, "permessage-deflate; client_max_window_bits=15", Params{Side{false, 15}, Side{false, 15}}},

		// What the server wishes for.
		{"permessage-deflate", Params{Side{true, 9}, Side{true, 9}},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9", Params{Side{true, 9}, Side{true, 15}}},
		{"permessage-deflate; client_max_window_bits", Params{Side{false, 12}, Side{false, 11}},
			"permessage-deflate; server_max_window_bits=12; client_max_window_bits=11", Params{Side{false, 12}, Side{false, 11}}},
		{"permessage-deflate; client_max_window_bits=10; server_max_window_bits=10", Params{Side{false, 12}, Side{false, 9}},
			"permessage-deflate; server_max_window_bits=10; client_max_window_bits=9", Params{Side{false, 10}, Side{false, 9}}},

		// Offers in their order, and those that are to be declined.
		{"x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=9, permessage-deflate", none,
			"permessage-deflate; server_max_window_bits=9", Params{Side{false, 9}, Side{false, 15}}},
		{"permessage-deflate; server_max_window_bits=7, permessage-deflate; client_no_context_takeover", none,
			"permessage-deflate; client_no_context_takeover", Params{Side{false, 15}, Side{true, 15}}},
		{"permessage-bzip2", none, "", none},
		{"permessage-deflate; unknown", none, "", none},
		{"permessage-deflate; server_max_window_bits", none, "", none},
		{"permessage-deflate; server_max_window_bits=7", none, "", none},
		{"permessage-deflate; server_max_window_bits=16", none, "", none},
		{"permessage-deflate; server_max_window_bits=08", none, "", none},
		{"permessage-deflate; server_max_window_bits=+9", none, "", none},
		{"permessage-deflate; client_max_window_bits=010", none, "", none},
		{"permessage-deflate; client_max_window_bits=x", none, "", none},
		{"permessage-deflate; server_no_context_takeover=1", none, "", none},
		{"permessage-deflate; client_no_context_takeover=true", none, "", none},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", none, "", none},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits=10", none, "", none},
	} {
		agreed, answer, ok := Accept(parsed(t, test.offers), test.wish)
		assert.Equal(t, test.answer != "", ok, test.offers)
		assert.Equal(t, test.answer, answer, test.offers)
		assert.Equal(t, test.agreed, agreed, test.offers)
	}
}

func TestAgree(t *testing.T) {
	none := Params{}
	for _, test := range []struct {
		wish   Params
		answer string
		ok     bool
		agreed Params
	}{
		{none, "permessage-deflate", true, Params{Side{false, 15}, Side{false, 15}}},
		{none, "permessage-deflate; client_max_window_bits=9", true, Params{Side{false, 15}, Side{false, 9}}},
		{none, "permessage-deflate; client_no_context_takeover", true, Params{Side{false, 15}, Side{true, 15}}},
		{none, "permessage-deflate; server_no_context_takeover; server_max_window_bits=8", true, Params{Side{true, 8}, Side{false, 15}}},
		{Params{Client: Side{true, 10}}, "permessage-deflate", true, Params{Side{false, 15}, Side{true, 10}}},
		{Params{Client: Side{true, 10}}, "permessage-deflate; client_max_window_bits=12", true, Params{Side{false, 15}, Side{true, 10}}},
		{Params{Server: Side{true, 10}}, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9", true, Params{Side{true, 9}, Side{false, 15}}},

		{Params{Server: Side{true, 15}}, "permessage-deflate", false, none},
		{Params{Server: Side{false, 10}}, "permessage-deflate", false, none},
		{Params{Server: Side{false, 10}}, "permessage-deflate; server_max_window_bits=11", false, none},
		{none, "permessage-bzip2", false, none},
		{none, "permessage-deflate; client_max_window_bits", false, none},
		{none, "permessage-deflate; client_max_window_bits=16", false, none},
		{none, "permessage-deflate; server_max_window_bits=09", false, none},
		{none, "permessage-deflate; server_no_context_takeover=1", false, none},
		{none, "permessage-deflate; unknown", false, none},
		{none, "permessage-deflate; client_no_context_takeover; client_no_context_takeover", false, none},
	} {
		agreed, ok := Agree(parsed(t, test.answer)[0], test.wish)
		assert.Equal(t, test.ok, ok, "%s to %+v", test.answer, test.wish)
		assert.Equal(t, test.agreed, agreed, "%s to %+v", test.answer, test.wish)
	}
}

// TestBothSidesAgree has every pair of wishes negotiate: both sides end with
// the same parameters, as far as the other needs to know them.
func TestBothSidesAgree(t *testing.T) {
	var wishes []Params
	for _, serverTakeover := range []bool{false, true} {
		for _, clientTakeover := range []bool{false, true} {
			for _, serverBits := range []int{0, 8, 12, 15} {
				for _, clientBits := range []int{0, 9, 15} {
					wishes = append(wishes, Params{Side{serverTakeover, serverBits}, Side{clientTakeover, clientBits}})
				}
			}
		}
	}
	for _, client := range wishes {
		for _, server := range wishes {
			name := fmt.Sprintf("client %+v, server %+v", client, server)
			atServer, answer, ok := Accept(parsed(t, Offer(client)), server)
			require.True(t, ok, name)
			atClient, ok := Agree(parsed(t, answer)[0], client)
			require.True(t, ok, name)
			require.Equal(t, atServer.Server, atClient.Server, name)
			// What the client does must fit into what the server expects of it.
			require.LessOrEqual(t, atClient.Client.WindowBits, atServer.Client.WindowBits, name)
			require.True(t, atClient.Client.NoContextTakeover || !atServer.Client.NoContextTakeover, name)
		}
	}
}
