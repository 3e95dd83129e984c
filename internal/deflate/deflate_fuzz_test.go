package deflate

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDeflate compresses data in several messages. Each two bytes of script are the
// length of a message and what is done with it.
func FuzzDeflate(f *testing.F) {
	f.Add(uint8(15), []byte{}, []byte("a message"))
	f.Add(uint8(8), []byte{5, 1, 9, 2, 200, 3, 7, 0}, bytes.Repeat([]byte("some text, some text. "), 90))
	f.Add(uint8(9), []byte{255, 4, 255, 5, 255, 8, 255, 11, 255, 13}, bytes.Repeat([]byte{0, 1, 2, 3, 4, 5, 6, 7}, 300))
	f.Fuzz(func(t *testing.T, window uint8, script, data []byte) {
		d := newDeflateChecker(MinWindowBits+int(window)%8, Level(window/8%4))
		for ops := 0; ops < 32 && len(script) >= 2; ops, script = ops+1, script[2:] {
			n := min(len(data), int(script[0])*int(script[0])/16)
			m := data[:n]
			data = data[n/2:]
			switch op := script[1]; op % 8 {
			case 0:
				d.alone(t, m)
			case 1, 2:
				d.parts(t, m, n/3, n/2)
			case 3:
				d.c.SetLevel(Level(op / 8 % 4))
			case 4:
				d.c.Reset()
				d.tokens.history = len(d.tokens.out)
			default:
				d.message(t, m)
			}
		}
		d.message(t, data[:min(len(data), 1<<16)])
		require.LessOrEqual(t, len(d.c.history.bytes), d.window+slack(d.window))
	})
}
