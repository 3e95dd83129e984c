//go:build unix

package wstest

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TakeDescriptors leaves the process no descriptor to open, until the function that it
// returns is called or the test ends.
func TakeDescriptors(t testing.TB) (release func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	first, err := os.Open(os.DevNull)
	require.NoError(t, err)
	limit := before
	limit.Cur = min(limit.Cur, 1024)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	taken := []*os.File{first}
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			require.ErrorIs(t, err, syscall.EMFILE)
			break
		}
		taken = append(taken, file)
	}
	release = func() {
		for _, file := range taken {
			file.Close()
		}
		taken = nil
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)
	}
	t.Cleanup(release)
	return release
}
