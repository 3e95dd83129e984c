//go:build unix && !linux

package socket

// look returns a sample of the socket.
func (m *Monitor) look(fd uintptr) (now sample) {
	now.unread, now.full = peek(fd, m.limit)
	return now
}
