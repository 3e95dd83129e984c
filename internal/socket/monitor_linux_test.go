package socket

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFullReceiveBufferOfAVanishedPeer: a peer whose kernel acknowledges nothing
// is idle, even if it had no room to send. The test has a network of its own.
func TestFullReceiveBufferOfAVanishedPeer(t *testing.T) {
	runtime.LockOSThread() // and no unlocking: the thread ends with the goroutine
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Skip("a network of its own needs privileges: ", err)
	}
	loopback := func(state string) {
		out, err := exec.Command("ip", "link", "set", "lo", state).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			t.Skip("there is no command ip")
		}
		require.NoError(t, err, string(out))
	}
	loopback("up")
	a, b := pair(t, "tcp")
	m := newMonitor(t, a)
	fill(t, b, block)
	require.Equal(t, Active, m.Check(false))
	if !m.counts() {
		t.Skip("the kernel does not count received bytes")
	}
	a.Write([]byte("x"))
	requireActive(t, m)

	loopback("down")
	m.Check(false) // what came before that
	a.Write([]byte("x"))
	time.Sleep(300 * time.Millisecond) // longer than an acknowledgment takes
	require.Equal(t, Idle, m.Check(false))
	require.True(t, m.last.full)

	loopback("up")
	requireActive(t, m)
}

// TestTCPCounters: they are exact, so the offsets are right.
func TestTCPCounters(t *testing.T) {
	a, b := pair(t, "tcp")
	raw, err := a.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	counters := func() (received uint64, segments uint32) {
		raw.Control(func(fd uintptr) {
			if len(getsockopt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO, make([]byte, tcpInfoSize))) < tcpInfoSize {
				t.Skip("the kernel does not count received bytes, or an emulator does not tell")
			}
			received, segments = tcpCounters(fd)
		})
		return received, segments
	}
	received, segments := counters()
	require.Zero(t, received)
	for i := range uint64(10) {
		b.Write([]byte("12345"))
		_, err := io.ReadFull(a, make([]byte, 5))
		require.NoError(t, err)
		r, s := counters()
		require.Equal(t, 5*(i+1), r)
		require.Greater(t, s, segments)
		require.Less(t, s, segments+10)
		segments = s
	}
}

// TestGetsockopt returns what there is of an option, and nothing on error.
func TestGetsockopt(t *testing.T) {
	a, _ := pair(t, "unix")
	raw, err := a.(*net.UnixConn).SyscallConn()
	require.NoError(t, err)
	raw.Control(func(fd uintptr) {
		buf := make([]byte, 100)
		value := getsockopt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE, buf)
		require.Len(t, value, 4)
		require.EqualValues(t, syscall.SOCK_STREAM, binary.NativeEndian.Uint32(value))
		require.Equal(t, make([]byte, 96), buf[4:])
		require.Nil(t, getsockopt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO, buf), "it has no such option")
	})
}

// TestMultipathTCP: bytes may arrive by another of its TCP connections than the
// one that the kernel tells about.
func TestMultipathTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // with multipath TCP by default
	require.NoError(t, err)
	defer l.Close()
	var d net.Dialer
	d.SetMultipathTCP(true)
	b, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer b.Close()
	a, err := l.Accept()
	require.NoError(t, err)
	defer a.Close()
	if multipath, err := a.(*net.TCPConn).MultipathTCP(); err != nil || !multipath {
		t.Skip("there is no multipath TCP")
	}
	m := newMonitor(t, a)
	for range 3 {
		b.Write([]byte("x"))
		requireActive(t, m)
		require.Equal(t, Idle, m.Check(false))
	}
	require.False(t, m.counts())
	require.Equal(t, 3, m.last.unread)
}
