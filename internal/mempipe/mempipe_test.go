package mempipe

import (
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPipeCarriesBytesInOrder(t *testing.T) {
	for name, chunking := range map[string]Chunking{"whole": Whole, "byte": func(int) int { return 1 }, "half": func(n int) int { return (n + 1) / 2 }} {
		t.Run(name, func(t *testing.T) {
			a, b := New(7, chunking)
			go func() {
				b.Write([]byte("hello, world"))
				b.CloseWrite()
			}()
			got, err := io.ReadAll(a)
			require.NoError(t, err)
			assert.Equal(t, "hello, world", string(got))
		})
	}
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := New(1, Whole)
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Minute))
		_, err := a.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start))

		a.SetWriteDeadline(start.Add(time.Hour))
		n, err := a.Write([]byte("ab"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 1, n)

		a.SetDeadline(time.Time{})
		go b.Close()
		_, err = a.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_, err = b.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
