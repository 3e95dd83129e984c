package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A socket is a TCP connection whose calls block a thread. The sockets of
// package net all wake the one thread that polls for them, whenever something
// comes on any of them, and whoever sends pays for that: the server.
type socket struct{ fd int }

// patience is how long a read or a write may take before it has failed.
const patience = 60 * time.Second

var errPatience = fmt.Errorf("nothing happened for %v", patience)

// A netConn is a socket as crypto/tls wants it.
type netConn struct{ *socket }

func (netConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (netConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (netConn) SetDeadline(time.Time) error      { return nil }
func (netConn) SetReadDeadline(time.Time) error  { return nil }
func (netConn) SetWriteDeadline(time.Time) error { return nil }

// dial connects to a server on this machine, from the source address if that
// is not zero.
func dial(addr string, source [4]byte) (*socket, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{fd}
	if source != [4]byte{} {
		err = errors.Join(
			// Leaves the port to connect, which knows what is free to where.
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
			unix.Bind(fd, &unix.SockaddrInet4{Addr: source}))
	}
	// The time limits come last: with one, a signal interrupts the connecting.
	timeout := unix.NsecToTimeval(int64(patience))
	err = errors.Join(err,
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		// A reset instead of the orderly end: thousands of connections would
		// otherwise keep their port in TIME_WAIT.
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	return s, nil
}

// again calls f until no signal interrupts it.
func again(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
			continue
		}
		return 0, err
	}
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := again(func() (int, error) { return unix.Read(s.fd, p) })
	switch {
	case err == unix.EAGAIN:
		return 0, errPatience
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s *socket) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := again(func() (int, error) { return unix.Write(s.fd, p[written:]) })
		if err == unix.EAGAIN {
			return written, errPatience
		}
		if err != nil {
			return written, os.NewSyscallError("write", err)
		}
		written += n
	}
	return written, nil
}

// writeSome writes as much as can be written without waiting.
func (s *socket) writeSome(p []byte) (int, error) {
	n, err := again(func() (int, error) {
		return unix.SendmsgN(s.fd, p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	if err == unix.EAGAIN {
		return 0, nil
	}
	return n, os.NewSyscallError("sendmsg", err)
}

// wait waits until the socket can be read or written, and says whether it can
// be read.
func (s *socket) wait() (readable bool, err error) {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN | unix.POLLOUT}}
	n, err := again(func() (int, error) { return unix.Poll(fds, int(patience.Milliseconds())) })
	switch {
	case err != nil:
		return false, os.NewSyscallError("poll", err)
	case n == 0:
		return false, errPatience
	}
	return fds[0].Revents&^unix.POLLOUT != 0, nil
}

func (s *socket) Close() error { return unix.Close(s.fd) }

// closeOrderly closes the connection without a reset, as clients do.
func (s *socket) closeOrderly() error {
	err := unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	return errors.Join(err, s.Close())
}
