package load

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/seed23105783/websocket/internal/bench"
)

// The opcodes of data frames, and the bits of a frame's first byte (RFC 6455,
// Section 5.2).
const (
	Text   = 1
	Binary = 2

	fin        = 0x80
	compressed = 0x40
	opcodeMask = 0x0F
	masked     = 0x80
)

// maskingKey is the key of all frames: they are encoded once, ahead of time.
var maskingKey = [4]byte{0x5A, 0xC3, 0x17, 0x8E}

// AppendFrame appends a frame with the given first byte, masked as a client
// has to do it if mask is set.
func AppendFrame(dst []byte, first byte, mask bool, payload []byte) []byte {
	bit := byte(0)
	if mask {
		bit = masked
	}
	dst = append(dst, first)
	switch n := len(payload); {
	case n <= 125:
		dst = append(dst, bit|byte(n))
	case n <= 1<<16-1:
		dst = binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(n))
	}
	if !mask {
		return append(dst, payload...)
	}
	dst = append(dst, maskingKey[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	for i := range dst[start:] {
		dst[start+i] ^= maskingKey[i&3]
	}
	return dst
}

// FrameSize returns the length of a client's frame with a payload of n bytes.
func FrameSize(n int) int {
	switch {
	case n <= 125:
		return 6 + n
	case n <= 1<<16-1:
		return 8 + n
	}
	return 14 + n
}

// Payloads returns count messages of size bytes, the same at every call: JSON
// for texts, noise for binary messages.
func Payloads(opcode byte, size, count int) [][]byte {
	if opcode == Text {
		return bench.Messages(size, count)
	}
	r := rand.New(rand.NewPCG(2, uint64(size)))
	all := make([][]byte, count)
	for i := range all {
		all[i] = make([]byte, size)
		for j := range all[i] {
			all[i][j] = byte(r.Uint32())
		}
	}
	return all
}

// unmask takes the key off p, eight bytes at a time.
func unmask(p []byte, key [4]byte) {
	k := binary.LittleEndian.Uint32(key[:])
	kk := uint64(k)<<32 | uint64(k)
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^kk)
	}
	for i := range p {
		p[i] ^= key[i&3]
	}
}
