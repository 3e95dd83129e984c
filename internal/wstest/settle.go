package wstest

import (
	"testing"
	"time"
)

// Settle waits until a condition holds that other goroutines are about to
// bring about, or the kernel, and fails the test if it does not.
func Settle(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not what they were", what)
		}
	}
}
