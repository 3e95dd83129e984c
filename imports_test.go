package websocket

import (
	"go/build"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// impure are the packages that what calls itself pure does without: it takes
// bytes and values and returns values and errors.
var impure = []string{"net", "net/http", "time", "context", "os", "syscall", "github.com/seed23105783/websocket"}

// TestPureFiles guards the ground floor of this package. handshake.go alone
// may know http.Header and http.Request.
func TestPureFiles(t *testing.T) {
	for file, allowed := range map[string][]string{
		"frame.go": nil, "mask.go": nil, "close.go": nil, "handshake.go": {"net/http"},
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imported := range parsed.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			require.NoError(t, err)
			if !slices.Contains(allowed, path) {
				require.NotContains(t, impure, path, file)
			}
		}
	}
}

// TestPurePackages guards the packages below this one.
func TestPurePackages(t *testing.T) {
	for _, dir := range []string{"internal/deflate", "internal/httphead", "internal/utf8x"} {
		pkg, err := build.ImportDir(dir, 0)
		require.NoError(t, err)
		for _, path := range pkg.Imports {
			require.NotContains(t, impure, path, dir)
		}
	}
}
