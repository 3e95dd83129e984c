package deflate

import (
	"encoding/binary"
	"math/bits"
)

// An index finds earlier positions at which there may be a match. Positions count
// the bytes of all messages, modulo 1<<16. They are hints: a position is turned
// into a distance, and the bytes at that distance are compared if it is within
// the history. So a wrong position does no harm, positions may wrap around, and
// the index does not change when the history is moved.
type index struct {
	level Level

	// heads has the last position of each hash of four bytes.
	heads []uint16
	shift uint // leaves the highest bits of a hash

	// chain has the previous position with the same hash for each position,
	// modulo its length. It is nil for levels that do not use it.
	chain []uint16

	// next is the position of the next byte.
	next uint16

	// indexed is the number of positions since heads was empty, at most 1<<16.
	// stale is set if some of them are of before a reset. Those are further back
	// than the history until positions wrap around.
	indexed int
	stale   bool
}

// chains reports whether a level compares with several positions.
func (l Level) chains() bool { return l == Balance || l == Ratio }

// prepare makes an index of history, unless there is one for this level.
func (x *index) prepare(level Level, window int, history []byte) {
	x.level = level
	if x.heads != nil {
		return
	}
	// With window/4 heads, index and history take less than twice the window.
	heads := max(window/4, 1<<8)
	if level.chains() {
		heads = max(window, 1<<8)
		x.chain = make([]uint16, window)
	}
	x.heads = make([]uint16, heads)
	x.shift = uint(32 - bits.Len(uint(heads-1)))
	for i := range max(0, len(history)-7) {
		x.insert(history, i, uint16(i))
	}
	x.next = uint16(len(history))
	x.indexed = min(len(history), 1<<16)
}

// reserve prepares x for n more bytes. It clears x if positions of before a reset
// could seem to be in the history again. They would do no harm, but the result
// must not depend on messages of an earlier connection.
func (x *index) reserve(n int) {
	if x.stale && x.indexed+n > 1<<16 {
		clear(x.heads)
		clear(x.chain)
		x.next, x.indexed, x.stale = 0, 0, false
	}
	x.indexed = min(x.indexed+n, 1<<16)
}

// reset makes all positions so far invalid.
func (x *index) reset() { x.stale = x.indexed > 0 }

// find appends the sequences for data[start:] to f. Matches may refer to
// data[:start].
func (x *index) find(f *finder, data []byte, start int) {
	if x.level.chains() {
		x.findBest(f, data, start)
	} else {
		x.findFirst(f, data, start)
	}
}

// insert adds pos, which is the position of data[i]. There are at least eight
// bytes from there on.
func (x *index) insert(data []byte, i int, pos uint16) {
	head := &x.heads[hash4(load64(data, i), x.shift)]
	if x.chain != nil {
		x.chain[int(pos)&(len(x.chain)-1)] = *head
	}
	*head = pos
}

// hash4 hashes the low four bytes of word.
func hash4(word uint64, shift uint) uint32 {
	return uint32(word) * 0x9E3779B1 >> (shift & 31)
}

func load64(data []byte, i int) uint64 {
	return binary.LittleEndian.Uint64(data[i : i+8])
}

// A finder collects the sequences of a block.
type finder struct {
	window int
	found  []sequence

	// literals is the number of bytes since the last sequence.
	literals int
}

// put appends literals and a match of any length. A match that is longer than
// maxMatch becomes several.
func (f *finder) put(literals, length, distance int) {
	literals += f.literals
	f.literals = 0
	for length > maxMatch {
		n := min(maxMatch, length-minMatch)
		f.found = append(f.found, sequence{uint16(literals), uint16(n), uint16(distance)})
		literals = 0
		length -= n
	}
	f.found = append(f.found, sequence{uint16(literals), uint16(length), uint16(distance)})
}

// matchLength returns the length of the common prefix of a and b.
func matchLength(a, b []byte) int {
	n := 0
	for len(a) >= 8 && len(b) >= 8 {
		diff := binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
		if diff != 0 {
			return n + bits.TrailingZeros64(diff)>>3
		}
		a, b = a[8:], b[8:]
		n += 8
	}
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		n++
	}
	return n
}
