package wstest

import (
	"testing"
	"time"
)

// Settle waits until a condition holds that depends on other goroutines or on
// the kernel. It fails the test if that takes more than 20 seconds.
func Settle(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not as expected", what)
		}
	}
}
