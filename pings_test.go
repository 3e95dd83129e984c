package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPongsOfApplicationPings checks which pongs are for pings of Conn.Ping. All
// others are for the handler.
func TestPongsOfApplicationPings(t *testing.T) {
	var none *pings
	require.False(t, none.has(make([]byte, pingSize)))
	_, first := none.answer(make([]byte, pingSize))
	require.False(t, first)
	var s pings
	require.False(t, s.has(make([]byte, pingSize)), "there was no ping")
	p := s.begin(nil)
	require.True(t, s.has(p.payload[:]))
	for _, change := range []func(b []byte) []byte{
		func(b []byte) []byte { return b[:pingSize-1] },
		func(b []byte) []byte { return append(b, 0) },
		func(b []byte) []byte { b[0]++; return b },
		func(b []byte) []byte { b[pingSize-1]++; return b }, // a ping that was not sent yet
		func(b []byte) []byte { b[pingSize-1]--; return b },
		func([]byte) []byte { return nil },
	} {
		payload := change(append([]byte(nil), p.payload[:]...))
		require.False(t, s.has(payload))
		_, first := s.answer(payload)
		require.False(t, first)
	}
	_, first = s.answer(p.payload[:])
	require.True(t, first)
	_, first = s.answer(p.payload[:])
	require.False(t, first, "twice")
	require.True(t, s.has(p.payload[:]))
}
