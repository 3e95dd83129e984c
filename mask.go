package websocket

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"sync"
)

// maskVector is the payload length from which the vector instructions behind
// crypto/subtle win over the word loop, and maskBlock the length of the
// repeated masking key they are fed with. Both were measured (BenchmarkMask):
// shorter payloads do not pay for laying out the block.
const (
	maskVector = 16 << 10
	maskBlock  = 4 << 10
)

// maskBlocks keeps the blocks off the stacks: a goroutine that once had four
// KiB on its stack keeps a stack of that size while it waits for a message.
var maskBlocks = sync.Pool{New: func() any { return new([maskBlock]byte) }}

// maskBytes sets dst[i] = src[i] XOR key[(pos+i) mod 4] for every i < len(src)
// and returns the position in the key after the last byte (RFC 6455,
// Section 5.3). dst is at least as long as src; they overlap exactly, to mask
// in place, or not at all, to mask while copying. Masking and unmasking are
// the same.
func maskBytes(dst, src []byte, key [4]byte, pos int) int {
	// k holds the key as it applies to the first byte of src: rotating the
	// little-endian word right by eight bits skips one byte of it.
	k := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
	kk := uint64(k)<<32 | uint64(k)
	dst = dst[:len(src)]
	if len(src) < maskVector {
		maskWords(dst, src, kk)
	} else {
		maskVectors(dst, src, kk)
	}
	return (pos + len(src)) & 3
}

// maskWords masks eight words at a time, then word by word, then what is left.
func maskWords(dst, src []byte, k uint64) {
	for len(src) >= 64 && len(dst) >= 64 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^k)
		binary.LittleEndian.PutUint64(dst[8:], binary.LittleEndian.Uint64(src[8:])^k)
		binary.LittleEndian.PutUint64(dst[16:], binary.LittleEndian.Uint64(src[16:])^k)
		binary.LittleEndian.PutUint64(dst[24:], binary.LittleEndian.Uint64(src[24:])^k)
		binary.LittleEndian.PutUint64(dst[32:], binary.LittleEndian.Uint64(src[32:])^k)
		binary.LittleEndian.PutUint64(dst[40:], binary.LittleEndian.Uint64(src[40:])^k)
		binary.LittleEndian.PutUint64(dst[48:], binary.LittleEndian.Uint64(src[48:])^k)
		binary.LittleEndian.PutUint64(dst[56:], binary.LittleEndian.Uint64(src[56:])^k)
		dst, src = dst[64:], src[64:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^k)
		dst, src = dst[8:], src[8:]
	}
	for i, b := range src {
		dst[i] = b ^ byte(k>>(8*(i&7)))
	}
}

// maskVectors masks a block at a time. The block's length is a multiple of
// four, so that each one begins at the same position in the key.
func maskVectors(dst, src []byte, k uint64) {
	block := maskBlocks.Get().(*[maskBlock]byte)
	binary.LittleEndian.PutUint64(block[:], k)
	for n := 8; n < maskBlock; n *= 2 {
		copy(block[n:], block[:n])
	}
	for len(src) > 0 {
		n := subtle.XORBytes(dst, src, block[:])
		dst, src = dst[n:], src[n:]
	}
	maskBlocks.Put(block)
}

// A keyBlock holds masking keys that nobody has used yet: rest is what is
// left of them.
type keyBlock struct {
	keys [512]byte
	rest []byte
}

var keyBlocks = sync.Pool{New: func() any { return new(keyBlock) }}

// newMaskingKey returns a masking key that cannot be predicted from those
// before it: RFC 6455, Section 10.3, rules out anything but a strong source of
// entropy. Drawing the keys in blocks spares most calls their way to the kernel.
func newMaskingKey() (key [4]byte) {
	block := keyBlocks.Get().(*keyBlock)
	if len(block.rest) == 0 {
		rand.Read(block.keys[:])
		block.rest = block.keys[:]
	}
	key = [4]byte(block.rest)
	clear(block.rest[:len(key)])
	block.rest = block.rest[len(key):]
	keyBlocks.Put(block)
	return key
}
