//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// readKeys has reads from a terminal return keys at once, and not show them. Keys for
// signals, such as Ctrl-C, keep their meaning.
func readKeys(terminal *os.File) (restore func(), err error) {
	var before syscall.Termios
	if err := control(terminal, getMode, unsafe.Pointer(&before)); err != nil {
		return nil, err
	}
	mode := before
	mode.Lflag &^= syscall.ICANON | syscall.ECHO
	mode.Cc[syscall.VMIN], mode.Cc[syscall.VTIME] = 1, 0
	if err := control(terminal, setMode, unsafe.Pointer(&mode)); err != nil {
		return nil, err
	}
	return func() { control(terminal, setMode, unsafe.Pointer(&before)) }, nil
}

// width returns how many columns a terminal has, and 80 if it does not say.
func width(terminal *os.File) int {
	var size struct{ rows, columns, x, y uint16 }
	if err := control(terminal, syscall.TIOCGWINSZ, unsafe.Pointer(&size)); err != nil || size.columns == 0 {
		return 80
	}
	return int(size.columns)
}

func control(terminal *os.File, request uintptr, argument unsafe.Pointer) error {
	raw, err := terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, failed = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(argument))
	})
	if err == nil && failed != 0 {
		err = failed
	}
	return err
}
