package deflate

import "encoding/binary"

// A bitReader reads bits from pieces of a stream, the least significant bit of a
// byte first (RFC 1951, Section 3.1.1).
//
// The low n bits of bits are the next ones, n < 64, and the others are zero. They
// count as read, since they are kept when src is replaced by the next piece.
type bitReader struct {
	src  []byte
	pos  int // the number of bytes of src that have been read
	bits uint64
	n    uint
}

// fill reads until there are at least 56 bits, or src is used up.
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

// need reads until there are at least k ≤ 56 bits, or src is used up, and reports
// whether there are.
func (r *bitReader) need(k uint) bool {
	if r.n < k {
		r.fill()
	}
	return r.n >= k
}

// take removes and returns the next k bits. There have to be that many.
func (r *bitReader) take(k uint) uint32 {
	v := uint32(r.bits & (1<<k - 1))
	r.bits >>= k
	r.n -= k
	return v
}

// align skips the rest of a byte.
func (r *bitReader) align() { r.take(r.n & 7) }
