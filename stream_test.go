package websocket

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestStreamCloseDuringShutdown checks that the closing handshake is completed if
// the stream is closed during Shutdown.
func TestStreamCloseDuringShutdown(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		s := NewStream(c, BinaryMessage)
		ended := make(chan error)
		go func() { ended <- c.Shutdown(context.Background(), 1000, "") }()
		p.expectClose(1000)
		require.NoError(t, s.Close())
		time.Sleep(lingerTime / 2) // the peer answers late
		p.send(p.close(1000, ""))
		p.conn.Close()
		require.NoError(t, <-ended)
		<-c.Done()
		require.Equal(t, CloseInfo{Code: 1000, WasClean: true}, c.CloseInfo())
	})
}

// The tests for implementations of net.Conn, of golang.org/x/net/nettest, are
// in internal/e2e.

func TestStreamReads(t *testing.T) {
	for _, code := range []int{1000, 1001, CloseNoStatusReceived} {
		eachMode(t, func(t *testing.T, m mode) {
			c, p := m.connect(t)
			s := NewStream(c, BinaryMessage)
			p.closeAfterConn()
			p.send(p.text("a"), p.binary(""), p.frame(false, opBinary, "bc"), p.frame(true, opPing, ""),
				p.frame(true, opContinuation, "d"), p.binary(longText), p.close(code, ""))
			n, err := s.Read(nil)
			require.Zero(t, n)
			require.NoError(t, err)
			data, err := io.ReadAll(s)
			require.NoError(t, err)
			require.Equal(t, "abcd"+longText, string(data))
			_, err = s.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
			require.NoError(t, s.Close())
			require.Equal(t, StateClosed, c.State())
		})
	}
}

func TestStreamReadErrors(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		p.closeAfterConn()
		p.send(p.text("a"), p.close(1011, "oops"))
		data, err := io.ReadAll(NewStream(c, BinaryMessage))
		require.Equal(t, "a", string(data))
		require.Equal(t, &CloseError{1011, "oops"}, err)

		c, p = m.connect(t)
		p.conn.Close()
		_, err = NewStream(c, BinaryMessage).Read(make([]byte, 1))
		require.Equal(t, &CloseError{1006, "unexpected EOF"}, err)
	})
}

func TestStreamReadDeadline(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		s := NewStream(c, BinaryMessage)
		defer s.Close()
		p.send(p.frame(false, opBinary, "ab"))
		s.SetReadDeadline(time.Now().Add(time.Second))
		data, err := io.ReadAll(s)
		require.Equal(t, "ab", string(data))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		s.SetDeadline(time.Time{})
		p.send(p.frame(true, opContinuation, "cd"))
		data = make([]byte, 2)
		_, err = io.ReadFull(s, data)
		require.NoError(t, err)
		require.Equal(t, "cd", string(data))
	})
}

// TestStreamWrites checks that data that is written while a message is being sent is
// sent in one message, or several of up to 32 KiB.
func TestStreamWrites(t *testing.T) {
	for _, kind := range []int{TextMessage, BinaryMessage} {
		eachMode(t, func(t *testing.T, m mode) {
			c, p := m.connect(t)
			s := NewStream(c, kind)
			n, err := s.Write([]byte("hello"))
			require.NoError(t, err)
			require.Equal(t, 5, n)
			synctest.Wait()
			p.expect(true, opcode(kind), "hello")
			n, err = s.Write(nil)
			require.NoError(t, err)
			require.Zero(t, n)
			n, err = s.Write([]byte(longText))
			require.NoError(t, err)
			require.Equal(t, len(longText), n)
			require.NoError(t, s.Close())
			var got strings.Builder
			for got.Len() < len(longText) {
				f, err := p.next()
				require.NoError(t, err)
				require.Equal(t, opcode(kind), f.opcode)
				require.LessOrEqual(t, len(f.payload), streamBuffer)
				got.WriteString(f.payload)
			}
			require.Equal(t, longText, got.String())
			p.expectClose(1000)
			p.conn.Close()
		})
	}
	s := NewStream(newConn(&scriptedStream{}, connConfig{}), PingMessage)
	_, err := s.Write([]byte("x"))
	require.Equal(t, errBadMessageType, err)
	require.Equal(t, "websocket websocket", s.LocalAddr().Network()+" "+s.RemoteAddr().String())
}

// TestStreamWriteDeadline checks that a deadline does not end the connection, and
// that the bytes that Write has counted arrive.
func TestStreamWriteDeadline(t *testing.T) {
	for _, client := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.Pipe(1000, wstest.Whole)
			c := newConn(a, connConfig{client: client})
			s := NewStream(c, BinaryMessage)
			start := time.Now()
			s.SetWriteDeadline(start.Add(time.Second))
			data := []byte(longText + longText)
			written, err := s.Write(data)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start))
			require.Less(t, written, len(data))
			n, err := s.Write(data)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Zero(t, n)
			s.SetWriteDeadline(time.Now().Add(-1))
			n, err = s.Write([]byte("x"))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Zero(t, n)

			s.SetWriteDeadline(time.Time{})
			other := NewStream(newConn(b, connConfig{client: !client}), BinaryMessage)
			go func() {
				_, err := s.Write(data[written:])
				require.NoError(t, err)
				require.NoError(t, s.Close())
			}()
			got, err := io.ReadAll(other)
			require.NoError(t, err)
			require.Equal(t, string(data), string(got))
			require.NoError(t, other.Close())
		})
	}
}

// TestStreamWriteErrors checks that the next Write returns an error of the one before.
func TestStreamWriteErrors(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, p := m.connect(t)
		s := NewStream(c, BinaryMessage)
		p.conn.Close()
		_, err := s.Write([]byte("x"))
		require.NoError(t, err)
		synctest.Wait()
		_, err = s.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.Error(t, s.Close())
		require.NoError(t, s.Close())
	})
}

// TestStreamClose checks that Close ends the calls under way, and that the connection
// ends when the peer has answered or after lingerTime.
func TestStreamClose(t *testing.T) {
	for _, answers := range []bool{true, false} {
		eachMode(t, func(t *testing.T, m mode) {
			c, p := m.connect(t)
			s := NewStream(c, BinaryMessage)
			read := make(chan error)
			for range 2 {
				go func() {
					_, err := s.Read(make([]byte, 1))
					read <- err
				}()
			}
			synctest.Wait()
			start := time.Now()
			require.NoError(t, s.Close())
			for range 2 {
				require.Equal(t, net.ErrClosed, <-read)
			}
			require.Equal(t, net.ErrClosed, s.SetDeadline(time.Time{}))
			require.Equal(t, net.ErrClosed, s.SetWriteDeadline(time.Time{}))
			_, err := s.Read(make([]byte, 1))
			require.Equal(t, net.ErrClosed, err)
			_, err = s.Write(make([]byte, 1))
			require.Equal(t, net.ErrClosed, err)
			p.expectClose(1000)
			if answers {
				p.send(p.text("unread"), p.close(1000, ""))
				p.conn.Close()
			}
			<-c.Done()
			if answers {
				require.Equal(t, start, time.Now())
				require.Equal(t, CloseInfo{1000, "", true}, c.CloseInfo())
			} else {
				require.Equal(t, start.Add(lingerTime), time.Now())
			}
		})
	}
}

// TestStreamCloseWithBlockedPeer checks that Close returns after streamCloseTime.
func TestStreamCloseWithBlockedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(10, wstest.Whole)
		defer b.Close()
		c := newConn(a, connConfig{})
		s := NewStream(c, BinaryMessage)
		_, err := s.Write([]byte(longText[:streamBuffer]))
		require.NoError(t, err)
		written := make(chan error)
		go func() {
			_, err := s.Write([]byte(longText))
			written <- err
		}()
		synctest.Wait()
		start := time.Now()
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		require.Equal(t, net.ErrClosed, <-written)
		require.Equal(t, start, time.Now())
		require.ErrorIs(t, <-closed, net.ErrClosed)
		require.Equal(t, streamCloseTime, time.Since(start))
		<-c.Done()
	})
}
