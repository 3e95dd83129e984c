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
		agreed, answer, ok := Accept(parsed(t, test.offers), test.wish, false)
		assert.Equal(t, test.answer != "", ok, test.offers)
		assert.Equal(t, test.answer, answer, test.offers)
		assert.Equal(t, test.agreed, agreed, test.offers)
	}
}

// TestAcceptRequired: an offer that does not let the server limit the client's
// window is declined where the server must have that.
func TestAcceptRequired(t *testing.T) {
	wish := Params{Side{true, 9}, Side{true, 10}}
	for _, test := range []struct{ offers, answer string }{
		{"permessage-deflate", ""},
		{"permessage-deflate; server_max_window_bits=9; client_no_context_takeover", ""},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10"},
		{"permessage-deflate, permessage-deflate; client_max_window_bits=9", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9"},
	} {
		_, answer, ok := Accept(parsed(t, test.offers), wish, true)
		assert.Equal(t, test.answer != "", ok, test.offers)
		assert.Equal(t, test.answer, answer, test.offers)
	}
	_, _, ok := Accept(parsed(t, "permessage-deflate"), Params{Side{true, 9}, Side{true, 15}}, true)
	assert.True(t, ok, "all but the window is the server's to decide")
}

// TestOffer: the wish comes first and is alone where it is required.
func TestOffer(t *testing.T) {
	const hint = "permessage-deflate; client_max_window_bits"
	for _, test := range []struct {
		wish  Params
		first string
		rest  string
	}{
		{Params{}, hint, ", permessage-deflate"},
		{Params{Side{false, 15}, Side{false, 15}}, hint, ", permessage-deflate"},
		{Params{Side{true, 0}, Side{true, 0}},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
			", permessage-deflate; client_no_context_takeover; client_max_window_bits, permessage-deflate"},
		{Params{Server: Side{false, 9}}, "permessage-deflate; server_max_window_bits=9; client_max_window_bits", ", " + hint + ", permessage-deflate"},
		{Params{Client: Side{true, 9}}, "permessage-deflate; client_no_context_takeover; client_max_window_bits=9",
			", permessage-deflate; client_no_context_takeover; client_max_window_bits, permessage-deflate"},
		{Params{Side{true, 8}, Side{true, 14}},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=14",
			", permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=14" +
				", permessage-deflate; client_no_context_takeover; client_max_window_bits, permessage-deflate"},
	} {
		assert.Equal(t, test.first, Offer(test.wish, true), "%+v", test.wish)
		assert.Equal(t, test.first+test.rest, Offer(test.wish, false), "%+v", test.wish)
	}
}

// TestAgreeToLess: an answer has to be one to any of the offers. What the
// client wishes for itself it does in any case.
func TestAgreeToLess(t *testing.T) {
	wish := Params{Side{true, 9}, Side{true, 10}}
	for _, test := range []struct {
		answer string
		agreed Params // zero if the answer is to none of the offers
	}{
		{"permessage-deflate", Params{Side{false, 15}, Side{true, 10}}},
		{"permessage-deflate; server_no_context_takeover", Params{Side{true, 15}, Side{true, 10}}},
		{"permessage-deflate; server_max_window_bits=9", Params{Side{false, 9}, Side{true, 10}}},
		{"permessage-deflate; server_max_window_bits=12", Params{Side{false, 12}, Side{true, 10}}},
		{"permessage-deflate; client_max_window_bits=10", Params{Side{false, 15}, Side{true, 10}}},
		{"permessage-deflate; client_no_context_takeover; client_max_window_bits=15", Params{Side{false, 15}, Side{true, 10}}},
		{"permessage-deflate; client_max_window_bits", Params{}},
		{"permessage-deflate; server_no_context_takeover=1", Params{}},
		{"permessage-deflate; unknown", Params{}},
		{"permessage-bzip2", Params{}},
	} {
		agreed, ok := Agree(parsed(t, test.answer)[0], wish, false)
		assert.Equal(t, test.agreed != Params{}, ok, test.answer)
		assert.Equal(t, test.agreed, agreed, test.answer)
		_, ok = Agree(parsed(t, test.answer)[0], wish, true)
		assert.False(t, ok, "%s when the wish is required", test.answer)
	}
}

// TestAnswerNeedsTheHint: RFC 7692, Section 7.1.2.2: a server must not limit
// the window of a client that has not said that it can be.
func TestAnswerNeedsTheHint(t *testing.T) {
	answer, ok := parse(parsed(t, "permessage-deflate; client_max_window_bits=10")[0].Params, true)
	require.True(t, ok)
	assert.False(t, answer.answers(element{}))
	assert.True(t, answer.answers(element{clientBits: true}))
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
		agreed, ok := Agree(parsed(t, test.answer)[0], test.wish, true)
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
			for _, required := range []bool{false, true} {
				name := fmt.Sprintf("client %+v, server %+v, required: %v", client, server, required)
				atServer, answer, ok := Accept(parsed(t, Offer(client, required)), server, false)
				require.True(t, ok, name)
				atClient, ok := Agree(parsed(t, answer)[0], client, required)
				require.True(t, ok, name)
				require.Equal(t, atServer.Server, atClient.Server, name)
				// What the client does must fit into what the server expects of it.
				require.LessOrEqual(t, atClient.Client.WindowBits, atServer.Client.WindowBits, name)
				require.True(t, atClient.Client.NoContextTakeover || !atServer.Client.NoContextTakeover, name)
				// The first offer is taken, which has all that the client wishes for.
				require.LessOrEqual(t, atClient.Server.WindowBits, client.Server.bits(), name)
				require.True(t, atClient.Server.NoContextTakeover || !client.Server.NoContextTakeover, name)
			}
		}
	}
}
