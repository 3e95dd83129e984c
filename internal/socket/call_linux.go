package socket

import (
	"syscall"
	"unsafe"
)

// maxRaw is the length in bytes up to which a call is made without telling the
// scheduler, which costs less and holds up the scheduler for as long as it takes.
const maxRaw = 16 << 10

// read reads from a socket that does not block.
//
// Use of unsafe, in all calls here: the kernel gets the address of a slice, or of
// pointers to slices, converted in the call as rule 4 of unsafe.Pointer demands, and
// no more than its length. p must not be empty.
func read(fd int, p []byte) (int, error) {
	if len(p) > maxRaw {
		return syscall.Read(fd, p)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// CanScatter is whether [Reader.ReadAround] is supported.
const CanScatter = true

// readv reads into three slices, none of which is empty, from a socket that does not
// block.
func readv(fd int, a, b, c []byte) (int, error) {
	vector := [3]syscall.Iovec{{Base: &a[0]}, {Base: &b[0]}, {Base: &c[0]}}
	vector[0].SetLen(len(a))
	vector[1].SetLen(len(b))
	vector[2].SetLen(len(c))
	n, _, errno := syscall.Syscall(syscall.SYS_READV, uintptr(fd), uintptr(unsafe.Pointer(&vector)), uintptr(len(vector)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// writev writes the slices to a socket that does not block. Neither is empty.
func writev(fd int, slices *[2][]byte) (int, error) {
	var vector [2]syscall.Iovec
	for i, p := range slices {
		vector[i].Base = &p[0]
		vector[i].SetLen(len(p))
	}
	n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&vector)), uintptr(len(vector)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// write writes to a socket that does not block.
func write(fd int, p []byte) (int, error) {
	if len(p) > maxRaw || len(p) == 0 {
		return syscall.Write(fd, p)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
