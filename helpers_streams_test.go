package websocket

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// A blockingStream is a Pipe whose writes block until their deadline or Close.
type blockingStream struct {
	*wstest.Conn
	mu       sync.Mutex
	deadline time.Time
	closed   chan struct{}
}

func (s *blockingStream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	return nil
}

func (s *blockingStream) Write([]byte) (int, error) {
	s.mu.Lock()
	deadline := s.deadline
	s.mu.Unlock()
	var passed <-chan time.Time
	if !deadline.IsZero() {
		passed = time.After(time.Until(deadline))
	}
	select {
	case <-passed:
		return 0, os.ErrDeadlineExceeded
	case <-s.closed:
		return 0, net.ErrClosed
	}
}

func (s *blockingStream) Close() error {
	close(s.closed)
	return s.Conn.Close()
}

// An unendingStream is a scriptedStream that returns bytes for ever after its
// script.
type unendingStream struct {
	scriptedStream
	read   int
	closed bool
}

func (s *unendingStream) Read(p []byte) (int, error) {
	if len(s.in) > 0 {
		return s.scriptedStream.Read(p)
	}
	s.read += len(p)
	return len(p), nil
}

func (s *unendingStream) Close() error {
	s.closed = true
	return nil
}

// An endlessStream returns the same frame for ever, and discards what is written
// to it.
type endlessStream struct {
	frame []byte
	rest  []byte
}

func (s *endlessStream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		s.rest = s.frame
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *endlessStream) Write(p []byte) (int, error) { return len(p), nil }

func (s *endlessStream) Close() error { return nil }

func (s *endlessStream) SetReadDeadline(time.Time) error { return nil }

func (s *endlessStream) SetWriteDeadline(time.Time) error { return nil }

// newEndlessConn returns a connection that receives messages of n bytes for ever.
func newEndlessConn(client bool, op opcode, n int) *Conn {
	p := &peer{masked: !client}
	return newConn(&endlessStream{frame: p.frame(true, op, testPayload(n))}, connConfig{client: client})
}

// A blockingCloseWrite is a Pipe whose CloseWrite blocks until Close.
type blockingCloseWrite struct {
	*wstest.Conn
	closed chan struct{}
}

func (s *blockingCloseWrite) CloseWrite() error {
	<-s.closed
	return nil
}

func (s *blockingCloseWrite) Close() error {
	close(s.closed)
	return s.Conn.Close()
}

// A scriptedStream returns its input in pieces, and records what is written to it.
// It never blocks.
type scriptedStream struct {
	in       []byte
	chunking wstest.Chunking
	timeout  bool // every other Read returns a timeout
	timedOut bool // the last Read did
	out      bytes.Buffer
}

func (s *scriptedStream) Read(p []byte) (int, error) {
	if s.timeout && !s.timedOut {
		s.timedOut = true
		return 0, os.ErrDeadlineExceeded
	}
	s.timedOut = false
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in[:s.chunking(min(len(p), len(s.in)))])
	s.in = s.in[n:]
	return n, nil
}

func (s *scriptedStream) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *scriptedStream) Close() error { return nil }

func (s *scriptedStream) CloseWrite() error { return nil }

func (s *scriptedStream) SetReadDeadline(time.Time) error { return nil }

func (s *scriptedStream) SetWriteDeadline(time.Time) error { return nil }

// tlsPair returns the ends of a TLS connection over a and b. The first is the server.
func tlsPair(t *testing.T, a, b net.Conn) (server, client *tls.Conn) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	server, client = tls.Server(a, s.TLS), tls.Client(b, &tls.Config{InsecureSkipVerify: true})
	go server.Handshake()
	require.NoError(t, client.Handshake())
	require.NoError(t, server.Handshake())
	return server, client
}

// A brokenStream fails on every call.
type brokenStream struct{ err error }

func (s brokenStream) Read([]byte) (int, error) { return 0, s.err }

func (s brokenStream) Write([]byte) (int, error) { return 0, s.err }

func (s brokenStream) Close() error { return nil }

func (s brokenStream) SetReadDeadline(time.Time) error { return nil }

func (s brokenStream) SetWriteDeadline(time.Time) error { return nil }

// A gatedStream is a Pipe that counts its writes, which block while the gate is
// locked.
type gatedStream struct {
	*wstest.Conn
	gate   sync.RWMutex
	writes atomic.Int32
}

func (s *gatedStream) Write(p []byte) (int, error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	s.writes.Add(1)
	return s.Conn.Write(p)
}

// socketPair returns the ends of a TCP connection on loopback.
func socketPair(t testing.TB) (*net.TCPConn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// newBlockedConn returns a connection over a socket that is full, to a peer that
// does not read. No byte of the next write is sent.
func newBlockedConn(t *testing.T) *Conn {
	c, _ := newBlockedPair(t)
	return c
}

// newBlockedPair returns such a connection and its peer, which receives zeros
// before anything that the connection writes.
func newBlockedPair(t *testing.T) (*Conn, *net.TCPConn) {
	a, b := socketPair(t)
	a.SetWriteBuffer(1)
	b.SetReadBuffer(1)
	a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	for {
		if _, err := a.Write(make([]byte, 1<<16)); err != nil {
			break
		}
	}
	// Write single bytes until no more fits.
	for {
		a.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := a.Write([]byte{0}); n == 0 && err != nil {
			break
		}
	}
	a.SetWriteDeadline(time.Time{})
	return newConn(a, connConfig{}), b
}
