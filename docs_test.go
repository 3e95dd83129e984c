package websocket_test

import (
	"go/ast"
	"go/doc"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// browserNames are the names in the browser's WebSocket and CloseEvent of what
// this package has under another name or with another meaning, and where a search
// for them is to lead.
var browserNames = map[string][]string{
	"Conn.State":          {"readyState"},
	"State":               {"readyState"},
	"Conn.BufferedAmount": {"bufferedAmount"},
	"Conn.Subprotocol":    {"protocol"},
	"Conn.Extensions":     {"extensions"},
	"Conn.URL":            {"url"},
	"Conn.Send":           {"send"},
	"Conn.Shutdown":       {"close"},
	"Conn.CloseInfo":      {"CloseEvent"},
	"CloseInfo":           {"CloseEvent", "code", "reason", "wasClean"},
	"Events":              {"onopen", "onmessage", "onerror", "onclose"},
	"Message":             {"MessageEvent", "data"},
}

// TestBrowserNamesAreInTheDocs: who knows the browser's names finds what they are
// called here.
func TestBrowserNamesAreInTheDocs(t *testing.T) {
	docs := docComments(parsePackageDoc(t))
	for name, words := range browserNames {
		require.Contains(t, docs, name)
		for _, word := range words {
			require.True(t, hasWord(docs[name], word), "the documentation of %s has no %q:\n%s", name, word, docs[name])
		}
		require.Contains(t, docs[name], "browser", name)
	}
}

// docComments returns the comments of all functions, methods and types, with
// those of a type's fields.
func docComments(pkg *doc.Package) map[string]string {
	docs := make(map[string]string)
	add := func(receiver string, functions []*doc.Func) {
		for _, f := range functions {
			docs[receiver+f.Name] = f.Doc
		}
	}
	add("", pkg.Funcs)
	for _, typ := range pkg.Types {
		docs[typ.Name] = typ.Doc + fieldComments(typ)
		add("", typ.Funcs)
		add(typ.Name+".", typ.Methods)
	}
	return docs
}

// fieldComments returns the comments of the fields of a struct.
func fieldComments(typ *doc.Type) string {
	var comments strings.Builder
	ast.Inspect(typ.Decl, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok {
			comments.WriteString("\n" + field.Doc.Text())
		}
		return true
	})
	return comments.String()
}

// hasWord reports whether a word is in a text.
func hasWord(text, word string) bool {
	isLetter := func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !isLetter(r) }), word)
}
