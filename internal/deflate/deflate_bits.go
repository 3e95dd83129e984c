package deflate

import (
	"encoding/binary"
	"slices"
)

// A bitWriter appends bits to out, the first one as the least significant of a
// byte (RFC 1951, Section 3.1.1). It keeps n bits that do not fill a byte in
// bits. Between two calls n is less than eight.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

// bitSlack is how many bytes of room a bitWriter needs behind what it writes,
// since it stores eight bytes at a time.
const bitSlack = 8

// reserve makes room for n more bits. The other methods need that room.
func (w *bitWriter) reserve(n int) {
	w.out = slices.Grow(w.out, (int(w.n)+n)>>3+1+bitSlack)
}

// write appends the n ≤ 56 low bits of v. The other bits of v are zero.
func (w *bitWriter) write(v uint64, n uint) {
	at, bits, n := store(w.out[:cap(w.out)], len(w.out), w.bits|v<<(w.n&63), w.n+n)
	w.out, w.bits, w.n = w.out[:at], bits, n
}

// align appends zero bits up to the next byte.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.write(0, 8-w.n)
	}
}

// length returns the number of bits in out and bits.
func (w *bitWriter) length() int { return len(w.out)*8 + int(w.n) }

// symbols appends the sequences, the literals after the last one, and the end of
// the block, in the codes of book. data is what they stand for.
//
// It stores eight bytes at a time. After that, fewer than eight bits are left,
// so that 56 more fit: four literals of up to 14 bits, or a match of up to 47.
func (w *bitWriter) symbols(book *codebook, sequences []sequence, data []byte) {
	out, at := w.out[:cap(w.out)], len(w.out)
	bits, n := w.bits, w.n
	for _, q := range sequences {
		literals := int32(q.literals)
		for ; literals >= 4; literals -= 4 {
			bits, n = book.literals[data[0]].after(bits, n)
			bits, n = book.literals[data[1]].after(bits, n)
			bits, n = book.literals[data[2]].after(bits, n)
			bits, n = book.literals[data[3]].after(bits, n)
			at, bits, n = store(out, at, bits, n)
			data = data[4:]
		}
		// There is no branch on how many literals are left, which cannot be
		// predicted. Their place is taken by codewords of no bits.
		bits, n = (book.literals[data[0]] & codeword((0-literals)>>31)).after(bits, n)
		bits, n = (book.literals[data[1]] & codeword((1-literals)>>31)).after(bits, n)
		bits, n = (book.literals[data[2]] & codeword((2-literals)>>31)).after(bits, n)
		at, bits, n = store(out, at, bits, n)
		data = data[int(literals)+int(q.length):]

		length := lengthSymbols[byte(q.length-minMatch)]
		bits, n = book.literals[firstLength+length.symbol()].after(bits, n)
		bits |= length.extra() << (n & 63)
		n += length.extraBits()
		symbol, extra, extraBits := distanceSymbol(q.distance)
		bits, n = book.distances[symbol].after(bits, n)
		bits |= uint64(extra) << (n & 63)
		n += extraBits
		at, bits, n = store(out, at, bits, n)
	}
	w.out, w.bits, w.n = out[:at], bits, n
	w.literals(book, data)
	end := book.literals[endOfBlock]
	w.write(end.bits(), end.length())
}

// literals appends the bytes of data as literals.
func (w *bitWriter) literals(book *codebook, data []byte) {
	out, at := w.out[:cap(w.out)], len(w.out)
	bits, n := w.bits, w.n
	for ; len(data) >= 4; data = data[4:] {
		bits, n = book.literals[data[0]].after(bits, n)
		bits, n = book.literals[data[1]].after(bits, n)
		bits, n = book.literals[data[2]].after(bits, n)
		bits, n = book.literals[data[3]].after(bits, n)
		at, bits, n = store(out, at, bits, n)
	}
	for _, b := range data {
		bits, n = book.literals[b].after(bits, n)
	}
	at, bits, n = store(out, at, bits, n)
	w.out, w.bits, w.n = out[:at], bits, n
}

// after returns the n bits followed by c, and their number.
func (c codeword) after(bits uint64, n uint) (uint64, uint) {
	return bits | c.bits()<<(n&63), n + c.length()
}

// store writes the whole bytes of n bits to out[at:], and returns the position
// after them and the bits that are left.
func store(out []byte, at int, bits uint64, n uint) (int, uint64, uint) {
	binary.LittleEndian.PutUint64(out[at:], bits)
	return at + int(n>>3), bits >> (n &^ 7 & 63), n & 7
}

// stored appends data as a stored block (RFC 1951, Section 3.2.4). data has at
// most maxBlock bytes.
func (w *bitWriter) stored(data []byte) {
	w.write(blockStored, 3)
	w.align()
	w.write(uint64(uint16(len(data)))|uint64(^uint16(len(data)))<<16, 32)
	w.out = append(w.out, data...)
}

// storedBits returns how many bits stored appends for n bytes.
func (w *bitWriter) storedBits(n int) int {
	return (w.length()+3+7)&^7 - w.length() + 32 + 8*n
}
