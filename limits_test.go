package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestBombTakesNoMoreThanTheLimit: 100 MB in a thousandth of that, as one frame
// and in fragments, and half as much in a buffer. A message grows by doubling,
// so that what it has taken in all is twice what it has in the end, and what a
// buffer holds is tried in one go before; a reader has its buffers alone.
func TestBombTakesNoMoreThanTheLimit(t *testing.T) {
	countsAllocations(t)
	const limit, constant = 1 << 20, 256 << 10
	size := fullOrShort(100<<20, 20<<20)
	bomb, small := deflated(strings.Repeat("x", size)), deflated(strings.Repeat("x", size/2)) // which a buffer holds
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		for name, frames := range map[string][]byte{
			"frame":     p.compressedFrame(true, opBinary, bomb),
			"buffer":    p.compressedFrame(true, opBinary, small),
			"fragments": append(p.compressedFrame(false, opBinary, bomb[:len(bomb)/2]), p.frame(true, opContinuation, bomb[len(bomb)/2:])...),
		} {
			for _, a := range []string{"bits=15,alone=true", "bits=8,alone=false"} {
				t.Run(fmt.Sprintf("client=%v/%s/%s", client, name, a), func(t *testing.T) {
					config := connConfig{client: client, agreement: agreements()[a], readLimit: limit, readBufferSize: maxBuffer}
					c := newConn(&scriptedStream{in: frames, chunking: wstest.Whole}, config)
					require.Less(t, allocated(func() {
						_, _, err := c.ReadMessage()
						require.Equal(t, ErrReadLimit, err)
					}), uint64(5*limit+constant))

					c = newConn(&scriptedStream{in: frames, chunking: wstest.Whole}, config)
					require.Less(t, allocated(func() {
						_, r, err := c.NextReader()
						require.NoError(t, err)
						n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 4096))
						require.Equal(t, ErrReadLimit, err)
						require.LessOrEqual(t, n, int64(limit))
					}), uint64(constant))
				})
			}
		}
	}
}

// TestReadLimitPassesExactly: what reaches the application of a message beyond
// the limit is not a byte more than the limit.
func TestReadLimitPassesExactly(t *testing.T) {
	const limit = 1000
	for _, n := range []int{limit, limit + 1} {
		text := strings.Repeat("x", n)
		for _, compressed := range []bool{false, true} {
			for _, client := range []bool{false, true} {
				p := &peer{masked: !client}
				config := connConfig{client: client, readLimit: limit, agreement: agreements()["bits=15,alone=true"]}
				frames := append(p.frame(false, opText, text[:limit/2]), p.frame(true, opContinuation, text[limit/2:])...)
				if compressed {
					frames = p.compressedFrame(true, opText, deflated(text))
				}
				_, r, err := newConn(&scriptedStream{in: frames, chunking: wstest.Whole}, config).NextReader()
				require.NoError(t, err)
				got, err := io.ReadAll(r)
				require.LessOrEqual(t, len(got), limit)
				if n == limit {
					require.NoError(t, err)
					require.Len(t, got, limit)
				} else {
					require.Equal(t, ErrReadLimit, err)
				}
			}
		}
	}
}

// TestSumOfLengthsDoesNotOverflow: a fragment that, added to those before, would
// make the length negative is beyond every limit, none included.
func TestSumOfLengthsDoesNotOverflow(t *testing.T) {
	for _, limit := range []int64{-1, 1, 10, math.MaxInt64, math.MaxInt64 - 5} {
		for _, client := range []bool{false, true} {
			p := &peer{masked: !client}
			frames := p.frame(false, opBinary, "0123456789")
			for _, length := range []string{"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFA"} {
				last := lengthOf(p, 127, length)
				last[0] = 0x80
				s := &scriptedStream{in: append(bytes.Clone(frames), last...), chunking: wstest.Whole}
				_, data, err := newConn(s, connConfig{client: client, readLimit: limit}).ReadMessage()
				require.Equal(t, ErrReadLimit, err, "%d", limit)
				require.Empty(t, data)
			}
		}
	}
}

// TestManyDeclarationsAreNotBelieved: every fragment of many declares as much as
// is allowed at once; memory follows what has come.
func TestManyDeclarationsAreNotBelieved(t *testing.T) {
	countsAllocations(t)
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		head := lengthOf(p, 127, "\x00\x00\x00\x00\x01\x00\x00\x00") // 16 MiB
		require.Less(t, allocated(func() {
			for range 100 {
				s := &scriptedStream{in: append(bytes.Clone(head), long[:100]...), chunking: wstest.Whole}
				_, _, err := newConn(s, connConfig{client: client}).ReadMessage()
				require.Equal(t, errEOF, err)
			}
		}), uint64(100*2*trustedLength))
	}
}

// TestFragmentsShareOneBuffer: a hundred thousand fragments of one byte cost
// little more than the message that they make.
func TestFragmentsShareOneBuffer(t *testing.T) {
	countsAllocations(t)
	const n = 100_000
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		frames := p.frame(false, opBinary, "x")
		frames = append(frames, bytes.Repeat(p.frame(false, opContinuation, "x"), n-2)...)
		frames = append(frames, p.frame(true, opContinuation, "x")...)
		c := newConn(&scriptedStream{in: frames, chunking: wstest.Whole}, connConfig{client: client})
		require.Less(t, allocated(func() {
			_, data, err := c.ReadMessage()
			require.NoError(t, err)
			require.Len(t, data, n)
		}), uint64(10*n))
	}
}

// TestEmptyFragmentsAreBounded: as many as documented pass, one more does not,
// and the next message has as many again.
func TestEmptyFragmentsAreBounded(t *testing.T) {
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		of := func(n int) []byte {
			frames := append(p.frame(false, opText, "x"), bytes.Repeat(p.frame(false, opContinuation, ""), n)...)
			return append(frames, p.frame(true, opContinuation, "y")...)
		}
		s := &scriptedStream{in: bytes.Join([][]byte{of(1024), of(1024), of(1025)}, nil), chunking: wstest.Whole}
		c := newConn(s, connConfig{client: client})
		expectMessages(t, c, []string{"xy", "xy"})
		_, _, err := c.ReadMessage()
		require.Equal(t, error(errEmptyFragments), err)
	}
}

// TestEndInsideAMessageIsAnError: wherever a stream of compressed messages is
// cut, and however it is read, nothing looks like the end of a message.
func TestEndInsideAMessageIsAnError(t *testing.T) {
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		z := deflated(strings.Repeat("some text, ", 20))
		first := p.compressedFrame(true, opText, z)
		stream := bytes.Join([][]byte{
			first, p.compressedFrame(false, opText, z[:5]), p.frame(true, opPing, ""), p.frame(true, opContinuation, z[5:]),
		}, nil)
		for cut := range stream {
			for _, r := range readings {
				s := &scriptedStream{in: stream[:cut], chunking: wstest.Whole}
				c := newConn(s, connConfig{client: client, agreement: agreements()["bits=15,alone=true"]})
				complete := 0
				for {
					_, _, err := r.read(c)
					if err != nil {
						require.Equal(t, errEOF, err, "%s, cut at %d", r.name, cut)
						require.NotErrorIs(t, err, io.EOF)
						break
					}
					complete++
				}
				require.Equal(t, cut >= len(first), complete == 1, "%s, cut at %d", r.name, cut)
			}
		}
	}
}

// TestNothingFollowsAnError: what a violation left in the buffer reaches nobody,
// by whatever method it is asked for.
func TestNothingFollowsAnError(t *testing.T) {
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		s := &scriptedStream{in: bytes.Join([][]byte{p.text("before"), p.frame(true, 3, ""), p.text("after"), p.text("after")}, nil), chunking: wstest.Whole}
		c := newConn(s, connConfig{client: client})
		expectMessages(t, c, []string{"before"})
		for range 3 {
			for _, r := range readings {
				_, data, err := r.read(c)
				require.Equal(t, error(errReservedOpcode), err)
				require.Empty(t, data)
			}
			var v any
			require.Equal(t, error(errReservedOpcode), c.ReadJSON(&v))
			n, err := io.Copy(io.Discard, JoinMessages(c, ""))
			require.Equal(t, error(errReservedOpcode), err)
			require.Zero(t, n)
			_, _, err = c.ReadMessageContext(t.Context())
			require.True(t, errors.Is(err, net.ErrClosed))
		}
	}
}
