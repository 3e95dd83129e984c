package wstest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs the tests of a package and returns the exit code. It is 1 if the
// tests leave goroutines of this module or of net/http running.
func Main(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	if left := leaked(30 * time.Second); left != "" {
		fmt.Printf("FAIL: goroutines are still running:\n\n%s\n", left)
		return 1
	}
	return 0
}

// leaked waits until no goroutine is left, for the given time at most, and
// returns the stacks of those that are.
func leaked(timeout time.Duration) string {
	for deadline := time.Now().Add(timeout); ; time.Sleep(10 * time.Millisecond) {
		left := otherGoroutines()
		if left == "" || time.Now().After(deadline) {
			return left
		}
	}
}

// otherGoroutines returns the stacks of the goroutines of this module and of
// net/http, without the calling one.
func otherGoroutines() string {
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
