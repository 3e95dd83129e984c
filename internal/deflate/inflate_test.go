package deflate

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inflateAll inflates a message at once and in pieces, and compares the results.
func inflateAll(t *testing.T, payload []byte) ([]byte, error) {
	t.Helper()
	want, wantErr := NewDecompressor(15, false).Append(nil, payload, -1)
	for _, in := range []int{1, 2, 5, 1000} {
		for _, out := range []int{1, 3, 300} {
			got, err := inflatePieces(NewDecompressor(15, false), payload, in, out)
			require.Equal(t, wantErr, err, "%d %d", in, out)
			if err == nil {
				require.True(t, bytes.Equal(want, got), "%d %d", in, out)
			}
		}
	}
	return want, wantErr
}

func TestInflateMalformed(t *testing.T) {
	complete := map[int]int{'a': 1, 256: 1}
	for name, test := range map[string]struct {
		payload []byte
		err     error
	}{
		"reserved block type":          {assemble().block(0, 3).end(), errBlockType},
		"final reserved block type":    {assemble().block(1, 3).end(), errBlockType},
		"complement":                   {[]byte{0, 3, 0, 0xFC, 0xFE, 1, 2, 3, 0}, errStoredLength},
		"stored block truncated":       {[]byte{0, 30, 0, 0xE1, 0xFF, 1, 2, 3, 0}, errTruncated},
		"stored length truncated":      {[]byte{0, 0}, errTruncated},
		"unended block":                {assemble().block(0, 1).fixed('a').b, errTruncated},
		"without the stored block":     {assemble().block(0, 1).fixed(200, 201, 202, 203, 204, 205, 256).b, errTruncated},
		"tail as bytes of a block":     {[]byte{0, 4, 0, 0xFB, 0xFF}, errTruncated},
		"end of block in the tail":     {assemble().block(0, 1).fixed(200).put(0, 4).b, errTruncated},
		"whole tail":                   {[]byte{0, 0, 0, 0xFF, 0xFF}, errTruncated},
		"part of the tail":             {[]byte{0, 0, 0, 0xFF}, errTruncated},
		"bytes after a final block":    {append(assemble().block(1, 1).fixed('a', 256).align().b, 6), errBlockType},
		"literal 286":                  {assemble().block(0, 1).fixed(286).end(), errSymbol},
		"literal 287":                  {assemble().block(0, 1).fixed('a', 287).end(), errSymbol},
		"distance 30":                  {assemble().block(0, 1).fixed('a', 257).code(30, 5).end(), errSymbol},
		"distance 31":                  {assemble().block(0, 1).fixed('a', 257).code(31, 5).end(), errSymbol},
		"distance before the start":    {assemble().block(0, 1).match(1).fixed(256).end(), errDistance},
		"distance too far":             {assemble().block(0, 1).fixed('a', 'b').match(3).fixed(256).end(), errDistance},
		"287 literals":                 {assemble().dynamic(make([]int, 287), []int{0}).end(), errCodeCounts},
		"31 distances":                 {assemble().dynamic(make([]int, 257), make([]int, 31)).end(), errCodeCounts},
		"precode empty":                {assemble().precode(257, 1, nil).put(0, 300).end(), errRepeat},
		"precode of one code":          {assemble().precode(257, 1, map[uint8]int{18: 1}).code(0, 1).put(127, 7).code(0, 1).put(109, 7).end(), errCodeLengths},
		"precode of one code, not it":  {assemble().precode(257, 1, map[uint8]int{18: 1}).put(1, 300).end(), errRepeat},
		"precode incomplete":           {assemble().precode(257, 1, map[uint8]int{1: 2, 2: 2, 18: 2}).put(0, 300).end(), errCodeLengths},
		"precode over-subscribed":      {assemble().precode(257, 1, map[uint8]int{1: 1, 2: 1, 18: 1}).put(0, 300).end(), errCodeLengths},
		"nothing to repeat":            {assemble().precode(257, 1, map[uint8]int{1: 1, 16: 1}).code(1, 1).put(0, 300).end(), errRepeat},
		"zeros repeated too often":     {assemble().precode(257, 1, map[uint8]int{1: 1, 18: 1}).code(1, 1).put(127, 7).code(1, 1).put(127, 7).end(), errRepeat},
		"length repeated too often":    {assemble().precode(257, 1, map[uint8]int{1: 2, 16: 2, 18: 1}).code(0, 1).put(127, 7).code(0, 1).put(107, 7).code(2, 2).code(3, 2).put(3, 2).end(), errRepeat},
		"no end of block":              {assemble().dynamic(inflateLengthsOf(257, map[int]int{1: 1, 2: 1}), []int{0}).end(), errCodeLengths},
		"no codes":                     {assemble().dynamic(make([]int, 257), []int{0}).end(), errCodeLengths},
		"over-subscribed":              {assemble().dynamic(inflateLengthsOf(257, map[int]int{1: 1, 2: 1, 256: 1}), []int{0}).end(), errCodeLengths},
		"over-subscribed, long":        {assemble().dynamic(inflateLengthsOf(257, map[int]int{1: 1, 2: 1, 256: 15}), []int{0}).end(), errCodeLengths},
		"incomplete":                   {assemble().dynamic(inflateLengthsOf(257, map[int]int{1: 2, 2: 2, 256: 2}), []int{0}).end(), errCodeLengths},
		"one code of two bits":         {assemble().dynamic(inflateLengthsOf(257, map[int]int{256: 2}), []int{0}).end(), errCodeLengths},
		"distances over-subscribed":    {assemble().dynamic(inflateLengthsOf(257, complete), []int{1, 1, 1}).end(), errCodeLengths},
		"distances incomplete":         {assemble().dynamic(inflateLengthsOf(257, complete), []int{2, 2, 2}).end(), errCodeLengths},
		"one distance of two bits":     {assemble().dynamic(inflateLengthsOf(257, complete), []int{2}).end(), errCodeLengths},
		"other bit of one distance":    {assemble().dynamic(inflateLengthsOf(258, map[int]int{'a': 1, 256: 2, 257: 2}), []int{1}).code(0, 1).code(3, 2).code(1, 1).end(), errSymbol},
		"no distances":                 {assemble().dynamic(inflateLengthsOf(258, map[int]int{'a': 1, 256: 2, 257: 2}), []int{0}).code(0, 1).code(3, 2).end(), errSymbol},
		"other bit of the only symbol": {assemble().dynamic(inflateLengthsOf(257, map[int]int{256: 1}), []int{0}).code(1, 1).end(), errSymbol},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inflateAll(t, test.payload)
			require.ErrorIs(t, err, ErrCorrupt)
			assert.Equal(t, test.err, err)
		})
	}
}

func TestInflateLegal(t *testing.T) {
	for name, test := range map[string]struct {
		payload []byte
		want    string
	}{
		// The examples of RFC 7692, Section 7.2.3.
		"one block":       {[]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, "Hello"},
		"no compression":  {[]byte{0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00}, "Hello"},
		"final block":     {[]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, "Hello"},
		"two blocks":      {[]byte{0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00}, "Hello"},
		"empty":           {[]byte{0x00}, ""},
		"nothing":         {nil, ""},
		"final tail":      {[]byte{0x01}, ""},
		"final, no octet": {[]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, "Hello"},
		"blocks after a final one": {
			assemble().block(1, 1).fixed('a', 'b', 256).align().stored(1, []byte("cd")).block(1, 1).match(4).fixed(256).align().end(), "abcdabc"},
		"bits set in the padding": {assemble().block(1, 1).fixed('a', 256).put(-1, 6).block(0, 0).put(-1, 5).b, "a"},
		"distance of one bit":     {assemble().dynamic(inflateLengthsOf(258, map[int]int{'a': 1, 256: 2, 257: 2}), []int{1}).code(0, 1).code(3, 2).code(0, 1).code(2, 2).end(), "aaaa"},
		"no distances":            {assemble().dynamic(inflateLengthsOf(257, map[int]int{'a': 1, 256: 1}), []int{0}).code(0, 1).code(1, 1).end(), "a"},
		"one code in all":         {assemble().dynamic(inflateLengthsOf(257, map[int]int{256: 1}), []int{0}).code(0, 1).end(), ""},
		"258 as 227 and 31":       {assemble().block(0, 1).fixed('a', 284).put(31, 5).code(0, 5).fixed(256).end(), string(bytes.Repeat([]byte("a"), 259))},
		"code lengths repeated over both alphabets": {
			assemble().precode(258, 4, map[uint8]int{1: 3, 2: 3, 16: 2, 18: 1}).code(0, 1).put(127, 7).code(0, 1).put(106, 7).
				code(6, 3).code(7, 3).code(2, 2).put(2, 2).code(0, 1).code(2, 2).end(), "\xFF"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := inflateAll(t, test.payload)
			require.NoError(t, err)
			assert.Equal(t, test.want, string(got))
		})
	}
}

// TestInflateLongCodes decodes codes of every length.
func TestInflateLongCodes(t *testing.T) {
	lits := inflateLengthsOf(258, map[int]int{256: 15, 257: 15})
	a := assemble()
	for n := 1; n <= 14; n++ {
		lits[n] = n
	}
	dists := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15}
	a.dynamic(lits, dists)
	var want []byte
	for range 30 {
		for n := 1; n <= 14; n++ {
			a.code(1<<n-2, n)
			want = append(want, byte(n))
		}
		for symbol, n := range dists[:6] {
			code := 1<<n - 2
			e := distEntries[symbol]
			a.code(1<<15-1, 15).code(code, n).put(0, int(e&0xFF))
			for range 3 {
				want = append(want, want[len(want)-int(e>>16)])
			}
		}
	}
	for symbol, n := range dists {
		code := 1<<n - 2
		if symbol == 15 {
			code = 1<<n - 1
		}
		e := distEntries[symbol]
		a.code(1<<15-1, 15).code(code, n).put(0, int(e&0xFF))
		for range 3 {
			want = append(want, want[len(want)-int(e>>16)])
		}
	}
	got, err := inflateAll(t, a.code(1<<15-2, 15).end())
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// TestInflateEveryCut cuts messages that refer to each other at every byte.
func TestInflateEveryCut(t *testing.T) {
	for _, level := range inflateLevels {
		messages := [][]byte{inflateJSON(400, 1), inflateJSON(300, 2), append(inflateHTML(300), inflateRandom(100)...)}
		payloads := flateMessages(level, messages...)
		for _, out := range []int{1, 2, 3, 7, 64, 1000} {
			d := NewDecompressor(15, true)
			for cut := 1; cut < len(payloads[0]); cut++ {
				d.Reset()
				for i, p := range payloads {
					got, err := inflatePieces(d, p, min(cut, len(p)), out)
					require.NoError(t, err)
					require.Equal(t, messages[i], got)
				}
			}
		}
	}
}

// TestInflateTruncated checks that no prefix of a message is a message.
func TestInflateTruncated(t *testing.T) {
	for name, corpus := range inflateCorpora(2000) {
		for _, level := range inflateLevels {
			payload := flateMessages(level, corpus)[0]
			d := NewDecompressor(15, true)
			for n := range payload {
				d.Reset()
				got, err := d.Append(nil, payload[:n], -1)
				if err == nil {
					require.Less(t, len(got), len(corpus), "%s %d %d", name, level, n)
					require.True(t, bytes.HasPrefix(corpus, got), "%s %d %d", name, level, n)
					continue
				}
				require.ErrorIs(t, err, ErrCorrupt)
			}
		}
	}
}

// TestInflateDistance checks that distances up to the size of the window are
// accepted, within a message and from one to the next, and no larger ones.
func TestInflateDistance(t *testing.T) {
	for windowBits := MinWindowBits; windowBits <= MaxWindowBits; windowBits++ {
		size := 1 << windowBits
		before := inflateRandom(2 * size)[:min(2*size, 0xFFFF)]
		for distance := size - 2; distance <= min(size+2, 1<<15); distance++ {
			want := before[len(before)-distance:][:3]
			same := assemble().stored(0, before).block(0, 1).match(distance).fixed(256).end()
			first, second := assemble().stored(0, before).end(), assemble().block(0, 1).match(distance).fixed(256).end()
			for _, out := range []int{100, 1 << 20} {
				d := NewDecompressor(windowBits, true)
				got, err := inflatePieces(d, same, 1<<20, out)
				if distance > size {
					require.Equal(t, errDistance, err)
					d.Reset()
				} else {
					require.NoError(t, err)
					require.Equal(t, want, got[len(before):])
				}
				for i := range 2 {
					_, err = inflatePieces(d, first, 1<<20, out+i)
					require.NoError(t, err)
				}
				got, err = d.Append(nil, second, 3)
				require.Equal(t, distance > size, err != nil)
				if err == nil {
					require.Equal(t, want, got)
				}
			}
		}
	}
}

// TestInflateReach checks distances to before the first byte since Reset.
func TestInflateReach(t *testing.T) {
	d := NewDecompressor(9, true)
	for n := 1; n < 512; n += 7 {
		history := inflateRandom(n)
		for over := range 2 {
			d.Reset()
			for _, piece := range [][]byte{history[:n/2], {}, history[n/2:]} {
				_, err := d.Append(nil, assemble().stored(0, piece).end(), -1)
				require.NoError(t, err)
			}
			got, err := d.Append(nil, assemble().block(0, 1).match(n+over).fixed(256).end(), -1)
			if over > 0 {
				require.Equal(t, errDistance, err)
				continue
			}
			require.NoError(t, err)
			for i := range got {
				require.Equal(t, history[i%n], got[i])
			}
		}
	}
}

// TestInflateNoTakeover checks that without context takeover a message cannot refer
// to an earlier one.
func TestInflateNoTakeover(t *testing.T) {
	stored, match := assemble().stored(0, []byte("abc")).end(), assemble().block(0, 1).match(3).fixed(256).end()
	both := assemble().stored(0, []byte("abc")).block(0, 1).match(3).fixed(256).end()
	for _, out := range []int{1, 2, 100} {
		d := NewDecompressor(15, false)
		for range 3 {
			got, err := inflatePieces(d, both, 1, out)
			require.NoError(t, err)
			require.Equal(t, "abcabc", string(got))
		}
		_, err := inflatePieces(d, stored, 1, out)
		require.NoError(t, err)
		_, err = inflatePieces(d, match, 1, out)
		require.Equal(t, errDistance, err)
	}
	d := NewDecompressor(15, false)
	_, err := d.Append(nil, both, -1)
	require.NoError(t, err)
	assert.Nil(t, d.out.window.buf)
	_, err = d.Append(nil, match, -1)
	require.Equal(t, errDistance, err)
}

func TestInflateErrorSticks(t *testing.T) {
	d := NewDecompressor(15, true)
	hello := []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}
	for _, want := range []error{errBlockType, ErrTooLong} {
		b := []byte("before")
		_, err := d.Append(b, hello, -1)
		require.NoError(t, err)
		if want == ErrTooLong {
			_, err = d.Append(b, hello, 4)
		} else {
			_, err = d.Append(b, []byte{0x06}, 4)
		}
		require.Equal(t, want, err)
		got, err := d.Append(b, hello, -1)
		require.Equal(t, want, err)
		require.Equal(t, "before", string(got))
		_, _, done, err := d.Inflate(b, hello, true)
		require.Equal(t, want, err)
		require.False(t, done)
		d.Reset()
	}
	// Reset in the middle of a message.
	for n := range hello {
		_, _, done, err := d.Inflate(make([]byte, 3), hello[:n], false)
		require.NoError(t, err)
		require.False(t, done)
		d.Reset()
		got, err := d.Append(nil, hello, 5)
		require.NoError(t, err)
		require.Equal(t, "Hello", string(got))
	}
	// Append, for the rest of a message.
	buf := make([]byte, 3)
	written, read, done, err := d.Inflate(buf, hello, false)
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, 3, written)
	got, err := d.Append(buf, hello[read:], 2)
	require.NoError(t, err)
	require.Equal(t, "Hello", string(got))
}

func TestInflateLimit(t *testing.T) {
	for name, corpus := range inflateCorpora(3000) {
		for _, level := range inflateLevels {
			payload := flateMessages(level, corpus)[0]
			d := NewDecompressor(15, false)
			for _, room := range []int{0, 1, 100, 3000, 10_000} {
				dst := append(make([]byte, 0, room+2), "ab"...)
				got, err := d.Append(dst, payload, len(corpus))
				require.NoError(t, err, name)
				require.True(t, bytes.Equal(corpus, got[2:]), name)
				got, err = d.Append(dst, payload, len(corpus)-1)
				require.Equal(t, ErrTooLong, err, name)
				require.Equal(t, "ab", string(got))
				d.Reset()
			}
		}
	}
	d := NewDecompressor(15, false)
	got, err := d.Append(nil, []byte{0}, 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

// TestInflateBomb checks that the limit of Append bounds the memory that it
// allocates.
func TestInflateBomb(t *testing.T) {
	part := append(flateMessages(6, make([]byte, 1<<20))[0], inflateTail...)
	payload := append(bytes.Repeat(part, 100), 0)
	const limit = 1 << 20
	d := NewDecompressor(15, true)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := d.Append(nil, payload, limit)
	runtime.ReadMemStats(&after)
	require.Equal(t, ErrTooLong, err)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*limit))

	d.Reset()
	got, err := d.Append(nil, append(payload[:10*len(part)], 0), 10<<20)
	require.NoError(t, err)
	assert.Len(t, got, 10<<20)
}

func TestInflateSize(t *testing.T) {
	d := NewDecompressor(99, true)
	assert.LessOrEqual(t, unsafe.Sizeof(*d), uintptr(8<<10))
	for n := range 300 {
		_, err := d.Append(nil, assemble().stored(0, inflateRandom(n)).end(), -1)
		require.NoError(t, err)
	}
	assert.Equal(t, 1<<15, cap(d.out.window.buf))
	assert.Equal(t, 1<<8, NewDecompressor(-1, true).out.window.size)
}

func TestInflateAllocations(t *testing.T) {
	if inflateRace {
		t.Skip("the race detector allocates")
	}
	for name, corpus := range inflateCorpora(40_000) {
		for _, level := range inflateLevels {
			for _, takeover := range []bool{false, true} {
				payload := flateMessages(level, corpus)[0]
				d := NewDecompressor(15, takeover)
				dst := make([]byte, 0, len(corpus))
				piece := make([]byte, 1000)
				assert.Zero(t, testing.AllocsPerRun(5, func() {
					_, _ = d.Append(dst, payload, -1)
					for src, done := payload, false; !done; {
						var n int
						_, n, done, _ = d.Inflate(piece, src, true)
						src = src[n:]
					}
				}), "%s %d", name, level)
			}
		}
	}
}

// TestExchange uses one Decompressor for the messages of two connections in turn.
func TestExchange(t *testing.T) {
	compressors := []*Compressor{NewCompressor(10, Speed), NewCompressor(10, Ratio)}
	histories := make([]History, len(compressors))
	d := NewDecompressor(10, true)
	for n := range 50 {
		for i, c := range compressors {
			message := fmt.Appendf(nil, "message %d of connection %d, and again: message %d of connection %d", n, i, n, i)
			d.Exchange(&histories[i])
			got, err := d.Append(nil, c.Append(nil, message), -1)
			require.NoError(t, err)
			require.Equal(t, string(message), string(got))
			d.Exchange(&histories[i])
		}
	}
	// The compressors refer to what was before; without the history that is an error.
	_, err := d.Append(nil, compressors[0].Append(nil, []byte("message 49 of connection 0")), -1)
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestFirstGrowth: it follows the length of what is compressed and is bounded,
// also for lengths of which a multiple does not fit into 32 bits.
func TestFirstGrowth(t *testing.T) {
	require.Equal(t, 4*1000+64, firstGrowth(1000, -1))
	require.Equal(t, 1500, firstGrowth(1000, 1500))
	for _, n := range []int{1 << 20, 1 << 29, 1<<30 + 1, 1<<31 - 1<<17} {
		require.Greater(t, firstGrowth(n, -1), n)
		require.LessOrEqual(t, firstGrowth(n, -1), n+64<<10+64)
		require.Equal(t, 10, firstGrowth(n, 10))
	}
}
