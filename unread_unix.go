//go:build unix

package websocket

import (
	"crypto/tls"
	"net"
	"syscall"
)

// unreadBytes returns a function that reports whether bytes wait in the socket
// of s to be read, or nil where one cannot know: what keeps bytes for itself
// between the socket and its Read could have them. TLS does that, too, but not
// before it has been read from.
func unreadBytes(s stream) func() bool {
	conn, _ := s.(net.Conn)
	if t, ok := s.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return func() bool {
		// Not raw.Read, which waits, and not at the same time as a reader does.
		unread := false
		raw.Control(func(fd uintptr) {
			var b [1]byte
			n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
			for err == syscall.EINTR {
				n, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
			}
			unread = n > 0 && err == nil
		})
		return unread
	}
}
