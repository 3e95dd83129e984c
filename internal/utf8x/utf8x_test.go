package utf8x

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var texts = []string{
	"", "plain", "κόσμε", "日本語", "\U0001F600 smile", "\u0080\u07FF\u0800\uFFFF\U00010000\U0010FFFF", "\uFFFD itself",
	"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "ok\xFFbad", "\x80", "cut \xE2\x82", "cut \xF0\x9F\x98",
	"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80\x65\x64",
}

// validPrefix returns the length of the longest prefix of s that valid UTF-8 can
// begin with.
func validPrefix(s string) int {
	for n := range len(s) {
		if !isPrefix(s[:n+1]) {
			return n
		}
	}
	return len(s)
}

// isPrefix reports whether valid UTF-8 can begin with s.
func isPrefix(s string) bool {
	for s != "" {
		if !utf8.FullRuneInString(s) {
			return true
		}
		_, size := utf8.DecodeRuneInString(s)
		if size == 1 && s[0] >= utf8.RuneSelf {
			return false
		}
		s = s[size:]
	}
	return true
}

// check gives a text to a Checker in pieces, which end at the cuts.
func check(t *testing.T, text string, cuts ...int) {
	var c Checker
	start := 0
	valid := validPrefix(text)
	for _, end := range append(cuts, len(text)) {
		ok := c.Append([]byte(text[start:end]))
		require.Equal(t, end <= valid, ok, "%q cut at %v, piece up to %d", text, cuts, end)
		if !ok {
			c.Reset()
			require.True(t, c.Complete())
			return
		}
		start = end
	}
	assert.Equal(t, utf8.ValidString(text), c.Complete(), "%q cut at %v", text, cuts)
}

func TestEveryCut(t *testing.T) {
	for _, text := range texts {
		check(t, text)
		for i := range len(text) + 1 {
			check(t, text, i)
			for j := i; j <= len(text); j++ {
				check(t, text, i, j)
			}
		}
		var all []int
		for i := range len(text) {
			all = append(all, i)
		}
		check(t, text, all...)
	}
}

func FuzzChecker(f *testing.F) {
	for _, text := range texts {
		f.Add(text, uint16(1), uint16(3))
	}
	f.Fuzz(func(t *testing.T, text string, a, b uint16) {
		i := min(int(a), len(text))
		j := min(max(i, int(b)), len(text))
		check(t, text, i, j)
	})
}
