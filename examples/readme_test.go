// Package examples tests that README.md lists the examples.
package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIndex(t *testing.T) {
	index, err := os.ReadFile("README.md")
	require.NoError(t, err)
	directories, err := filepath.Glob("*/")
	require.NoError(t, err)
	require.NotEmpty(t, directories)
	for _, directory := range directories {
		name := strings.TrimSuffix(directory, "/")
		if sources, _ := filepath.Glob(filepath.Join(name, "*.go")); len(sources) == 0 {
			continue
		}
		require.Contains(t, string(index), "| ["+name+"]("+name+") |")
		require.Contains(t, string(index), "./examples/"+name)
		tests, err := filepath.Glob(filepath.Join(name, "*_test.go"))
		require.NoError(t, err)
		if name != "wasm" { // which internal/e2e tests in a browser
			require.NotEmpty(t, tests, "no test uses %s", name)
		}
	}
}
