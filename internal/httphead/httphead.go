// Package httphead parses the header fields of a WebSocket handshake: lists
// of tokens in the grammar of RFC 9110, Section 5.6.
package httphead

import (
	"errors"
	"strings"
)

// Errors of Tokens.
var (
	ErrNotToken = errors.New("not a list of tokens")
	ErrTooMany  = errors.New("too many list elements")
)

// HasToken reports whether a field with the given values, one for each line
// in which it occurs, is a list that contains token, whatever the case.
// Elements that are no tokens are passed over.
func HasToken(values []string, token string) bool {
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			// Letters outside ASCII that fold to one inside are longer than that.
			element = trim(element)
			if len(element) == len(token) && strings.EqualFold(element, token) {
				return true
			}
		}
	}
	return false
}

// Tokens returns the elements of a list of tokens in their order, at most
// limit of them. Empty elements are passed over: RFC 9110, Section 5.6.1.2.
func Tokens(values []string, limit int) ([]string, error) {
	var tokens []string
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			element = trim(element)
			switch {
			case element == "":
				continue
			case !IsToken(element):
				return nil, ErrNotToken
			case len(tokens) == limit:
				return nil, ErrTooMany
			}
			tokens = append(tokens, element)
		}
	}
	return tokens, nil
}

// IsToken reports whether s is a token: RFC 9110, Section 5.6.2.
func IsToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// IsFieldValue reports whether s can be the value of a field: no control
// character in it that could end the field or hide what follows
// (RFC 9110, Section 5.5).
func IsFieldValue(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' && b != '\t' || b == 0x7F {
			return false
		}
	}
	return true
}

func isTokenByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// trim removes the optional white space around a list element.
func trim(s string) string { return strings.Trim(s, " \t") }
