// Package utf8x checks UTF-8 that arrives in pieces.
package utf8x

import "unicode/utf8"

// A Checker checks a text given to it piece by piece and finds the first
// piece after which the whole cannot become valid UTF-8 any more. The zero
// value expects the beginning of a text.
type Checker struct {
	tail [utf8.UTFMax - 1]byte // the beginning of a rune that a piece ended in
	n    uint8                 // its length
}

// Append checks p as what follows the pieces before. It returns false at the
// first byte that no continuation can make valid; the Checker is of no use
// after that until it is Reset.
func (c *Checker) Append(p []byte) bool {
	if c.n > 0 {
		var ok bool
		if p, ok = c.complete(p); !ok {
			return false
		}
	}
	// All that can be incomplete at the end is the last rune.
	end := len(p) - incomplete(p)
	if !utf8.Valid(p[:end]) {
		return false
	}
	if end < len(p) {
		c.n = uint8(copy(c.tail[:], p[end:]))
	}
	return true
}

// Complete reports whether the pieces so far are a text, with no rune cut off
// at the end.
func (c *Checker) Complete() bool { return c.n == 0 }

// Reset makes c expect the beginning of a text.
func (c *Checker) Reset() { c.n = 0 }

// complete takes bytes of p until the rune in c.tail ends or cannot be one,
// and returns the rest of p.
func (c *Checker) complete(p []byte) (rest []byte, ok bool) {
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], c.tail[:c.n])
	for len(p) > 0 {
		buf[n] = p[0]
		n, p = n+1, p[1:]
		if utf8.FullRune(buf[:n]) {
			c.n = 0
			_, size := utf8.DecodeRune(buf[:n]) // 1 where it is no rune, and n is 2 at least
			return p, size == n
		}
	}
	c.n = uint8(copy(c.tail[:], buf[:n]))
	return nil, true
}

// incomplete returns the length of the rune at the end of p that more bytes
// could complete, zero if there is none.
func incomplete(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if utf8.FullRune(p[len(p)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}
