package wstest

import (
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// hasUnixSockets reports whether the system has Unix sockets: Windows does since 2018, and
// Wine 8 does not.
var hasUnixSockets = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "ws")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return false
	}
	l.Close()
	return true
})

// NeedUnixSockets skips a test where there are no Unix sockets.
func NeedUnixSockets(t testing.TB) {
	t.Helper()
	if !hasUnixSockets() {
		t.Skip("this system has no Unix sockets")
	}
}
