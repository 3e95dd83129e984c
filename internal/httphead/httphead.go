// Package httphead parses the header fields of a WebSocket handshake, which
// are lists in the grammar of RFC 9110, Section 5.6.
package httphead

import (
	"errors"
	"slices"
	"strings"
)

// Errors of Subprotocols.
var (
	ErrNotSubprotocols = errors.New("not a list of subprotocols, which are visible ASCII without quotes")
	ErrDuplicate       = errors.New("a subprotocol is there twice")
	ErrTooMany         = errors.New("too many list elements")
)

// HasToken reports whether a field with the given values, one for each line
// in which it occurs, is a list that contains token, whatever the case.
// Elements that are no tokens are skipped.
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

// Subprotocols returns the elements of a list of subprotocols in their order,
// at most limit of them. Empty elements are skipped: RFC 9110, Section 5.6.1.2.
func Subprotocols(values []string, limit int) ([]string, error) {
	var list []string
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			element = trim(element)
			switch {
			case element == "":
				continue
			case !IsSubprotocol(element):
				return nil, ErrNotSubprotocols
			case len(list) == limit:
				return nil, ErrTooMany
			case slices.Contains(list, element):
				return nil, ErrDuplicate // RFC 6455, Section 4.1, item 10: "MUST all be unique strings"
			}
			list = append(list, element)
		}
	}
	return list, nil
}

// IsSubprotocol reports whether s can be the name of a subprotocol: visible
// ASCII without commas and quotes. RFC 6455, Section 4.1, item 10, asks for a
// token. Names in use are not: Kubernetes has "SPDY/3.1+portforward.k8s.io".
func IsSubprotocol(s string) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b >= 0x7F || b == ',' || b == '"' {
			return false
		}
	}
	return s != ""
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
