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
	"os"
	"os/exec"
	"path"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const packagePath = "github.com/seed23105783/websocket"

// snippetImports are the packages that a snippet may use without an import
// declaration.
var snippetImports = []string{"bytes", "context", "crypto/tls", "encoding/json", "errors", "fmt", "io", "log", "net",
	"net/http", "net/url", "os", "os/signal", "strings", "sync", "syscall", "time", packagePath}

// TestReadmeSnippetsCompile type-checks every Go snippet of the README and of
// the package documentation.
func TestReadmeSnippetsCompile(t *testing.T) {
	needGoCommand(t)
	readme := readmeSnippets(t)
	require.GreaterOrEqual(t, len(readme), 6, "Go snippets in README.md")
	packageDoc := packageDocSnippets(t)
	require.NotEmpty(t, packageDoc, "Go snippets in doc.go")
	for i, snippet := range append(readme, packageDoc...) {
		require.NoError(t, checkSnippet(snippet), "snippet %d:\n%s", i+1, snippet)
	}
}

// TestReadmeServerIsTested: the examples use the server that the README shows.
func TestReadmeServerIsTested(t *testing.T) {
	examples, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	require.Contains(t, string(examples), readmeSnippets(t)[0])
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

// readmeSnippets returns the Go snippets of the README.
func readmeSnippets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
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
	for _, imported := range snippetImports {
		for _, name := range file.Unresolved {
			if name.Name == path.Base(imported) {
				fmt.Fprintf(&imports, "import %q; ", imported)
				break
			}
		}
	}
	return parser.ParseFile(fset, "snippet.go", "package main; "+imports.String()+body, 0)
}

// exportFiles returns the files with the export data of snippetImports and of
// their dependencies.
var exportFiles = sync.OnceValues(func() (map[string]string, error) {
	arguments := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, snippetImports...)
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
