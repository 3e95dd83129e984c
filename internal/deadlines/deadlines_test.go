package deadlines

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A half is one end of two pipes.
type half struct {
	*io.PipeReader
	*io.PipeWriter
}

func (h half) Close() error { return errors.Join(h.PipeReader.Close(), h.PipeWriter.Close()) }

// pipe returns a Stream over a pipe and the other end of that.
func pipe() (s *Stream, other half) {
	ar, bw := io.Pipe()
	br, aw := io.Pipe()
	return New(half{ar, aw}), half{br, bw}
}

// inBubble runs a test under testing/synctest.
func inBubble(t *testing.T, test func(t *testing.T, s *Stream, other half)) {
	synctest.Test(t, func(t *testing.T) {
		s, other := pipe()
		defer other.Close()
		defer s.Close()
		test(t, s, other)
	})
}

func TestStreamCarriesBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Stream, other half) {
		sent := bytes.Repeat([]byte("0123456789"), 2*readSize)
		go func() {
			other.Write(sent)
			other.PipeWriter.Close()
		}()
		got, err := io.ReadAll(s)
		require.NoError(t, err)
		require.Equal(t, sent, got)
		_, err = s.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "again")

		go func() {
			n, err := s.Write(sent)
			assert.NoError(t, err)
			assert.Equal(t, len(sent), n)
			s.Close()
		}()
		got, err = io.ReadAll(other)
		require.NoError(t, err)
		require.Equal(t, sent, got)
	})
}

// TestReadDeadline: a Read that passes its deadline loses nothing, and can be
// tried again after a later one has been set.
func TestReadDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Stream, other half) {
		start, buf := time.Now(), make([]byte, 10)
		require.NoError(t, s.SetReadDeadline(start.Add(time.Minute)))
		_, err := s.Read(buf)
		require.Equal(t, os.ErrDeadlineExceeded, err)
		require.Equal(t, time.Minute, time.Since(start))
		go other.Write([]byte("abc"))
		synctest.Wait()
		_, err = s.Read(buf)
		require.Equal(t, os.ErrDeadlineExceeded, err, "also when there is something to read")

		s.SetReadDeadline(time.Time{})
		n, err := s.Read(buf[:2])
		require.NoError(t, err)
		require.Equal(t, "ab", string(buf[:n]))
		s.SetReadDeadline(time.Now().Add(-time.Second))
		_, err = s.Read(buf)
		require.Equal(t, os.ErrDeadlineExceeded, err)
		s.SetReadDeadline(time.Now().Add(time.Second))
		n, err = s.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "c", string(buf[:n]))
		_, err = s.Read(buf)
		require.Equal(t, os.ErrDeadlineExceeded, err)
	})
}

// TestReadDeadlineChanges: a deadline that is set concerns the Read under way.
func TestReadDeadlineChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Stream, _ half) {
		for _, test := range []struct {
			change func()
			want   time.Duration
		}{
			{func() { s.SetReadDeadline(time.Now().Add(time.Hour)) }, time.Minute + time.Hour},
			{func() { s.SetReadDeadline(time.Unix(1, 0)) }, time.Minute},
			{func() {
				s.SetReadDeadline(time.Time{})
				time.Sleep(10 * time.Hour)
				s.SetReadDeadline(time.Now())
			}, time.Minute + 10*time.Hour},
		} {
			start := time.Now()
			s.SetReadDeadline(start.Add(2 * time.Minute))
			go func() {
				time.Sleep(time.Minute)
				test.change()
			}()
			_, err := s.Read(make([]byte, 1))
			require.Equal(t, os.ErrDeadlineExceeded, err)
			require.Equal(t, test.want, time.Since(start))
		}
	})
}

// TestWriteDeadline: a Write that passes its deadline closes the stream, and one
// that has passed before does nothing.
func TestWriteDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Stream, other half) {
		require.NoError(t, s.SetWriteDeadline(time.Now().Add(-1)))
		n, err := s.Write([]byte("nothing"))
		require.Equal(t, os.ErrDeadlineExceeded, err)
		require.Zero(t, n)

		start := time.Now()
		s.SetWriteDeadline(start.Add(time.Minute))
		go io.ReadFull(other, make([]byte, 3))
		n, err = s.Write([]byte("half of it"))
		require.Equal(t, os.ErrDeadlineExceeded, err)
		require.Equal(t, 3, n)
		require.Equal(t, time.Minute, time.Since(start))
		_, err = other.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		s.SetWriteDeadline(time.Time{})
		_, err = s.Write([]byte("more"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// TestReadAfterALateWrite: it waits for Close, or for its own deadline.
func TestReadAfterALateWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Stream, _ half) {
		ended := make(chan error, 1)
		go func() { _, err := s.Read(make([]byte, 1)); ended <- err }()
		s.SetWriteDeadline(time.Now().Add(time.Second))
		_, err := s.Write([]byte("stuck"))
		require.Equal(t, os.ErrDeadlineExceeded, err)
		synctest.Wait()
		require.Empty(t, ended)
		s.SetReadDeadline(time.Now().Add(time.Second))
		require.Equal(t, os.ErrDeadlineExceeded, <-ended)
		s.SetReadDeadline(time.Time{})
		go func() { _, err := s.Read(make([]byte, 1)); ended <- err }()
		synctest.Wait()
		require.Empty(t, ended)
		s.Close()
		require.Equal(t, net.ErrClosed, <-ended)
	})
}

// A lateWriter is a half whose Write returns late.
type lateWriter struct{ half }

func (w lateWriter) Write(p []byte) (int, error) {
	n, err := w.half.Write(p)
	time.Sleep(time.Minute)
	return n, err
}

// TestLateWriteWithoutAnError: the deadline has closed the stream, so Write says so.
func TestLateWriteWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, other := pipe()
		defer other.Close()
		s.stream = lateWriter{s.stream.(half)}
		go io.Copy(io.Discard, other)
		require.NoError(t, s.SetWriteDeadline(time.Now().Add(time.Second)))
		_, err := s.Write([]byte("x"))
		require.Equal(t, os.ErrDeadlineExceeded, err)
		s.Close()
	})
}

// TestWriteDeadlineLeavesOthersAlone: one that passes while nothing is written
// has no effect, and neither has that of reads on writes.
func TestWriteDeadlineLeavesOthersAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Stream, other half) {
		go io.Copy(io.Discard, other)
		s.SetWriteDeadline(time.Now().Add(time.Minute))
		_, err := s.Write([]byte("in time"))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		s.SetWriteDeadline(time.Time{})
		s.SetReadDeadline(time.Unix(1, 0))
		_, err = s.Write([]byte("without a limit"))
		require.NoError(t, err)
	})
}

// TestDeadlineThatWasReplacedTooLate: a timer that has fired while another
// deadline was being set has no effect.
func TestDeadlineThatWasReplacedTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Stream, other half) {
		for range 100 {
			at := time.Now().Add(time.Second)
			s.SetReadDeadline(at)
			time.Sleep(time.Second) // and the timer fires at the same time
			s.SetReadDeadline(time.Time{})
			synctest.Wait()
			go other.Write([]byte("x"))
			n, err := s.Read(make([]byte, 1))
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
	})
}

// TestCloseEndsReads: also where the stream's own Close does not, and again.
func TestCloseEndsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s := New(readWriteCloser{r, io.Discard})
		s.SetReadDeadline(time.Now().Add(time.Hour))
		ended := make(chan error)
		go func() { _, err := s.Read(make([]byte, 1)); ended <- err }()
		synctest.Wait()
		require.NoError(t, s.Close())
		require.Equal(t, net.ErrClosed, <-ended)
		w.Write([]byte("too late"))
		_, err := s.Read(make([]byte, 1))
		require.Equal(t, net.ErrClosed, err)
	})
}

// A readWriteCloser has a Close that does nothing.
type readWriteCloser struct {
	io.Reader
	io.Writer
}

func (readWriteCloser) Close() error { return nil }

// TestErrorBehindBytes: bytes that come with an error are read before it.
func TestErrorBehindBytes(t *testing.T) {
	cause := errors.New("cause")
	s := New(readWriteCloser{bytesAndError{cause}, io.Discard})
	buf := make([]byte, 2)
	n, err := s.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "ab", string(buf[:n]))
	n, err = s.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "c", string(buf[:n]))
	for range 2 {
		_, err = s.Read(buf)
		require.Equal(t, cause, err)
	}
}

// bytesAndError reads three bytes and an error at once.
type bytesAndError struct{ err error }

func (r bytesAndError) Read(p []byte) (int, error) { return copy(p, "abc"), r.err }

// TestConcurrentUse has a reader, a writer and somebody who sets deadlines.
func TestConcurrentUse(t *testing.T) {
	s, other := pipe()
	defer other.Close()
	go io.Copy(other, other)
	sent := bytes.Repeat([]byte("0123456789"), readSize)
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		n, err := s.Write(sent)
		assert.NoError(t, err)
		assert.Equal(t, len(sent), n)
	})
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.SetReadDeadline(time.Now().Add(time.Microsecond))
				s.SetWriteDeadline(time.Now().Add(time.Hour))
			}
		}
	})
	var got []byte
	for buf := make([]byte, 1000); len(got) < len(sent); {
		n, err := s.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			require.Equal(t, os.ErrDeadlineExceeded, err)
		}
	}
	close(done)
	all.Wait()
	require.Equal(t, sent, got)
	require.NoError(t, s.Close())
}
