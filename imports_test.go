package websocket_test

import (
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// impure are the packages that pure files do not import: those take bytes and
// values and return values and errors.
var impure = []string{"net", "net/http", "time", "context", "os", "syscall", modulePath}

// TestPureFiles checks the imports of what README.md calls pure. Only
// handshake.go may know http.Header and http.Request.
func TestPureFiles(t *testing.T) {
	pure := readLayout(t, "README.md").pure
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

// importsOf returns what a file, or the package in a directory, imports.
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
