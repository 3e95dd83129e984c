package deflate

import "encoding/binary"

// A bitReader reads a stream of bits, the least significant of a byte first
// (RFC 1951, Section 3.1.1), that arrives in pieces.
//
// Bits holds the next n of them, n < 64, and zeros above. What is in there
// counts as read, so that it outlives the piece that it came from.
type bitReader struct {
	src  []byte
	pos  int // what of src has been read
	bits uint64
	n    uint
}

// fill reads until 56 bits are there, or src is used up.
func (r *bitReader) fill() {
	if r.n >= 56 {
		return
	}
	if len(r.src)-r.pos >= 8 {
		r.bits |= binary.LittleEndian.Uint64(r.src[r.pos:]) << r.n
		r.pos += int(63-r.n) >> 3
		r.n |= 56
		r.bits &= 1<<r.n - 1
		return
	}
	for r.n < 56 && r.pos < len(r.src) {
		r.bits |= uint64(r.src[r.pos]) << r.n
		r.pos++
		r.n += 8
	}
}

// need reports whether the next k ≤ 56 bits are there, after it has read what
// it takes to have them.
func (r *bitReader) need(k uint) bool {
	if r.n < k {
		r.fill()
	}
	return r.n >= k
}

// take returns the next k bits, which are there.
func (r *bitReader) take(k uint) uint32 {
	v := uint32(r.bits & (1<<k - 1))
	r.bits >>= k
	r.n -= k
	return v
}

// align skips what is left of a byte.
func (r *bitReader) align() { r.take(r.n & 7) }
