//go:build unix

package socket

import "syscall"

const canLook = true

// peek returns the number of unread bytes, up to limit, and whether the peer may
// have no room to send more. It looks for an eighth of the receive buffer's
// size, since the kernel counts its own overhead too.
func peek(fd uintptr, limit int) (unread int, full bool) {
	var buf [max(unreadLimitTCP, unreadLimitUnix)]byte
	n, _, err := syscall.Recvfrom(int(fd), buf[:limit], syscall.MSG_PEEK)
	for err == syscall.EINTR {
		n, _, err = syscall.Recvfrom(int(fd), buf[:limit], syscall.MSG_PEEK)
	}
	if err != nil || n <= 0 { // EAGAIN, mostly
		return 0, false
	}
	size, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	return n, n == limit || err != nil || n >= size/8
}
