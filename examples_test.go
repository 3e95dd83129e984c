package websocket_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sharedExamples are the functions and methods without an example of their own,
// and the example that calls them.
var sharedExamples = map[string]string{
	"NewPreparedMessage":        "PreparedMessage",
	"Conn.Close":                "Conn",
	"Conn.CloseHandler":         "Conn_SetCloseHandler",
	"Conn.Extensions":           "Compression",
	"Conn.LocalAddr":            "Conn_RemoteAddr",
	"Conn.PingHandler":          "Conn_SetPingHandler",
	"Conn.PongHandler":          "Conn_SetPongHandler",
	"Conn.ReadJSON":             "Conn_WriteJSON",
	"Conn.ReadMessage":          "Conn",
	"Conn.SetCompressionLevel":  "Conn_EnableWriteCompression",
	"Conn.State":                "State",
	"Conn.Subprotocol":          "Upgrader_Upgrade",
	"Conn.URL":                  "Conn",
	"Conn.UnderlyingConn":       "Conn_NetConn",
	"Conn.NextReaderContext":    "Conn_NextWriterContext",
	"Conn.WriteJSONContext":     "Conn_ReadJSONContext",
	"Conn.WriteMessage":         "Conn",
	"Conn.WritePreparedMessage": "PreparedMessage",
	"Dialer.Dial":               "Dialer",
	"Group.Add":                 "Group_Remove",
	"Group.BroadcastText":       "Group",
	"Group.Len":                 "Group_Remove",
	"HandshakeError.Status":     "HandshakeError",
}

// calledByOthers are methods that fmt and errors call.
var calledByOthers = []string{"Error", "Is", "Unwrap", "String"}

// TestEveryFunctionHasAnExample: every exported function and method is called
// in an example that go test runs, its own or the one that sharedExamples names.
// Deprecated ones are left out.
func TestEveryFunctionHasAnExample(t *testing.T) {
	pkg := parsePackageDoc(t)
	examples := make(map[string]*doc.Example)
	collect := func(all []*doc.Example) {
		for _, e := range all {
			require.True(t, e.Output != "" || e.EmptyOutput, "Example%s has no output and is not run", e.Name)
			examples[e.Name] = e
		}
	}
	var names []string
	collect(pkg.Examples)
	addFunctions := func(receiver string, all []*doc.Func) {
		for _, f := range all {
			collect(f.Examples)
			if receiver == "" || !slices.Contains(calledByOthers, f.Name) {
				if !strings.Contains(f.Doc, "Deprecated:") {
					names = append(names, receiver+f.Name)
				}
			}
		}
	}
	addFunctions("", pkg.Funcs)
	for _, typ := range pkg.Types {
		collect(typ.Examples)
		addFunctions("", typ.Funcs)
		addFunctions(typ.Name+".", typ.Methods)
	}
	require.Greater(t, len(names), 50)

	for _, name := range names {
		shared, isShared := sharedExamples[name]
		own := examples[strings.ReplaceAll(name, ".", "_")]
		switch {
		case own == nil && !isShared:
			t.Errorf("%s has no example", name)
		case own != nil && isShared:
			t.Errorf("%s has an example of its own: it does not belong in sharedExamples", name)
		case own != nil:
			require.True(t, mentions(own, name), "Example%s does not call %s", own.Name, name)
		case examples[shared] == nil:
			t.Errorf("Example%s for %s does not exist", shared, name)
		default:
			require.True(t, mentions(examples[shared], name), "Example%s does not call %s", shared, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sharedExamples)) {
		require.Contains(t, names, name, "sharedExamples")
	}
}

// parsePackageDoc returns the documentation of the package, with its examples.
func parsePackageDoc(t *testing.T) *doc.Package {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "example_") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, packagePath)
	require.NoError(t, err)
	return pkg
}

// mentions reports whether the code of an example has the name of a function or
// method in it.
func mentions(e *doc.Example, function string) bool {
	name := function[strings.LastIndex(function, ".")+1:]
	found := false
	ast.Inspect(e.Code, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		found = found || ok && selector.Sel.Name == name
		return true
	})
	return found
}
