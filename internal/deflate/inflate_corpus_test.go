package deflate

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inflateJSON returns n bytes of typical JSON messages.
func inflateJSON(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := strings.Fields("price update account order filled cancelled pending user message channel " +
		"presence typing reaction thread created deleted edited Berlin Paris Lisbon Tokyo Lima")
	pick := func() string { return words[r.IntN(len(words))] }
	var b bytes.Buffer
	for b.Len() < n {
		line, err := json.Marshal(map[string]any{
			"id": r.IntN(1 << 30), "type": pick() + "." + pick(), "ts": 1700000000000 + r.Int64N(1<<33),
			"user":    map[string]any{"name": pick(), "city": pick(), "admin": r.IntN(9) == 0},
			"payload": map[string]any{"bid": float64(r.IntN(1e6)) / 100, "ask": float64(r.IntN(1e6)) / 100, "text": pick() + " " + pick() + " " + pick()},
		})
		if err != nil {
			panic(err)
		}
		b.Write(line)
	}
	return b.Bytes()[:n]
}

func inflateHTML(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 2))
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<li class=\"item item-%d\"><a href=\"/p/%x?page=%d\">Entry &amp; title %d</a>\n\t<span style='color:#%06x'>%s</span></li>\n",
			i%7, r.Uint32(), i, i, r.IntN(1<<24), strings.Repeat("é", r.IntN(5)))
	}
	return b.Bytes()[:n]
}

func inflateText(n int) []byte {
	sentences := []string{
		"The quick brown fox jumps over the lazy dog, again and again. ",
		"Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ",
		"Съешь же ещё этих мягких французских булок, да выпей чаю. ",
		"いろはにほへと ちりぬるを わかよたれそ つねならむ。",
		"نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. ",
		"Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ", "키스의 고유조건은 입술끼리 만나야 하고. ",
	}
	r := rand.New(rand.NewPCG(uint64(n), 3))
	var b bytes.Buffer
	for b.Len() < n {
		words := strings.Fields(sentences[r.IntN(len(sentences))])
		r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		b.WriteString(strings.Join(words, " "))
	}
	return b.Bytes()[:n]
}

func inflateRandom(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{4}).Read(b)
	return b
}

// inflateSkewed returns n bytes with very different frequencies, which have long
// codes.
func inflateSkewed(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 5))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(min(r.ExpFloat64()*9, 255))
	}
	return b
}

// inflateRepetitive returns n bytes with matches at every distance from 1 to 300.
func inflateRepetitive(n int) []byte {
	var b []byte
	unit := inflateRandom(300)
	for period := 1; len(b) < n; period = period%300 + 1 {
		for range 3 + 600/period%5 {
			b = append(b, unit[:period]...)
		}
	}
	return b[:n]
}

func inflateCorpora(n int) map[string][]byte {
	return map[string][]byte{
		"json": inflateJSON(n, 7), "html": inflateHTML(n), "text": inflateText(n), "random": inflateRandom(n),
		"skewed": inflateSkewed(n), "repetitive": inflateRepetitive(n), "zeros": make([]byte, n),
		"compressed": flateMessages(6, inflateHTML(20*n))[0][:min(n, 1000)],
	}
}

// inflateTail is what a sender removes from the end of every message.
var inflateTail = []byte{0x00, 0x00, 0xFF, 0xFF}

var inflateLevels = []int{flate.HuffmanOnly, 0, 1, 6, 9}

// flateMessages compresses messages with compress/flate, as in RFC 7692, Section
// 7.2.1, with context takeover.
func flateMessages(level int, messages ...[]byte) (payloads [][]byte) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		panic(err)
	}
	for _, m := range messages {
		b.Reset()
		if _, err := w.Write(m); err != nil {
			panic(err)
		}
		if err := w.Flush(); err != nil {
			panic(err)
		}
		payloads = append(payloads, bytes.TrimSuffix(bytes.Clone(b.Bytes()), inflateTail))
	}
	return payloads
}

// inflatePieces inflates a message with at most in bytes of input and out bytes of
// output at a time.
func inflatePieces(d *Decompressor, payload []byte, in, out int) (message []byte, err error) {
	buf := make([]byte, out)
	pending := payload[:min(in, len(payload))]
	rest := payload[len(pending):]
	for idle := 0; ; {
		written, read, done, err := d.Inflate(buf, pending, len(rest) == 0)
		message = append(message, buf[:written]...)
		if err != nil || done {
			if done && read != len(pending) {
				return message, fmt.Errorf("done with %d bytes left", len(pending)-read)
			}
			return message, err
		}
		pending = pending[read:]
		if written+read == 0 && len(pending) == 0 && len(rest) == 0 || written < out && len(pending) > 0 {
			if idle++; idle > 2 {
				return message, io.ErrNoProgress
			}
		} else {
			idle = 0
		}
		if len(pending) == 0 {
			pending = rest[:min(in, len(rest))]
			rest = rest[len(pending):]
		}
	}
}

func TestInflateCorpora(t *testing.T) {
	for name, corpus := range inflateCorpora(70_000) {
		for _, level := range inflateLevels {
			messages := [][]byte{corpus[:len(corpus)/9], corpus[len(corpus)/9 : len(corpus)/2], {}, corpus[len(corpus)/2:], corpus[:len(corpus)/2]}
			payloads := flateMessages(level, messages...)
			whole, pieces, mixed := NewDecompressor(15, true), NewDecompressor(15, true), NewDecompressor(15, true)
			for i, p := range payloads {
				got, err := whole.Append([]byte("before"), p, -1)
				require.NoError(t, err, "%s %d %d", name, level, i)
				require.True(t, bytes.Equal(append([]byte("before"), messages[i]...), got), "%s %d %d", name, level, i)

				got, err = inflatePieces(pieces, p, 1+i*300, 1000-i*199)
				require.NoError(t, err, "%s %d %d", name, level, i)
				require.True(t, bytes.Equal(messages[i], got), "%s %d %d", name, level, i)

				if i%2 == 0 {
					got, err = inflatePieces(mixed, p, 1<<20, 4096)
				} else {
					got, err = mixed.Append(nil, p, len(messages[i]))
				}
				require.NoError(t, err, "%s %d %d", name, level, i)
				require.True(t, bytes.Equal(messages[i], got), "%s %d %d", name, level, i)
			}
		}
	}
}
