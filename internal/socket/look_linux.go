package socket

import (
	"encoding/binary"
	"syscall"
)

// look returns a sample of the socket.
func (m *Monitor) look(fd uintptr) (now sample) {
	if !m.mptcp { // the kernel would tell about one of the TCP connections only
		now.received, now.segments = tcpCounters(fd)
	}
	switch now.received {
	case 0:
		now.unread, now.full = peek(fd, m.limit)
	case m.last.received:
		now.full = isFull(fd)
	}
	return now
}

// Where struct tcp_info of linux/tcp.h has what is needed of it. It is the same
// on all architectures, and grows at the end.
const (
	tcpInfoReceived = 128 // __u64 tcpi_bytes_received, since Linux 4.1
	tcpInfoSegments = 140 // __u32 tcpi_segs_in, since Linux 4.2
	tcpInfoSize     = 144 // up to here
)

// tcpCounters returns the numbers of bytes and segments that a TCP connection
// has received, zeros if the kernel does not count them. gVisor has the fields,
// but leaves them zero.
func tcpCounters(fd uintptr) (received uint64, segments uint32) {
	var buf [tcpInfoSize]byte
	info := getsockopt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO, buf[:])
	if len(info) < tcpInfoSize { // an older kernel, an emulator, or no TCP
		return 0, 0
	}
	return binary.NativeEndian.Uint64(info[tcpInfoReceived:]), binary.NativeEndian.Uint32(info[tcpInfoSegments:])
}

// soMemInfo is SO_MEMINFO of asm-generic/socket.h, since Linux 4.12. It is an
// array of __u32; these are indexes into it.
const (
	soMemInfo      = 55
	memInfoUsed    = 0 // SK_MEMINFO_RMEM_ALLOC: the memory that unread segments take
	memInfoAllowed = 1 // SK_MEMINFO_RCVBUF: how much that may be
	memInfoSize    = 2 * 4
)

// isFull reports whether the peer may have no room to send more. The window
// that the peer sees depends on more than free memory, and is closed before
// that is used up, so a quarter in use is called full.
func isFull(fd uintptr) bool {
	var buf [memInfoSize]byte
	info := getsockopt(fd, syscall.SOL_SOCKET, soMemInfo, buf[:])
	if len(info) < memInfoSize {
		return true
	}
	used := binary.NativeEndian.Uint32(info[4*memInfoUsed:])
	allowed := binary.NativeEndian.Uint32(info[4*memInfoAllowed:])
	return used >= allowed/4
}
