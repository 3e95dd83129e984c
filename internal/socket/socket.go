// Package socket does with a socket of the operating system what package net
// does not offer: waiting for bytes without holding a buffer, writing without
// waiting, and finding out whether anything was received. It is the only package
// of this module with system calls, with code for certain systems, and with
// unsafe. Where a system does not support something, there is a way to ask.
package socket

import (
	"net"
	"syscall"
)

// Is reports whether conn is a TCP or Unix socket. It looks at the type and
// not at the methods: a type that embeds one of them has its methods, and may do
// more in Read and Write.
func Is(conn any) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn, *Conn:
		return true
	}
	return false
}

// Raw returns how a [Reader] and [TryWrite] get to the socket conn, nil if conn
// is none or the system does not support them.
func Raw(conn any) syscall.RawConn {
	if !supported || !Is(conn) {
		return nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
