// Package examples tests that README.md lists the examples.
package examples

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIndex(t *testing.T) {
	index, err := os.ReadFile("README.md")
	require.NoError(t, err)
	sources, err := filepath.Glob("*/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, sources)
	for _, source := range sources {
		name := filepath.Dir(source)
		require.Contains(t, string(index), "| ["+name+"]("+name+") |")
		require.Contains(t, string(index), "./examples/"+name)
		tests, err := filepath.Glob(filepath.Join(name, "*_test.go"))
		require.NoError(t, err)
		if name != "wasm" { // which internal/e2e tests in a browser
			require.NotEmpty(t, tests, "no test uses %s", name)
		}
	}
}
