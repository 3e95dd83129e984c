package websocket

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeysComeFromCryptoRand checks that all masking keys and Sec-WebSocket-Keys are
// zeros if crypto/rand's Reader returns zeros.
func TestKeysComeFromCryptoRand(t *testing.T) {
	random := rand.Reader
	rand.Reader = zeroReader{}
	defer func() {
		rand.Reader = random
		keyBlocks = sync.Pool{New: func() any { return new(keyBlock) }}
	}()
	keyBlocks = sync.Pool{New: func() any { return new(keyBlock) }}
	for range 1000 {
		require.Zero(t, newMaskingKey())
	}
	require.Equal(t, encodedKey(keySize), newKey())
}

// A zeroReader returns zeros for ever.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestMask compares maskBytes with a loop over bytes, for all lengths around the
// steps of its loops, all alignments of both slices and all positions in the key.
func TestMask(t *testing.T) {
	lengths := []int{1000, maskVector - 1, maskVector, maskVector + 1, maskVector + maskBlock + 3}
	for n := range 140 {
		lengths = append(lengths, n)
	}
	src := make([]byte, maskVector+maskBlock+64)
	for i := range src {
		src[i] = byte(i * 7)
	}
	want, got := make([]byte, len(src)), make([]byte, len(src))
	for _, n := range lengths {
		for offset := range 9 {
			for pos := range 4 {
				in := src[offset : offset+n]
				wantPos := maskByByte(want[:n], in, maskKey, pos)

				clear(got)
				require.Equal(t, wantPos, maskBytes(got[8-offset:], in, maskKey, pos))
				if !bytes.Equal(want[:n], got[8-offset:8-offset+n]) || got[8-offset+n] != 0 {
					t.Fatalf("copying: length %d, offset %d, position %d", n, offset, pos)
				}
				copy(got[offset:], in)
				maskBytes(got[offset:offset+n], got[offset:offset+n], maskKey, pos)
				if !bytes.Equal(want[:n], got[offset:offset+n]) {
					t.Fatalf("in place: length %d, offset %d, position %d", n, offset, pos)
				}
			}
		}
	}
}

// FuzzMask masks a payload in two pieces.
func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), uint32(0x37fa213d), uint8(0), uint16(2))
	f.Add(bytes.Repeat([]byte("0123456789"), 30), uint32(1), uint8(3), uint16(77))
	f.Add(make([]byte, maskVector+5), uint32(0xFF00FF00), uint8(1), uint16(3))
	f.Fuzz(func(t *testing.T, src []byte, k uint32, start uint8, cut uint16) {
		key := [4]byte{byte(k), byte(k >> 8), byte(k >> 16), byte(k >> 24)}
		pos, at := int(start%4), min(int(cut), len(src))
		want := make([]byte, len(src))
		wantPos := maskByByte(want, src, key, pos)

		got := make([]byte, len(src))
		middle := maskBytes(got, src[:at], key, pos)
		end := maskBytes(got[at:], src[at:], key, middle)
		require.Equal(t, want, got)
		require.Equal(t, wantPos, end)

		maskBytes(got, got, key, pos)
		require.Equal(t, string(src), string(got), "masking twice restores the payload")
	})
}

func TestMaskingKeysAreFresh(t *testing.T) {
	seen := make(map[[4]byte]bool)
	const n = 4000
	for range n {
		seen[newMaskingKey()] = true
	}
	assert.Greater(t, len(seen), n-10, "a collision among %d random keys is rare", n)
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{16, 125, 1 << 10, 8 << 10, 16 << 10, 64 << 10, 1 << 20} {
		src, dst := make([]byte, n), make([]byte, n)
		b.Run(fmt.Sprintf("in place/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				maskBytes(src, src, maskKey, 1)
			}
		})
		b.Run(fmt.Sprintf("copying/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				maskBytes(dst, src, maskKey, 1)
			}
		})
		b.Run(fmt.Sprintf("only copy/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				copy(dst, src)
			}
		})
	}
}
