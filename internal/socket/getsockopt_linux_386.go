package socket

import (
	"syscall"
	"unsafe"
)

// getsockopt reads a socket option of any type into value and returns what the
// kernel has written of it, nothing on error. Package syscall has functions for
// options of certain types only. On 386 the system call is socketcall, which
// takes the address of the arguments; there are Android systems which end
// processes that use the newer one.
//
// Use of unsafe: the kernel gets the address of args, converted in the call as
// rule 4 of unsafe.Pointer demands. The addresses in args are pointers, so that
// what they point to stays where it is. The kernel writes no more than length
// bytes to value, which must not be empty.
func getsockopt(fd uintptr, level, name int, value []byte) []byte {
	const call = 15 // SYS_GETSOCKOPT of linux/net.h
	length := uint32(len(value))
	args := struct {
		fd, level, name uintptr
		value           *byte
		length          *uint32
	}{fd, uintptr(level), uintptr(name), &value[0], &length}
	_, _, errno := syscall.Syscall(syscall.SYS_SOCKETCALL, call, uintptr(unsafe.Pointer(&args)), 0)
	if errno != 0 {
		return nil
	}
	return value[:length]
}
