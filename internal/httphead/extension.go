package httphead

import (
	"errors"
	"strings"
)

// An Extension is an element of a Sec-WebSocket-Extensions header.
type Extension struct {
	Name   string
	Params []Param
}

// A Param is a parameter of an extension. Its value was a token, or a quoted
// string whose content is one.
type Param struct {
	Name, Value string
	HasValue    bool
}

// ErrNotExtensions is returned for a header that is no list of extensions.
var ErrNotExtensions = errors.New("not a list of extensions")

// Extensions parses the values of a Sec-WebSocket-Extensions header
// (RFC 6455, Section 9.1): at most limit extensions, with at most limit
// parameters each.
func Extensions(values []string, limit int) ([]Extension, error) {
	var list []Extension
	for _, value := range values {
		p := parser{rest: value}
		for {
			p.skipSpace()
			for p.skip(',') { // empty elements: RFC 9110, Section 5.6.1.2
				p.skipSpace()
			}
			if p.rest == "" {
				break
			}
			extension, err := p.extension(limit)
			if err != nil {
				return nil, err
			}
			if len(list) == limit {
				return nil, ErrTooMany
			}
			list = append(list, extension)
			if p.rest != "" && p.rest[0] != ',' {
				return nil, ErrNotExtensions
			}
		}
	}
	return list, nil
}

// A parser takes a header value apart from the left.
type parser struct{ rest string }

func (p *parser) skipSpace() { p.rest = strings.TrimLeft(p.rest, " \t") }

func (p *parser) skip(b byte) bool {
	if p.rest == "" || p.rest[0] != b {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// token takes a token, "" if there is none.
func (p *parser) token() string {
	n := 0
	for n < len(p.rest) && isTokenByte(p.rest[n]) {
		n++
	}
	token := p.rest[:n]
	p.rest = p.rest[n:]
	return token
}

// extension takes a name and its parameters, and the space after them.
func (p *parser) extension(limit int) (Extension, error) {
	e := Extension{Name: p.token()}
	if e.Name == "" {
		return Extension{}, ErrNotExtensions
	}
	for p.skipSpace(); p.skip(';'); p.skipSpace() {
		param, ok := p.param()
		if !ok {
			return Extension{}, ErrNotExtensions
		}
		if len(e.Params) == limit {
			return Extension{}, ErrTooMany
		}
		e.Params = append(e.Params, param)
	}
	return e, nil
}

func (p *parser) param() (Param, bool) {
	p.skipSpace()
	param := Param{Name: p.token()}
	if param.Name == "" {
		return Param{}, false
	}
	p.skipSpace()
	if !p.skip('=') {
		return param, true
	}
	p.skipSpace()
	param.HasValue = true
	if p.skip('"') {
		var ok bool
		param.Value, ok = p.quoted()
		return param, ok
	}
	param.Value = p.token()
	return param, param.Value != ""
}

// quoted takes the rest of a quoted string. RFC 6455, Section 9.1: what is in
// it "MUST conform to the 'token' ABNF" once the quoting is taken off.
func (p *parser) quoted() (string, bool) {
	var value strings.Builder
	for p.rest != "" {
		b := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case b == '"':
			return value.String(), IsToken(value.String())
		case b == '\\' && p.rest != "":
			b = p.rest[0]
			p.rest = p.rest[1:]
		}
		value.WriteByte(b)
	}
	return "", false
}
