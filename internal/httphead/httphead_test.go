package httphead

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHasToken(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"upgrade"}, true},
		{[]string{"Upgrade"}, true},
		{[]string{"keep-alive, Upgrade"}, true},
		{[]string{"keep-alive,\tUPGRADE ,x"}, true},
		{[]string{"keep-alive", "upgrade"}, true},
		{[]string{",, ,upgrade,"}, true},
		{[]string{"upgrades"}, false},
		{[]string{"up grade"}, false},
		{[]string{"not-upgrade"}, false},
		{[]string{"\"upgrade\""}, false},
		{[]string{"upgrade; q=1"}, false},
	} {
		assert.Equal(t, test.want, HasToken(test.values, "upgrade"), "%q", test.values)
	}
	assert.False(t, HasToken([]string{"webso\u212Aet"}, "websocket"), "no letters of other alphabets")
	assert.False(t, HasToken([]string{"web\u017Focket"}, "websocket"), "no letters of other alphabets")
}

func TestSubprotocols(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   []string
		err    error
	}{
		{nil, nil, nil},
		{[]string{""}, nil, nil},
		{[]string{" , "}, nil, nil},
		{[]string{"chat"}, []string{"chat"}, nil},
		{[]string{"chat, superchat"}, []string{"chat", "superchat"}, nil},
		{[]string{"chat\t,\tsuperchat"}, []string{"chat", "superchat"}, nil},
		{[]string{"a,b", "c"}, []string{"a", "b", "c"}, nil},
		{[]string{"v1.echo~!#$%&'*+-.^_`|"}, []string{"v1.echo~!#$%&'*+-.^_`|"}, nil},
		{[]string{"SPDY/3.1+portforward.k8s.io, v5.channel.k8s.io"}, []string{"SPDY/3.1+portforward.k8s.io", "v5.channel.k8s.io"}, nil},
		{[]string{"a b"}, nil, ErrNotSubprotocols},
		{[]string{`"a"`}, nil, ErrNotSubprotocols},
		{[]string{"a", "b\x00"}, nil, ErrNotSubprotocols},
		{[]string{"é"}, nil, ErrNotSubprotocols},
		{[]string{"a,b,c,d"}, nil, ErrTooMany},
	} {
		got, err := Subprotocols(test.values, 3)
		assert.Equal(t, test.err, err, "%q", test.values)
		assert.Equal(t, test.want, got, "%q", test.values)
	}
}

func TestIsSubprotocol(t *testing.T) {
	assert.False(t, IsSubprotocol(""))
	for b := range 256 {
		want := b > 0x20 && b < 0x7F && b != ',' && b != '"'
		assert.Equal(t, want, IsSubprotocol("x"+string([]byte{byte(b)})+"y"), "%x", b)
		assert.Equal(t, want, IsSubprotocol(string([]byte{byte(b)})), "%x", b)
	}
}

func TestIsFieldValue(t *testing.T) {
	assert.True(t, IsFieldValue("a b\tc é \x80"))
	for b := range 0x20 {
		if b != '\t' {
			assert.False(t, IsFieldValue("x"+string(rune(b))+"y"), "%x", b)
		}
	}
	assert.False(t, IsFieldValue("\x7F"))
}

func TestIsToken(t *testing.T) {
	assert.False(t, IsToken(""))
	for b := range 256 {
		want := b > 0x20 && b < 0x7F && !strings.ContainsRune("\"(),/:;<=>?@[\\]{}", rune(b))
		assert.Equal(t, want, IsToken("x"+string([]byte{byte(b)})), "%x", b)
	}
}
