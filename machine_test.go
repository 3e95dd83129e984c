package websocket

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What some tests need of the machine. Emulators, which are slow and cannot do
// everything, run them too.

// fullOrShort returns full, or short with -short.
func fullOrShort(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

// needsRawSockets skips a test of what needs a socket that can be waited for
// without a buffer, and written to without waiting.
func needsRawSockets(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" || runtime.GOOS == "js" {
		t.Skip("this system does not let us wait for a socket without a buffer, or write to one without waiting")
	}
}

// needsSockets skips a test under GOOS=js, where package net has connections in
// memory only. They hold less of what was not read than the sockets of a system, and
// do not tell whether they are closed.
func needsSockets(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "js" {
		t.Skip("GOOS=js has no sockets, and what package net has in their place does not do for this test")
	}
}

// isRerun is the variable that a process of rerun has.
const isRerun = "WEBSOCKET_TEST_RERUN"

// rerun runs a test in a process of its own, where isRerun is set, with additions to the
// environment and without its variables for proxies. It returns what the process prints.
// It skips the caller where the system cannot run the test's own binary: under an
// emulator that the kernel knows nothing of (qemu-user without binfmt_misc), and under
// GOOS=js.
func rerun(t *testing.T, test string, env ...string) string {
	t.Helper()
	require.Empty(t, os.Getenv(isRerun), "the process is one of rerun")
	child := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	child.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasSuffix(strings.ToUpper(name), "_PROXY")
	}), append(env, isRerun+"=1")...)
	out, err := child.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("the test cannot run itself again here: %v", err)
	}
	require.NoError(t, err, "%s", out)
	return string(out)
}
