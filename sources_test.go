package websocket

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSourcesDoWithout looks at what the sources of this module import, but for
// tests, examples and what tests are made with. compress/flate: its NewWriterDict
// can emit the dictionary as data (golang/go#80538), and nothing here depends on
// it. math/rand: what has to be unpredictable comes from crypto/rand (RFC 6455,
// Section 10.3). unsafe: internal/socket alone needs it, for system calls that
// package syscall has no functions for.
func TestSourcesDoWithout(t *testing.T) {
	files := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch path {
			case "examples", "internal/bench", "internal/e2e", "internal/wstest": // nothing that is imported
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

// TestReadmeNamesTests: the tests that the README names as proof are there.
func TestReadmeNamesTests(t *testing.T) {
	sources, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var all strings.Builder
	for _, name := range append(sources, "internal/wstest/leak.go", "internal/lock/lock_test.go") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(text)
	}
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`((Test|Fuzz|Benchmark)[A-Z]\\w+)`").FindAllSubmatch(readme, -1)
	require.Greater(t, len(names), 40)
	for _, name := range names {
		require.True(t, strings.Contains(all.String(), "func "+string(name[1])+"("), "README.md names %s", name[1])
	}
}
