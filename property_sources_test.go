package websocket_test

import (
	"cmp"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// impure are the packages that pure files do not import. Those take bytes and values
// and return values and errors.
var impure = []string{"net", "net/http", "time", "context", "os", "syscall", modulePath}

// TestPureFiles checks the imports of the files that ARCHITECTURE.md calls pure. Only
// handshake.go may use http.Header and http.Request.
func TestPureFiles(t *testing.T) {
	pure := readLayout(t, "ARCHITECTURE.md").pure
	require.Subset(t, pure, []string{"frame.go", "mask.go", "close.go", "handshake.go", "internal/deflate"})
	for _, name := range pure {
		for _, path := range importsOf(t, name) {
			if name == "handshake.go" && path == "net/http" {
				continue
			}
			require.NotContains(t, impure, path, name)
		}
	}
}

// importsOf returns the imports of a file or of the package in a directory.
func importsOf(t *testing.T, name string) []string {
	t.Helper()
	if !strings.HasSuffix(name, ".go") {
		pkg, err := build.ImportDir(name, 0)
		require.NoError(t, err)
		return pkg.Imports
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(name), nil, parser.ImportsOnly)
	require.NoError(t, err)
	var paths []string
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		paths = append(paths, path)
	}
	return slices.Compact(paths)
}

// TestForbiddenImports checks what this module imports, except for tests, examples and
// packages for tests. compress/flate: its NewWriterDict
// can emit the dictionary as data (golang/go#80538), and nothing here depends on
// it. math/rand: what has to be unpredictable comes from crypto/rand (RFC 6455,
// Section 10.3).
func TestForbiddenImports(t *testing.T) {
	files := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch filepath.ToSlash(path) {
			case "examples", "internal/bench", "internal/e2e", "internal/wstest": // not imported by the module
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			for _, without := range []string{"compress/flate", "math/rand", "math/rand/v2", "unsafe"} {
				// internal/socket needs unsafe for system calls that package syscall
				// has no functions for.
				if without == "unsafe" && filepath.ToSlash(filepath.Dir(path)) == "internal/socket" {
					continue
				}
				require.NotEqual(t, without, imported, path)
			}
		}
		return nil
	}))
	require.Greater(t, files, 30, "the whole module was looked at")
}

// TestDocumentsNameTests checks that the tests exist that the documents name.
func TestDocumentsNameTests(t *testing.T) {
	var sources strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "node_modules" {
			return cmp.Or(err, fs.SkipDir)
		}
		if !d.IsDir() && (strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "leak.go")) {
			text, err := os.ReadFile(path)
			sources.Write(text)
			return err
		}
		return nil
	}))
	named := regexp.MustCompile("`((Test|Fuzz|Benchmark)[A-Z]\\w+)`")
	for _, document := range documents {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		names := named.FindAllSubmatch(text, -1)
		if document == "SECURITY.md" {
			require.Greater(t, len(names), 40)
		}
		for _, name := range names {
			require.Contains(t, sources.String(), "func "+string(name[1])+"(", "%s names %s", document, name[1])
		}
	}
}
