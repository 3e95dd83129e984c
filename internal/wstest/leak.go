package wstest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs the tests of a package and fails if goroutines of this module, or
// of the standard library's servers and clients, are left behind.
func Main(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	if left := leaked(5 * time.Second); left != "" {
		fmt.Printf("FAIL: goroutines left behind:\n\n%s\n", left)
		return 1
	}
	return 0
}

// leaked waits until no suspicious goroutine is left, or for the given time,
// and returns the stacks of those that are.
func leaked(patience time.Duration) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left := suspicious()
		if left == "" || time.Now().After(deadline) {
			return left
		}
	}
}

// suspicious returns the stacks of the goroutines but for this one and those
// of the runtime and the testing package.
func suspicious() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	for i, stack := range strings.Split(string(stacks), "\n\n") {
		if i > 0 && (strings.Contains(stack, "net/http") || strings.Contains(stack, "/websocket")) {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
