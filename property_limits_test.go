package websocket

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// TestEmptyBlocksAreBounded checks that a compressed message cannot go on for ever
// with input that decompresses to nothing, which the read limit does not count.
func TestEmptyBlocksAreBounded(t *testing.T) {
	blocks := strings.Repeat("\x00\x00\x00\xFF\xFF", 1000)
	eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
		c, p := m.connectCompressed(t, agreements()["bits=15,noTakeover=true"])
		p.send(p.compressedFrame(false, opText, blocks))
		for range maxIdleInput/len(blocks) + 1 {
			p.send(p.frame(false, opContinuation, blocks))
		}
		p.expectCloseThenClose(1008)
		_, _, err := r.read(c)
		require.Equal(t, error(errIdleInput), err)
	})
}

// TestReadLimitCountsInflatedBytes checks that the limit is exact for compressed
// messages, and that a decompression bomb is not decompressed beyond it.
func TestReadLimitCountsInflatedBytes(t *testing.T) {
	const limit = 1000
	for name, test := range map[string]struct {
		n    int
		want error
	}{
		"limit": {limit, nil}, "limit+1": {limit + 1, ErrReadLimit}, "bomb": {fullOrShort(100<<20, 10<<20), ErrReadLimit},
	} {
		t.Run(name, func(t *testing.T) {
			z := deflated(strings.Repeat("x", test.n))
			eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
				c, p := m.connectCompressed(t, agreements()["bits=15,noTakeover=true"])
				c.SetReadLimit(limit)
				cut := len(z) / 2
				for _, frames := range [][][]byte{
					{p.compressedFrame(true, opText, z)},
					{p.compressedFrame(false, opText, z[:cut]), p.frame(true, opContinuation, z[cut:])},
				} {
					p.send(frames...)
					if test.want != nil {
						p.expectCloseThenClose(1009)
					}
					_, data, err := r.read(c)
					require.Equal(t, test.want, err)
					require.LessOrEqual(t, cap(data), 10*limit)
					if err != nil {
						break
					}
					require.Len(t, data, test.n)
				}
			})
		})
	}
}

// TestStreamingTakesConstantMemory checks that NextReader and NextWriter need no more
// memory for a long message than for their buffers, compressed or not.
func TestStreamingTakesConstantMemory(t *testing.T) {
	skipUnlessAllocationsCount(t)
	n := fullOrShort(64<<20, 8<<20)
	for name, config := range map[string]connConfig{
		"plain":       {},
		"takeover":    {agreement: agreements()["bits=15,noTakeover=false"]},
		"no takeover": {agreement: agreements()["bits=15,noTakeover=true"]},
	} {
		t.Run(name, func(t *testing.T) {
			config.readLimit = -1
			piece := []byte(strings.Repeat("a line of a long text, ", 1000))
			server := newConn(&endlessStream{}, config)
			require.Less(t, allocated(func() {
				w, err := server.NextWriter(TextMessage)
				require.NoError(t, err)
				for written := 0; written < n; written += len(piece) {
					_, err := w.Write(piece)
					require.NoError(t, err)
				}
				require.NoError(t, w.Close())
			}), uint64(2<<20))

			p := &peer{masked: true}
			frame := p.frame(true, opText, strings.Repeat("x", n))
			if name != "plain" {
				frame = p.compressedFrame(true, opText, deflated(strings.Repeat("x", n)))
			}
			server = newConn(&endlessStream{frame: frame}, config)
			require.Less(t, allocated(func() {
				_, r, err := server.NextReader()
				require.NoError(t, err)
				read, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 4096))
				require.NoError(t, err)
				require.EqualValues(t, n, read)
			}), uint64(2<<20))
		})
	}
}

// TestDecompressionBombMemory checks how much memory is allocated for messages of
// 100 MB, in one frame and in fragments, and of 50 MB, which are in the read buffer as
// a whole. ReadMessage may allocate a few times the limit: the message grows by
// doubling, and a message in the buffer is first decompressed at once. NextReader may
// allocate its buffers only.
func TestDecompressionBombMemory(t *testing.T) {
	skipUnlessAllocationsCount(t)
	const limit, constant = 1 << 20, 256 << 10
	size := fullOrShort(100<<20, 20<<20)
	bomb, small := deflated(strings.Repeat("x", size)), deflated(strings.Repeat("x", size/2))
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		for name, frames := range map[string][]byte{
			"frame":     p.compressedFrame(true, opBinary, bomb),
			"buffer":    p.compressedFrame(true, opBinary, small),
			"fragments": append(p.compressedFrame(false, opBinary, bomb[:len(bomb)/2]), p.frame(true, opContinuation, bomb[len(bomb)/2:])...),
		} {
			for _, a := range []string{"bits=15,noTakeover=true", "bits=8,noTakeover=false"} {
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

// TestReadLimitPassesExactly checks that NextReader returns no more than the limit of
// a message that is longer.
func TestReadLimitPassesExactly(t *testing.T) {
	const limit = 1000
	for _, n := range []int{limit, limit + 1} {
		text := strings.Repeat("x", n)
		for _, compressed := range []bool{false, true} {
			for _, client := range []bool{false, true} {
				p := &peer{masked: !client}
				config := connConfig{client: client, readLimit: limit, agreement: agreements()["bits=15,noTakeover=true"]}
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

// TestMessageLengthOverflow has a fragment with which the length of the message would
// overflow. It is refused even without a limit.
func TestMessageLengthOverflow(t *testing.T) {
	for _, limit := range []int64{-1, 1, 10, math.MaxInt64, math.MaxInt64 - 5} {
		for _, client := range []bool{false, true} {
			p := &peer{masked: !client}
			frames := p.frame(false, opBinary, "0123456789")
			for _, length := range []string{"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFA"} {
				last := encodeLongLength(p, 127, length)
				last[0] = 0x80
				s := &scriptedStream{in: append(bytes.Clone(frames), last...), chunking: wstest.Whole}
				_, data, err := newConn(s, connConfig{client: client, readLimit: limit}).ReadMessage()
				require.Equal(t, ErrReadLimit, err, "%d", limit)
				require.Empty(t, data)
			}
		}
	}
}

// TestDeclaredFragmentsAreNotAllocated has many frames that declare 16 MiB. Memory is
// allocated for what was received only.
func TestDeclaredFragmentsAreNotAllocated(t *testing.T) {
	skipUnlessAllocationsCount(t)
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		head := encodeLongLength(p, 127, "\x00\x00\x00\x00\x01\x00\x00\x00") // 16 MiB
		require.Less(t, allocated(func() {
			for range 100 {
				s := &scriptedStream{in: append(bytes.Clone(head), longText[:100]...), chunking: wstest.Whole}
				_, _, err := newConn(s, connConfig{client: client}).ReadMessage()
				require.Equal(t, errEOF, err)
			}
		}), uint64(100*2*trustedLength))
	}
}

// TestFragmentsShareOneBuffer checks that a hundred thousand fragments of one byte
// need little more memory than the message.
func TestFragmentsShareOneBuffer(t *testing.T) {
	skipUnlessAllocationsCount(t)
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

// TestEmptyFragmentsAreBounded checks that the documented number of empty fragments is
// allowed in each message, and one more is not.
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

// TestEndInsideAMessageIsAnError cuts a stream of compressed messages at every byte.
// No read method takes the cut for the end of a message.
func TestEndInsideAMessageIsAnError(t *testing.T) {
	for _, client := range []bool{false, true} {
		p := &peer{masked: !client}
		z := deflated(strings.Repeat("some text, ", 20))
		first := p.compressedFrame(true, opText, z)
		stream := bytes.Join([][]byte{
			first, p.compressedFrame(false, opText, z[:5]), p.frame(true, opPing, ""), p.frame(true, opContinuation, z[5:]),
		}, nil)
		for cut := range stream {
			for _, r := range readMethods {
				s := &scriptedStream{in: stream[:cut], chunking: wstest.Whole}
				c := newConn(s, connConfig{client: client, agreement: agreements()["bits=15,noTakeover=true"]})
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

func TestReadLimitIsExact(t *testing.T) {
	cut := func(p *peer, s string) [][]byte {
		return [][]byte{p.frame(false, opBinary, s[:3]), p.frame(false, opContinuation, ""), p.frame(true, opContinuation, s[3:])}
	}
	whole := func(p *peer, s string) [][]byte { return [][]byte{p.binary(s)} }
	for name, frames := range map[string]func(*peer, string) [][]byte{"one frame": whole, "fragments": cut} {
		t.Run(name, func(t *testing.T) {
			eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
				const limit = 100
				c, p := m.connect(t)
				c.SetReadLimit(limit)
				p.expectCloseThenClose(1009)
				p.send(frames(p, longText[:limit])...)
				p.send(frames(p, longText[:limit+1])...)
				_, data, err := r.read(c)
				require.NoError(t, err)
				require.Len(t, data, limit)
				_, data, err = r.read(c)
				require.Equal(t, ErrReadLimit, err)
				if r.name != "NextReader" {
					require.Empty(t, data)
				}
			})
		})
	}
}

func TestNoReadLimit(t *testing.T) {
	eachReadMethod(t, func(t *testing.T, m mode, r readMethod) {
		c, p := m.connect(t)
		c.SetReadLimit(0)
		p.send(p.binary(longText))
		_, data, err := r.read(c)
		require.NoError(t, err)
		require.Equal(t, longText, string(data))
	})
}

// TestDeclaredLengthIsNotAllocated has a frame that declares more than is sent. Memory
// is allocated for what was received only.
func TestDeclaredLengthIsNotAllocated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(0, wstest.Whole)
		c := newConn(a, connConfig{client: true})
		b.Write(appendHeader(nil, header{fin: true, opcode: opBinary, length: DefaultReadLimit}))
		b.Write(make([]byte, 1000))
		c.SetReadDeadline(time.Now().Add(settleTime))
		_, _, err := c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Len(t, c.read.partialBytes(), 1000)
		assert.LessOrEqual(t, cap(c.read.partialBytes()), trustedLength)

		b.Write(make([]byte, trustedLength))
		c.SetReadDeadline(time.Now().Add(settleTime))
		_, _, err = c.ReadMessage()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Len(t, c.read.partialBytes(), 1000+trustedLength)
		assert.LessOrEqual(t, cap(c.read.partialBytes()), (growth+1)*(1000+trustedLength))
		c.Close()
		b.Close()
	})
}
