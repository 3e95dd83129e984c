package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var deflateLevels = []Level{Speed, Balance, Ratio, HuffmanOnly}

// deflateTexts are repeated in messages.
var deflateTexts = []string{
	"The quick brown fox jumps over the lazy dog. ", "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. ",
	"いろはにほへと ちりぬるを わかよたれそ つねならむ ", "Съешь же ещё этих мягких французских булок, да выпей чаю. ",
	"<li class=\"item\"><a href=\"/items/%d\">Item</a></li>\n", `{"id":%d,"type":"update","price":1.25,"open":true,"user":"someone"},`,
	"צא ולמד מה ביקש ", "\U0001F600\U0001F680 ",
}

// deflateCorpus returns n bytes of a kind of data.
func deflateCorpus(r *rand.Rand, kind, n int) []byte {
	b := make([]byte, 0, n+1024)
	switch kind % 8 {
	case 0: // random
		for range n {
			b = append(b, byte(r.Uint32()))
		}
	case 1: // zeros
		b = b[:n]
	case 2: // a short period
		period := 1 + r.IntN(40)
		for i := range n {
			b = append(b, byte(i%period*7))
		}
	case 3: // few symbols, unevenly
		for range n {
			b = append(b, "aaaaaaaabbbbccd"[r.IntN(15)]+byte(r.IntN(50)/49))
		}
	case 4: // already compressed
		var buf bytes.Buffer
		w, _ := flate.NewWriter(&buf, 6)
		for buf.Len() < n {
			fmt.Fprintf(w, "%1000x", r.Uint64())
			w.Write(deflateCorpus(r, 3, 2000))
			w.Flush()
		}
		b = append(b, buf.Bytes()...)
	case 5: // Fibonacci frequencies, for the longest codes
		for i, f := 0, [2]int{1, 1}; len(b) < n; i, f = i+1, [2]int{f[1], f[0] + f[1]} {
			b = append(b, bytes.Repeat([]byte{byte(i)}, min(f[0], n-len(b)))...)
		}
		r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	default:
		for len(b) < n {
			text := deflateTexts[r.IntN(len(deflateTexts))]
			if strings.Contains(text, "%d") {
				text = fmt.Sprintf(text, r.IntN(100000))
			}
			b = append(b, text...)
		}
	}
	return b[:n]
}

// inflateStandard inflates a message with compress/flate.
func inflateStandard(t require.TestingT, compressed, history []byte) []byte {
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(compressed), strings.NewReader("\x00\x00\xFF\xFF\x01\x00\x00\xFF\xFF")),
		history[max(0, len(history)-1<<15):])
	message, err := io.ReadAll(r)
	require.NoError(t, err)
	return message
}

// A deflateChecker compresses messages with a Compressor and checks the results.
type deflateChecker struct {
	c      *Compressor
	tokens tokenReader
	window int
}

func newDeflateChecker(windowBits int, level Level) *deflateChecker {
	return &deflateChecker{c: NewCompressor(windowBits, level), window: 1 << windowBits}
}

// check checks the compressed form of a message.
func (d *deflateChecker) check(t require.TestingT, compressed, message []byte) {
	history := d.tokens.out[d.tokens.history:]
	got := inflateStandard(t, compressed, history)
	require.True(t, bytes.Equal(message, got), "message of %d bytes", len(message))
	start := len(d.tokens.out)
	require.NoError(t, d.tokens.read(compressed))
	require.True(t, bytes.Equal(message, d.tokens.out[start:]))
	require.LessOrEqual(t, d.tokens.farthest, d.window)
	require.LessOrEqual(t, len(compressed), len(message)+5*(len(message)/maxBlock+1)+1)
}

// message compresses a message with Append.
func (d *deflateChecker) message(t require.TestingT, message []byte) {
	d.check(t, d.c.Append(nil, message), message)
}

// alone compresses a message with AppendAlone.
func (d *deflateChecker) alone(t require.TestingT, message []byte) {
	d.tokens.history = len(d.tokens.out)
	d.check(t, d.c.AppendAlone(nil, message), message)
	d.tokens.history = len(d.tokens.out)
}

// parts compresses a message in parts, which end at the cuts.
func (d *deflateChecker) parts(t require.TestingT, message []byte, cuts ...int) {
	var compressed []byte
	start := 0
	for _, end := range cuts {
		compressed = append(compressed, d.c.AppendPart(nil, message[start:end])...)
		start = end
	}
	compressed = d.c.Append(compressed, message[start:])
	at := len(d.tokens.out)
	require.NoError(t, d.tokens.read(compressed))
	require.True(t, bytes.Equal(message, d.tokens.out[at:]))
	require.LessOrEqual(t, d.tokens.farthest, d.window)
}

// everyCompressor calls f for every level and window.
func everyCompressor(t *testing.T, f func(t *testing.T, windowBits int, level Level)) {
	for _, level := range deflateLevels {
		for windowBits := MinWindowBits; windowBits <= MaxWindowBits; windowBits++ {
			if deflateRace && windowBits%4 != int(level)%4 {
				continue
			}
			t.Run(fmt.Sprintf("level=%d/window=%d", level, windowBits), func(t *testing.T) {
				t.Parallel()
				f(t, windowBits, level)
			})
		}
	}
}

func TestDeflate(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 4, 7, 8, 9, 10, 17, 100, 128, 257, 300, 1000, 3000, 9000}
	everyCompressor(t, func(t *testing.T, windowBits int, level Level) {
		r := rand.New(rand.NewPCG(uint64(windowBits), uint64(level)))
		together, alone := newDeflateChecker(windowBits, level), newDeflateChecker(windowBits, level)
		for kind := range 8 {
			for _, size := range sizes {
				m := deflateCorpus(r, kind, size)
				together.message(t, m)
				alone.alone(t, m)
				// The same message again is one match, or several.
				if n := len(m); n > 8 && n <= 1<<windowBits-8 && level != HuffmanOnly {
					require.LessOrEqual(t, len(together.c.Append(nil, m)), 24+n/4, "%d bytes of kind %d again", n, kind)
					together.tokens.out = append(together.tokens.out, m...)
				}
			}
		}
	})
}

// TestDeflateLong compresses messages of several blocks, and more bytes than an
// index has positions.
func TestDeflateLong(t *testing.T) {
	for _, level := range deflateLevels {
		for _, windowBits := range []int{8, 11, 15} {
			t.Run(fmt.Sprintf("level=%d/window=%d", level, windowBits), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(3, uint64(level)))
				c := NewCompressor(windowBits, level)
				var history []byte
				step := 1
				if deflateRace {
					step = 3
				}
				for kind := 0; kind < 8; kind += step {
					for _, size := range []int{maxBlock - 1, maxBlock, maxBlock + 1, 1<<16 + r.IntN(1<<16), 2 << 20} {
						if size > 1<<17 && (deflateRace || testing.Short() || windowBits < 15) || size > 1<<20 && level.chains() {
							continue // it takes long and runs the same code
						}
						m := deflateCorpus(r, kind, size)
						out := c.Append(nil, m)
						require.True(t, bytes.Equal(m, inflateStandard(t, out, history)), "kind %d, %d bytes", kind, size)
						require.LessOrEqual(t, len(out), size+5*(size/maxBlock+1)+1)
						history = m
					}
				}
				m := deflateCorpus(r, 7, 150000)
				d := newDeflateChecker(windowBits, level)
				d.message(t, m)
				d.message(t, m[:70000])
				d.alone(t, m)
			})
		}
	}
}

func TestDeflateParts(t *testing.T) {
	everyCompressor(t, func(t *testing.T, windowBits int, level Level) {
		r := rand.New(rand.NewPCG(uint64(windowBits), uint64(level)))
		d := newDeflateChecker(windowBits, level)
		for kind := range 16 {
			m := deflateCorpus(r, kind, r.IntN(20000))
			var cuts []int
			for at := r.IntN(30); at <= len(m); at += r.IntN(1 + r.IntN(4000)) {
				cuts = append(cuts, at)
			}
			d.parts(t, m, cuts...)
			d.message(t, m[len(m)/2:])
			if kind%4 == 0 {
				d.c.AppendPart(nil, m) // never finished
				d.c.Reset()
				d.tokens.history = len(d.tokens.out)
			}
		}
	})
}

// TestDeflateSetLevel changes the level between messages. That keeps the history,
// unless the level is HuffmanOnly.
func TestDeflateSetLevel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	d := newDeflateChecker(15, Speed)
	m := deflateCorpus(r, 0, 5000)
	d.message(t, m)
	for i := range 100 {
		d.c.SetLevel(deflateLevels[i%3])
		out := d.c.Append(nil, m)
		require.Less(t, len(out), 200)
		d.check(t, out, m)
	}
	for range 200 {
		d.c.SetLevel(deflateLevels[r.IntN(4)])
		d.message(t, deflateCorpus(r, r.IntN(8), r.IntN(9000)))
	}
}

func TestDeflateEmpty(t *testing.T) {
	for _, level := range deflateLevels {
		c := NewCompressor(15, level)
		assert.Equal(t, []byte{0}, c.Append(nil, nil))
		assert.Equal(t, []byte("before\x00"), c.AppendAlone([]byte("before"), nil))
		assert.Empty(t, c.AppendPart(nil, nil))
		assert.Equal(t, []byte{0}, c.Append(nil, nil))
	}
	// RFC 7692, Section 7.2.3.1 and 7.2.3.2.
	c := NewCompressor(15, Speed)
	assert.Equal(t, []byte{0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00}, c.Append(nil, []byte("Hello")))
}

// TestDeflateReset checks that the result for a message does not depend on messages
// before a reset.
func TestDeflateReset(t *testing.T) {
	for _, level := range deflateLevels {
		r := rand.New(rand.NewPCG(7, uint64(level)))
		c := NewCompressor(12, level)
		for range 300 {
			c.SetLevel(level)
			m := deflateCorpus(r, 6+r.IntN(2), r.IntN(1+r.IntN(100000)))
			switch r.IntN(3) {
			case 0:
				c.Append(nil, m)
				c.Reset()
			case 1:
				c.AppendPart(nil, m)
				c.Reset()
			default:
				require.Equal(t, NewCompressor(12, level).AppendAlone(nil, m), c.AppendAlone(nil, m))
			}
		}
	}
}

// TestDeflatePositions starts at positions that wrap around, with an index of random
// positions: those in an index are only hints.
func TestDeflatePositions(t *testing.T) {
	for _, level := range deflateLevels[:3] {
		r := rand.New(rand.NewPCG(11, uint64(level)))
		for _, next := range []uint16{0, 1, 1<<15 - 100, 1 << 15, 1<<16 - 1000, 1<<16 - 1} {
			d := newDeflateChecker(15, level)
			d.message(t, []byte("something that makes an index"))
			for i := range d.c.index.heads {
				d.c.index.heads[i] = uint16(r.Uint32())
			}
			for i := range d.c.index.chain {
				d.c.index.chain[i] = uint16(r.Uint32())
			}
			d.c.index.next = next
			for kind := range 8 {
				d.message(t, deflateCorpus(r, kind, r.IntN(5000)))
			}
		}
	}
}

// TestDeflateState checks how much memory is kept for a connection.
func TestDeflateState(t *testing.T) {
	for windowBits := MinWindowBits; windowBits <= MaxWindowBits; windowBits++ {
		c := NewCompressor(windowBits, Speed)
		assert.Zero(t, cap(c.history.bytes)+cap(c.index.heads))
		r := rand.New(rand.NewPCG(1, 1))
		c.Append(nil, deflateCorpus(r, 6, 100))
		assert.Equal(t, 100, cap(c.history.bytes))
		for range 300 {
			c.Append(nil, deflateCorpus(r, 6, r.IntN(3000)))
		}
		state := int(unsafe.Sizeof(*c)) + cap(c.history.bytes) + 2*cap(c.index.heads) + 2*cap(c.index.chain)
		t.Logf("window of %d bytes: %d bytes", 1<<windowBits, state)
		assert.LessOrEqual(t, state, 2<<windowBits+1<<11)
		assert.LessOrEqual(t, state, 64<<10)
	}
}

func TestDeflateAllocations(t *testing.T) {
	if deflateRace {
		t.Skip("allocations are counted without the race detector")
	}
	r := rand.New(rand.NewPCG(13, 13))
	for _, level := range deflateLevels {
		for _, size := range []int{0, 1, 100, 1000, 20000, 200000} {
			for _, kind := range []int{0, 6} {
				m := deflateCorpus(r, kind, size)
				dst := make([]byte, 0, size+size/8+32)
				c := NewCompressor(15, level)
				c.Append(nil, deflateCorpus(r, kind, 50000))
				assert.Zero(t, testing.AllocsPerRun(20, func() { c.Append(dst, m) }), "level %d, %d bytes", level, size)
				assert.Zero(t, testing.AllocsPerRun(20, func() { c.AppendPart(dst, m) }), "level %d, %d bytes", level, size)
				assert.Zero(t, testing.AllocsPerRun(20, func() { c.AppendAlone(dst, m) }), "level %d, %d bytes", level, size)
			}
		}
	}
}

// TestDeflateCodes builds codes for weights of many kinds. A code is complete, its
// lengths are within the limit, and without a limit it is optimal.
func TestDeflateCodes(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 17))
	var h huffman
	var c code
	for range 3000 {
		weights := make([]uint32, 1+r.IntN(literalSymbols))
		total, used := uint32(0), 0
		for s := range weights {
			weight := r.Uint32N(1<<r.IntN(15)>>r.IntN(15)&0xFFF + 1)
			if total += weight; total >= 1<<16 {
				break
			}
			weights[s] = weight
			if weight > 0 {
				used++
			}
		}
		limit := 15
		if used <= lengthAlphabet {
			limit = 5 + r.IntN(3)
		}
		size := h.build(&c, weights, limit)
		require.Len(t, c.used, used)
		kraft, sum := 0, 0
		for _, s := range c.used {
			require.NotZero(t, weights[s])
			require.Positive(t, c.lengths[s])
			require.LessOrEqual(t, int(c.lengths[s]), limit)
			kraft += 1 << (limit - int(c.lengths[s]))
			sum += int(weights[s]) * int(c.lengths[s])
		}
		require.Equal(t, sum, size)
		if used >= 2 {
			require.Equal(t, 1<<limit, kraft)
		}
		if limit == 15 && used >= 2 {
			require.Equal(t, huffmanSize(weights), size)
		}
	}
}

// TestDeflateLongOutput appends to slices whose length in bits is about the
// largest int of 32 bits. What is appended does not depend on that.
func TestDeflateLongOutput(t *testing.T) {
	var m []byte
	for b := byte(144); len(m) < dynamicSymbols-1; b++ { // nine bits each in the fixed code
		m = append(m, b)
	}
	c := NewCompressor(15, Speed)
	want := c.AppendAlone(nil, m)
	require.Len(t, want, 5+len(m)+1, "a block of no compression and the end")
	dst := make([]byte, 1<<28, 1<<28+1<<10) // of which hardly anything is touched
	for n := len(dst) - len(want) - 1; n <= len(dst); n++ {
		require.Equal(t, want, c.AppendAlone(dst[:n], m)[n:], "behind %d bytes", n)
	}
}

// huffmanSize returns how long symbols of these weights are in an optimal code.
func huffmanSize(weights []uint32) (size int) {
	var left []int
	for _, weight := range weights {
		if weight > 0 {
			left = append(left, int(weight))
		}
	}
	for len(left) > 1 {
		for i := range 2 {
			for j := i + 1; j < len(left); j++ {
				if left[j] < left[i] {
					left[i], left[j] = left[j], left[i]
				}
			}
		}
		left[1] += left[0]
		size += left[1]
		left = left[1:]
	}
	return size
}
