//go:build unix && !linux

package socket

import "syscall"

// read reads from a socket that does not block.
func read(fd int, p []byte) (int, error) { return syscall.Read(fd, p) }

// write writes to a socket that does not block.
func write(fd int, p []byte) (int, error) { return syscall.Write(fd, p) }

// writev writes the first of the slices. Package syscall has no writev.
func writev(fd int, slices *[2][]byte) (int, error) { return syscall.Write(fd, slices[0]) }

// CanScatter is whether [Reader.ReadAround] is supported. Package syscall has no readv.
const CanScatter = false

func readv(int, []byte, []byte, []byte) (int, error) { return 0, syscall.ENOSYS }
