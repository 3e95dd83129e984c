package websocket

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// headers are valid headers with their encoding.
var headers = []struct {
	name    string
	header  header
	encoded string
}{
	{"empty text", header{fin: true, opcode: opText}, "\x81\x00"},
	{"one byte", header{fin: true, opcode: opBinary, length: 1}, "\x82\x01"},
	{"longest in seven bits", header{fin: true, opcode: opBinary, length: 125}, "\x82\x7D"},
	{"shortest in sixteen bits", header{fin: true, opcode: opBinary, length: 126}, "\x82\x7E\x00\x7E"},
	{"longest in sixteen bits", header{fin: true, opcode: opBinary, length: 65535}, "\x82\x7E\xFF\xFF"},
	{"shortest in 64 bits", header{fin: true, opcode: opBinary, length: 65536}, "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"},
	{"longest", header{fin: true, opcode: opBinary, length: math.MaxInt64}, "\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"},
	{"first fragment", header{opcode: opText, length: 3}, "\x01\x03"},
	{"last fragment", header{fin: true, opcode: opContinuation, length: 3}, "\x80\x03"},
	{"RSV1", header{fin: true, rsv: 0x40, opcode: opText, length: 3}, "\xC1\x03"},
	{"all RSV", header{rsv: 0x70, opcode: 0xF, length: 3}, "\x7F\x03"},
	{"masked", header{fin: true, opcode: opText, masked: true, key: [4]byte{1, 2, 3, 4}, length: 5}, "\x81\x85\x01\x02\x03\x04"},
	{"masked, sixteen bits", header{fin: true, opcode: opText, masked: true, key: [4]byte{1, 2, 3, 4}, length: 256}, "\x81\xFE\x01\x00\x01\x02\x03\x04"},
	{"masked, 64 bits", header{fin: true, opcode: opText, masked: true, key: [4]byte{1, 2, 3, 4}, length: 1 << 32}, "\x81\xFF\x00\x00\x00\x01\x00\x00\x00\x00\x01\x02\x03\x04"},
}

func TestHeaderCodec(t *testing.T) {
	for _, test := range headers {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.encoded, string(appendHeader(nil, test.header)))
			if test.header.length <= math.MaxInt {
				assert.Equal(t, len(test.encoded), headerSize(int(test.header.length), test.header.masked))
			}
			for cut := range test.encoded {
				_, n, err := parseHeader([]byte(test.encoded[:cut]))
				require.NoError(t, err, "cut at %d", cut)
				require.Zero(t, n, "cut at %d", cut)
			}
			for _, rest := range []string{"", "payload"} {
				h, n, err := parseHeader([]byte(test.encoded + rest))
				require.NoError(t, err)
				assert.Equal(t, len(test.encoded), n)
				assert.Equal(t, test.header, h)
			}
		})
	}
}

func TestParseHeaderErrors(t *testing.T) {
	for encoded, want := range map[string]error{
		"\x82\x7E\x00\x7D":                         errLengthNotMinimal,
		"\x82\x7E\x00\x00":                         errLengthNotMinimal,
		"\x82\x7F\x00\x00\x00\x00\x00\x00\xFF\xFF": errLengthNotMinimal,
		"\x82\x7F\x80\x00\x00\x00\x00\x00\x00\x00": errLengthHighBit,
		"\x82\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF": errLengthHighBit,
		"\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00": errLengthHighBit, // before the key is there
	} {
		_, n, err := parseHeader([]byte(encoded))
		assert.Equal(t, want, err, "%x", encoded)
		assert.Zero(t, n)
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, test := range headers {
		f.Add([]byte(test.encoded))
	}
	f.Add([]byte("\x82\x7E\x00\x7D"))
	f.Add([]byte("\x82\x7F\x80\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseHeader(b)
		switch {
		case err != nil:
			require.Zero(t, n)
		case n == 0:
			require.Less(t, len(b), maxHeaderSize, "a header has at most maxHeaderSize bytes")
		default:
			require.LessOrEqual(t, h.length, uint64(math.MaxInt64))
			require.Equal(t, string(b[:n]), string(appendHeader(nil, h)), "one encoding for each header")
			for cut := range n {
				_, m, err := parseHeader(b[:cut])
				require.Zero(t, m)
				require.NoError(t, err)
			}
		}
	})
}

func TestSequence(t *testing.T) {
	text := header{fin: true, opcode: opText, length: 1}
	first := header{opcode: opText, length: 1}
	middle := header{opcode: opContinuation, length: 1}
	last := header{fin: true, opcode: opContinuation, length: 1}
	ping := header{fin: true, opcode: opPing, length: 125}
	for _, test := range []struct {
		name   string
		frames []header
		want   error // of the last frame; the others are valid
	}{
		{"a message", []header{text}, nil},
		{"two messages", []header{text, text}, nil},
		{"fragments", []header{first, middle, last, text}, nil},
		{"control between fragments", []header{first, ping, middle, ping, last}, nil},
		{"continuation of nothing", []header{middle}, errNoMessage},
		{"end of nothing", []header{last}, errNoMessage},
		{"continuation after the end", []header{first, last, last}, errNoMessage},
		{"message inside a message", []header{first, text}, errInMessage},
		{"fragment of another message", []header{first, middle, first}, errInMessage},
		{"fragmented ping", []header{{opcode: opPing}}, errControlFragmented},
		{"long ping", []header{{fin: true, opcode: opPing, length: 126}}, errControlTooLong},
		{"long close", []header{{fin: true, opcode: opClose, length: math.MaxInt64}}, errControlTooLong},
		{"RSV1", []header{{fin: true, rsv: 0x40, opcode: opText}}, errReservedBits},
		{"RSV2", []header{{fin: true, rsv: 0x20, opcode: opText}}, errReservedBits},
		{"RSV3 on a ping", []header{{fin: true, rsv: 0x10, opcode: opPing}}, errReservedBits},
	} {
		for _, server := range []bool{true, false} {
			t.Run(test.name, func(t *testing.T) {
				s := sequence{masked: server}
				for i, h := range test.frames {
					h.masked = server
					before := s
					err := s.next(h)
					if i < len(test.frames)-1 {
						require.NoError(t, err, "frame %d", i)
						continue
					}
					if test.want == nil {
						require.NoError(t, err)
						continue
					}
					require.Equal(t, test.want, err)
					assert.Equal(t, before, s, "unchanged on error")
				}
			})
		}
	}
}

func TestSequenceReservedOpcodes(t *testing.T) {
	for op := range opcode(16) {
		err := (&sequence{}).next(header{fin: true, opcode: op})
		if strings.ContainsRune("\x03\x04\x05\x06\x07\x0B\x0C\x0D\x0E\x0F", rune(op)) {
			assert.Equal(t, errReservedOpcode, err, "opcode %x", op)
		} else {
			assert.NotEqual(t, errReservedOpcode, err, "opcode %x", op)
		}
	}
}

func TestSequenceMasking(t *testing.T) {
	h := header{fin: true, opcode: opText}
	assert.Equal(t, errNotMasked, (&sequence{masked: true}).next(h))
	h.masked = true
	assert.Equal(t, errMasked, (&sequence{masked: false}).next(h))
}

func TestSequenceEmptyFragments(t *testing.T) {
	var s sequence
	require.NoError(t, s.next(header{opcode: opText}))
	for range maxEmptyFragments - 1 {
		require.NoError(t, s.next(header{opcode: opContinuation}))
	}
	require.NoError(t, s.next(header{opcode: opContinuation, length: 1}), "fragments with payload do not count")
	require.Equal(t, errEmptyFragments, s.next(header{opcode: opContinuation}))
	require.NoError(t, s.next(header{fin: true, opcode: opContinuation}))
	require.NoError(t, s.next(header{opcode: opText}), "the next message starts anew")
}
