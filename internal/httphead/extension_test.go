package httphead

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExtensions(t *testing.T) {
	flag := func(name string) Param { return Param{Name: name} }
	value := func(name, value string) Param { return Param{name, value, true} }
	for _, test := range []struct {
		values []string
		want   []Extension
		err    error
	}{
		{nil, nil, nil},
		{[]string{""}, nil, nil},
		{[]string{" , ,"}, nil, nil},
		{[]string{"a"}, []Extension{{"a", nil}}, nil},
		{[]string{"a, b", "c"}, []Extension{{"a", nil}, {"b", nil}, {"c", nil}}, nil},
		{[]string{"a;x"}, []Extension{{"a", []Param{flag("x")}}}, nil},
		{[]string{"a ; x ; y = 1 , b"}, []Extension{{"a", []Param{flag("x"), value("y", "1")}}, {"b", nil}}, nil},
		{[]string{`a; x="10"`}, []Extension{{"a", []Param{value("x", "10")}}}, nil},
		{[]string{`a; x="1\0"`}, []Extension{{"a", []Param{value("x", "10")}}}, nil},
		{[]string{`a; x; x`}, []Extension{{"a", []Param{flag("x"), flag("x")}}}, nil},
		{[]string{`a; x=""`}, nil, ErrNotExtensions},
		{[]string{`a; x="1 0"`}, nil, ErrNotExtensions},
		{[]string{`a; x="10`}, nil, ErrNotExtensions},
		{[]string{`a; x="10\`}, nil, ErrNotExtensions},
		{[]string{"a; x="}, nil, ErrNotExtensions},
		{[]string{"a;"}, nil, ErrNotExtensions},
		{[]string{"a; =1"}, nil, ErrNotExtensions},
		{[]string{"a b"}, nil, ErrNotExtensions},
		{[]string{"a; x y"}, nil, ErrNotExtensions},
		{[]string{"; x"}, nil, ErrNotExtensions},
		{[]string{"a, b, c, d"}, nil, ErrTooMany},
		{[]string{"a; w; x; y; z"}, nil, ErrTooMany},
	} {
		got, err := Extensions(test.values, 3)
		assert.Equal(t, test.err, err, "%q", test.values)
		assert.Equal(t, test.want, got, "%q", test.values)
	}
}

// FuzzExtensions: what was parsed says the same when it is written and parsed
// again, and nothing in it is anything but a token.
func FuzzExtensions(f *testing.F) {
	f.Add(`permessage-deflate; client_max_window_bits; server_max_window_bits="10", x`)
	f.Add(`a; x="\"", b`)
	f.Fuzz(func(t *testing.T, value string) {
		list, err := Extensions([]string{value}, 10)
		if err != nil {
			require.Nil(t, list)
			return
		}
		var again []string
		for _, e := range list {
			require.True(t, IsToken(e.Name))
			for _, p := range e.Params {
				require.True(t, IsToken(p.Name))
				e.Name += ";" + p.Name
				if p.HasValue {
					require.True(t, IsToken(p.Value))
					e.Name += `="` + p.Value + `"`
				}
			}
			again = append(again, e.Name)
		}
		second, err := Extensions([]string{strings.Join(again, ",")}, 10)
		require.NoError(t, err)
		require.Equal(t, list, second)
	})
}
