package main

import (
	"io"
	"strconv"
	"unicode/utf8"
)

// A visible is a writer for a terminal, which obeys control characters: it writes those
// of a server, and all else that is not printable, as Go escapes. Line feeds and tabs
// are left. The text is UTF-8.
type visible struct {
	w    io.Writer
	rest []byte // the beginning of a character whose end is in the next call
}

// Write implements io.Writer.
func (v *visible) Write(p []byte) (int, error) {
	text := append(v.rest, p...)
	var out []byte
	for len(text) > 0 && (utf8.FullRune(text)) {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\n' || r == '\t' || strconv.IsPrint(r) && (r != utf8.RuneError || size > 1):
			out = append(out, text[:size]...)
		default:
			quoted := strconv.Quote(string(text[:size]))
			out = append(out, quoted[1:len(quoted)-1]...)
		}
		text = text[size:]
	}
	v.rest = append([]byte(nil), text...)
	_, err := v.w.Write(out)
	return len(p), err
}
