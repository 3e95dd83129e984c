//go:build unix

package wstest

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TakeDescriptors leaves the process no descriptor to open, until the function that it
// returns is called or the test ends.
func TakeDescriptors(t testing.TB) (release func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	limit := before
	limit.Cur = min(limit.Cur, 1024)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	file, err := os.Open(os.DevNull)
	for ; err == nil; file, err = os.Open(os.DevNull) {
		taken = append(taken, file)
	}
	if !errors.Is(err, syscall.EMFILE) {
		t.Fatal(err)
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
