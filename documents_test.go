package websocket_test

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const packagePath = "github.com/seed23105783/websocket"

// documents are those whose snippets, links and names of tests are checked.
var documents = []string{"README.md", "README.zh-CN.md", "GUIDE.md", "RECIPES.md", "MIGRATING.md", "SECURITY.md",
	"ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "autobahn/README.md", "examples/README.md",
	"examples/cluster/README.md", "internal/bench/README.md", "internal/e2e/README.md"}

// snippetImports are the packages that a snippet may use without an import
// declaration, by their names.
var snippetImports = map[string]string{
	"atomic": "sync/atomic", "bytes": "bytes", "context": "context", "errors": "errors", "fmt": "fmt",
	"http": "net/http", "httptest": "net/http/httptest", "io": "io", "json": "encoding/json", "log": "log", "net": "net",
	"os": "os", "rand": "math/rand/v2", "signal": "os/signal", "slices": "slices", "strings": "strings", "sync": "sync",
	"synctest": "testing/synctest", "syscall": "syscall", "testing": "testing", "time": "time", "tls": "crypto/tls",
	"url": "net/url", "websocket": packagePath, "x509": "crypto/x509",
}

// TestDocumentSnippetsCompile type-checks every Go snippet of the documents and of
// the package documentation.
func TestDocumentSnippetsCompile(t *testing.T) {
	needGoCommand(t)
	for _, name := range documents {
		snippets := documentSnippets(t, name)
		if name == "README.md" || name == "GUIDE.md" {
			require.GreaterOrEqual(t, len(snippets), 3, "Go snippets in %s", name)
		}
		for i, snippet := range snippets {
			require.NoError(t, checkSnippet(snippet), "%s, snippet %d:\n%s", name, i+1, snippet)
		}
	}
	packageDoc := packageDocSnippets(t)
	require.NotEmpty(t, packageDoc, "Go snippets in doc.go")
	for i, snippet := range packageDoc {
		require.NoError(t, checkSnippet(snippet), "doc.go, snippet %d:\n%s", i+1, snippet)
	}
}

// TestReadmeServerIsTested: the examples use the server that the README shows.
func TestReadmeServerIsTested(t *testing.T) {
	examples, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	require.Contains(t, string(examples), documentSnippets(t, "README.md")[0])
}

// TestSnippetsWithMistakes checks that checkSnippet finds mistakes.
func TestSnippetsWithMistakes(t *testing.T) {
	needGoCommand(t)
	require.NoError(t, checkSnippet(`fmt.Println(websocket.TextMessage)`))
	for _, test := range []struct{ snippet, message string }{
		{`fmt.Println(ctx)`, "undefined: ctx"},
		{`fmt.Println(websocket.Nothing)`, "undefined: websocket.Nothing"},
		{`conn := new(websocket.Conn)`, "declared and not used: conn"},
		{"func f(c *websocket.Conn) error {\n\treturn c.WriteMessage()\n}", "not enough arguments"},
		{"package main\n\nimport \"log\"\n\nfunc main() {}", `"log" imported and not used`},
		{`f(func() { … })`, "illegal character"},
		{`for {`, "expected '}'"},
	} {
		require.ErrorContains(t, checkSnippet(test.snippet), test.message, test.snippet)
	}
}

// needGoCommand skips a test where the go command cannot be run.
func needGoCommand(t *testing.T) {
	t.Helper()
	switch runtime.GOOS {
	case "js", "wasip1", "ios", "android":
		t.Skipf("the go command does not run on %s", runtime.GOOS)
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not installed: ", err)
	}
}

var goFence = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// documentSnippets returns the Go snippets of a document.
func documentSnippets(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var snippets []string
	for _, match := range goFence.FindAllSubmatch(text, -1) {
		snippets = append(snippets, string(match[1]))
	}
	return snippets
}

// packageDocSnippets returns the code blocks of the package documentation.
func packageDocSnippets(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	var snippets []string
	for _, block := range new(comment.Parser).Parse(file.Doc.Text()).Content {
		if code, ok := block.(*comment.Code); ok {
			snippets = append(snippets, code.Text)
		}
	}
	return snippets
}

// checkSnippet type-checks a snippet, which is a file, declarations, or the
// statements of a function that returns an error.
func checkSnippet(snippet string) error {
	fset := token.NewFileSet()
	file, err := parseSnippet(fset, snippet)
	if err != nil {
		return err
	}
	exports, err := exportFiles()
	if err != nil {
		return err
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	_, err = config.Check("snippet", fset, []*ast.File{file}, nil)
	return err
}

// parseSnippet parses a snippet as a file, with the imports that it needs.
func parseSnippet(fset *token.FileSet, snippet string) (*ast.File, error) {
	if strings.HasPrefix(snippet, "package ") {
		return parser.ParseFile(fset, "snippet.go", snippet, 0)
	}
	body := snippet
	file, err := parser.ParseFile(fset, "snippet.go", "package main; "+body, 0)
	if err != nil {
		body = "func _() error {\n" + snippet + "\nreturn nil }"
		file, err = parser.ParseFile(fset, "snippet.go", "package main; "+body, 0)
	}
	if err != nil {
		return nil, err
	}
	var imports strings.Builder
	for _, name := range unresolved(file) {
		if imported := snippetImports[name]; imported != "" {
			fmt.Fprintf(&imports, "import %q; ", imported)
		}
	}
	return parser.ParseFile(fset, "snippet.go", "package main; "+imports.String()+body, 0)
}

// unresolved returns the names that a file does not declare, each once.
func unresolved(file *ast.File) []string {
	var names []string
	for _, name := range file.Unresolved {
		names = append(names, name.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// exportFiles returns the files with the export data of snippetImports and of
// their dependencies.
var exportFiles = sync.OnceValues(func() (map[string]string, error) {
	arguments := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"},
		slices.Sorted(maps.Values(snippetImports))...)
	command := exec.Command("go", arguments...)
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", command, err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		imported, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[imported] = file
	}
	return files, nil
})
