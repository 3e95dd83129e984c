//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package main

import "syscall"

const (
	getMode = syscall.TIOCGETA
	setMode = syscall.TIOCSETA
)
