package deflate

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// inflateByFlate inflates a message with compress/flate and reports whether its
// payload is valid. history is what was received before it.
//
// compress/flate needs a block with BFINAL set at the end, so that one is appended.
// To find out whether the payload ends with the header of a stored block, it is
// inflated with two different stored blocks appended, one of them empty.
func inflateByFlate(history, payload []byte) (message []byte, ok bool) {
	if len(payload) == 0 {
		return nil, true
	}
	message, ok, atFinal := inflateByFlateTo(history, payload, inflateTail)
	if !ok || atFinal {
		return message, ok
	}
	longer, ok, _ := inflateByFlateTo(history, payload, []byte{0x02, 0x00, 0xFD, 0xFF, 'x', 'y'})
	return message, ok && string(longer) == string(message)+"xy"
}

// inflateByFlateTo inflates payload and tail. atFinal reports that the payload ends
// after a block with BFINAL set.
func inflateByFlateTo(history, payload, tail []byte) (message []byte, ok, atFinal bool) {
	tail = append(bytes.Clone(tail), 0x01, 0x00, 0x00, 0xFF, 0xFF)
	src := bytes.NewReader(append(bytes.Clone(payload), tail...))
	for {
		dict := append(bytes.Clone(history), message...)
		dict = dict[max(0, len(dict)-1<<15):]
		// NewReaderDict stops after a block with BFINAL set. Others may follow.
		part, err := io.ReadAll(flate.NewReaderDict(src, dict))
		if err != nil {
			return nil, false, false
		}
		message = append(message, part...)
		switch src.Len() {
		case 0:
			return message, true, false
		case len(tail):
			return message, true, true
		}
	}
}

// TestInflateCorrupted changes bytes of messages that are long enough for
// manySymbols.
func TestInflateCorrupted(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, corpus := range inflateCorpora(8000) {
		for _, level := range inflateLevels {
			payload := flateMessages(level, corpus)[0]
			for range 40 {
				corrupted := bytes.Clone(payload)
				corrupted[r.IntN(len(corrupted))] ^= 1 << r.IntN(8)
				want, ok := inflateByFlate(nil, corrupted)
				got, err := NewDecompressor(15, false).Append(nil, corrupted, -1)
				require.Equal(t, ok, err == nil, "%s %d: %v", name, level, err)
				if ok {
					require.True(t, bytes.Equal(want, got), "%s %d", name, level)
				}
				inPieces, errInPieces := inflatePieces(NewDecompressor(15, false), corrupted, 1+r.IntN(500), 1+r.IntN(500))
				require.Equal(t, err, errInPieces)
				if ok {
					require.True(t, bytes.Equal(want, inPieces), "%s %d", name, level)
				}
			}
		}
	}
}

func FuzzInflate(f *testing.F) {
	for _, level := range inflateLevels {
		p := flateMessages(level, inflateJSON(200, 1), inflateJSON(200, 1))
		f.Add(p[0], p[1], uint8(10), uint8(20))
	}
	p := flateMessages(6, inflateJSON(2000, 1), inflateText(500))
	f.Add(p[0], p[1], uint8(100), uint8(255))
	f.Add([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, uint8(0), uint8(0))
	f.Add([]byte{0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00}, []byte{0x00, 0x04, 0x00, 0xFB, 0xFF}, uint8(0), uint8(0))
	f.Add([]byte{0x01}, assemble().block(1, 1).fixed('a', 256).align().block(0, 1).match(1).fixed(256).end(), uint8(3), uint8(1))
	f.Add(assemble().dynamic(inflateLengthsOf(258, map[int]int{'a': 1, 256: 2, 257: 2}), []int{1}).code(0, 1).code(3, 2).code(0, 1).code(2, 2).end(), []byte{0}, uint8(3), uint8(1))
	f.Fuzz(func(t *testing.T, first, second []byte, in, out uint8) {
		if len(first)+len(second) > 4<<10 {
			t.Skip()
		}
		var history []byte
		whole, pieces, small := NewDecompressor(15, true), NewDecompressor(15, true), NewDecompressor(8, true)
		for _, payload := range [][]byte{first, second} {
			want, ok := inflateByFlate(history, payload)
			got, err := whole.Append(nil, payload, -1)
			require.Equal(t, ok, err == nil, "%v", err)
			inPieces, errInPieces := inflatePieces(pieces, payload, 1+int(in), 1+int(out))
			require.Equal(t, err, errInPieces)
			if !ok {
				require.ErrorIs(t, err, ErrCorrupt)
				return
			}
			require.True(t, bytes.Equal(want, got))
			require.True(t, bytes.Equal(want, inPieces))
			if got, err := small.Append(nil, payload, len(want)); err == nil {
				require.True(t, bytes.Equal(want, got))
			} else {
				require.Equal(t, errDistance, err)
				small.Reset()
			}
			history = append(history, want...)
		}
	})
}
