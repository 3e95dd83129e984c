// Package utf8x checks UTF-8 that arrives in pieces.
package utf8x

import "unicode/utf8"

// A Checker checks the pieces of a text one after the other. It finds invalid
// UTF-8 in the piece in which it is. The zero value is ready for a new text.
type Checker struct {
	tail [utf8.UTFMax - 1]byte // the incomplete rune at the end of the last piece
	n    uint8                 // its length
}

// Append checks the next piece of the text. It returns false if the text so far
// is not the beginning of any valid UTF-8. After that, the Checker has to be
// reset.
func (c *Checker) Append(p []byte) bool {
	if c.n > 0 {
		var ok bool
		if p, ok = c.complete(p); !ok {
			return false
		}
	}
	// Only the last rune can be incomplete.
	end := len(p) - incomplete(p)
	if !utf8.Valid(p[:end]) {
		return false
	}
	if end < len(p) {
		c.n = uint8(copy(c.tail[:], p[end:]))
	}
	return true
}

// Complete reports whether the text so far ends with a complete rune.
func (c *Checker) Complete() bool { return c.n == 0 }

// Reset makes c ready for a new text.
func (c *Checker) Reset() { c.n = 0 }

// complete adds bytes of p to the rune in c.tail until it is complete or
// invalid, and returns the rest of p.
func (c *Checker) complete(p []byte) (rest []byte, ok bool) {
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], c.tail[:c.n])
	for len(p) > 0 {
		buf[n] = p[0]
		n, p = n+1, p[1:]
		if utf8.FullRune(buf[:n]) {
			c.n = 0
			_, size := utf8.DecodeRune(buf[:n]) // 1 for an invalid rune, and n is at least 2
			return p, size == n
		}
	}
	c.n = uint8(copy(c.tail[:], buf[:n]))
	return nil, true
}

// incomplete returns the length of the incomplete rune at the end of p, zero if
// there is none.
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
