//go:build !386

package socket

import (
	"syscall"
	"unsafe"
)

// getsockopt reads a socket option of any type into value and returns what the
// kernel has written of it, nothing on error. Package syscall has functions for
// options of certain types only.
//
// Use of unsafe: the kernel gets the addresses of value and of its length,
// converted in the call as rule 4 of unsafe.Pointer demands, and writes no more
// than length bytes to value, which must not be empty.
func getsockopt(fd uintptr, level, name int, value []byte) []byte {
	length := uint32(len(value))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return nil
	}
	return value[:length]
}
