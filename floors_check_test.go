package websocket_test

import (
	"go/token"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// document returns a document with a list of floors.
func document(list string) string {
	return "# A title\n\n```\nname: another block\n```\n\n<!-- floors: a note -->\n```\n" + list + "```\n<!-- end of floors -->\n"
}

// writePackage writes the files of a package named p, and returns their
// directory.
func writePackage(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, source := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("package p\n"+source+"\n"), 0o600))
	}
	return dir
}

// checkPackage returns the problems of a package with these files.
func checkPackage(t *testing.T, list string, files map[string]string) []string {
	t.Helper()
	l, err := parseLayout(document(list))
	require.NoError(t, err)
	problems, _, err := l.check(writePackage(t, files), "linux/amd64", "js/wasm")
	require.NoError(t, err)
	return problems
}

const twoFloors = `
upper: what is on top of the other
    upper.go
    |
lower:
    lower.go beside.go    two files
`

const apart = `
features, each on its own:
    a.go → b.go    with a description
    b.go c.go
below:
    d.go
`

// TestFloors checks what TestCallsGoDown finds in small packages.
func TestFloors(t *testing.T) {
	tests := []struct {
		name  string
		list  string
		files map[string]string
		want  []string
	}{
		{"references down and sideways", twoFloors, map[string]string{
			"upper.go":  "type T struct{ L }; func (t T) M() int { return t.field + f() + t.m() + c + v }",
			"lower.go":  "type L struct{ field int }; func (L) m() int { return g() }; const c = 1; var v = 1; func f() int { return 1 }",
			"beside.go": "func g() int { return f() }",
		}, nil},
		{"calls through an interface and a function value", twoFloors, map[string]string{
			"upper.go":  "type T struct{}; func (T) m() {}; func f() {}; func New() L { return L{T{}, f} }",
			"lower.go":  "type I interface{ m() }; type L struct { I; f func() }; func (l L) Do() { l.m(); l.f() }",
			"beside.go": "",
		}, nil},
		{"function", twoFloors, map[string]string{
			"upper.go":  "func f() {}; func g[T any](T) {}",
			"lower.go":  "func _() { f(); g(1); f() }",
			"beside.go": "func _() { (f)(); g[int](1) }; var _ = f",
		}, []string{
			`beside.go:2:13: call of function f, declared in upper.go: "lower" is below "upper"`,
			`beside.go:2:19: call of function g, declared in upper.go: "lower" is below "upper"`,
			`beside.go:2:40: use of function f, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:12: call of function f, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:17: call of function g, declared in upper.go: "lower" is below "upper"`,
		}},
		{"method", twoFloors, map[string]string{
			"upper.go":  "func (L) m() {}; func (*L) p() {}; func (*G[T]) q() {}",
			"lower.go":  "type L struct{}; func (l L) call() { l.m() }; type G[T any] struct{}",
			"beside.go": "var _ = (*L).p; func _(g *G[int]) { g.q() }",
		}, []string{
			`beside.go:2:14: use of method (*L).p, declared in upper.go: "lower" is below "upper"`,
			`beside.go:2:39: call of method (*G[T]).q, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:40: call of method (L).m, declared in upper.go: "lower" is below "upper"`,
		}},
		{"field", twoFloors, map[string]string{
			"upper.go":  "type U struct{ field int; E }; type E struct{ deep int }; type G[T any] struct{ item T }",
			"lower.go":  "func _(u *U) int { return u.field }; func _(g G[int]) int { return g.item }",
			"beside.go": "func _(u U) int { return u.deep }; var _ = U{field: 1}",
		}, []string{
			`beside.go:2:10: use of type U, declared in upper.go: "lower" is below "upper"`,
			`beside.go:2:26: access to field U.E, declared in upper.go: "lower" is below "upper"`,
			`beside.go:2:28: access to field E.deep, declared in upper.go: "lower" is below "upper"`,
			`beside.go:2:46: access to field U.field, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:11: use of type U, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:29: access to field U.field, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:47: use of type G, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:70: access to field G.item, declared in upper.go: "lower" is below "upper"`,
		}},
		{"type, constant and variable", twoFloors, map[string]string{
			"upper.go":  "type T int; const c = 1; var v = 1",
			"lower.go":  "type L struct { T }; var _ = c; var _ = v",
			"beside.go": "",
		}, []string{
			`lower.go:2:17: use of type T, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:30: use of constant c, declared in upper.go: "lower" is below "upper"`,
			`lower.go:2:41: use of variable v, declared in upper.go: "lower" is below "upper"`,
		}},
		{"file without a floor", twoFloors, map[string]string{
			"upper.go": "", "lower.go": "", "beside.go": "", "new.go": "", "new_test.go": "",
		}, []string{"new.go has no floor"}},
		{"file that does not exist", twoFloors, map[string]string{
			"upper.go": "", "lower.go": "",
		}, []string{"beside.go does not exist"}},
		{"a reference on another platform", `
upper:
    upper.go
lower:
    lower_js.go lower_windows.go
`, map[string]string{
			"upper.go":         "func f() {}",
			"lower_js.go":      "func _() { f() }",
			"lower_windows.go": "func _() { f() }", // not one of those that checkPackage checks
		}, []string{
			`lower_js.go:2:12: call of function f, declared in upper.go: "lower" is below "upper"`,
		}},
		{"files that stand on their own", apart, map[string]string{
			"a.go": "func a() { b(); c(); d() }",
			"b.go": "func b() { a() }",
			"c.go": "func c() {}",
			"d.go": "func d() {}",
		}, []string{
			`a.go:2:17: call of function c, declared in c.go: the files of "features" are each on its own`,
			`b.go:2:12: call of function a, declared in a.go: the files of "features" are each on its own`,
		}},
		{"an arrow for nothing", apart, map[string]string{
			"a.go": "func a() { d() }", "b.go": "", "c.go": "", "d.go": "func d() {}",
		}, []string{"a.go does not refer to b.go: remove the arrow from the list"}},
		{"code that does not compile", twoFloors, map[string]string{
			"upper.go": "func f() {}", "lower.go": "func _() { f(); undefined() }", "beside.go": "",
		}, []string{
			`linux/amd64: lower.go:2:17: undefined: undefined`,
			`js/wasm: lower.go:2:17: undefined: undefined`,
			`lower.go:2:12: call of function f, declared in upper.go: "lower" is below "upper"`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, checkPackage(t, test.list, test.files))
		})
	}
}

// TestFloorsOfInternalPackages: they are in the list, too.
func TestFloorsOfInternalPackages(t *testing.T) {
	dir := writePackage(t, map[string]string{"p.go": ""})
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "internal", "new"), 0o700))
	l, err := parseLayout(document("all:\n    p.go\n    internal/old    gone\n"))
	require.NoError(t, err)
	problems, err := l.checkEntries(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"internal/new has no floor", "internal/old does not exist"}, problems)
}

func TestParseLayout(t *testing.T) {
	l, err := parseLayout(document(`
upper, each on its own: one.go is no file of this line
    a.go → b.go c.go  and not other.go, which is behind another word
    b.go c.go         pure: takes bytes
                |
lower:
    d.go   impure
    e.go   pure
    internal/f internal/g    pure, too
`))
	require.NoError(t, err)
	require.Equal(t, []string{"b.go", "c.go", "e.go", "internal/f", "internal/g"}, l.pure)
	require.Equal(t, []*floor{
		{"upper", true, []string{"a.go", "b.go", "c.go"}, map[string][]string{"a.go": {"b.go", "c.go"}}},
		{"lower", false, []string{"d.go", "e.go", "internal/f", "internal/g"}, map[string][]string{}},
	}, l.floors)
}

func TestParseLayoutErrors(t *testing.T) {
	for _, test := range []struct{ document, want string }{
		{"no list", "no list of floors"},
		{"<!-- floors -->\n```\na:\n```\n", "no list of floors"},
		{"<!-- floors -->\n<!-- end of floors -->\n", "no code block"},
		{document("upper\n    a.go\n"), "no colon"},
		{document("    a.go\n"), "before the first floor"},
		{document("upper:\n    a description\n"), "without a file"},
		{document("upper:\n    a.go\nlower:\n    a.go\n"), "a.go is listed twice"},
		{document("upper, apart:\n    a.go\n"), "each on its own"},
		{document("upper:\n    a.go → b.go\n    b.go\n"), "an arrow"},
		{document("upper, each on its own:\n    a.go b.go → c.go\n    c.go\n"), "an arrow"},
		{document("upper, each on its own:\n    a.go → nothing\n"), "an arrow"},
	} {
		_, err := parseLayout(test.document)
		require.ErrorContains(t, err, test.want, test.document)
	}
}

func TestCycles(t *testing.T) {
	var references []reference
	for _, pair := range [][2]string{
		{"a", "b"}, {"b", "c"}, {"c", "a"}, {"c", "d"}, {"d", "e"}, {"e", "d"}, {"e", "f"}, {"a", "f"}, {"g", "a"},
	} {
		references = append(references, reference{from: token.Position{Filename: pair[0]}, to: pair[1]})
	}
	require.ElementsMatch(t, [][]string{{"a", "b", "c"}, {"d", "e"}}, cycles(references))
	require.Empty(t, cycles(references[3:4]))
}
