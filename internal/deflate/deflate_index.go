package deflate

import (
	"encoding/binary"
	"math/bits"
)

// An index finds where something like what comes next has been. It has
// positions modulo 1<<16, counted over all messages, and these are hints: a
// position becomes a distance, which counts only if it is within reach, and
// then the bytes there are compared. So a wrong hint does no harm, positions
// may wrap around, and nothing has to be erased when the history moves.
type index struct {
	level Level

	// heads has, by the hash of four bytes, where they have been last.
	heads []uint16
	shift uint // takes the highest bits of a hash

	// chain has, by position modulo its length, where the same hash has been
	// before that. Only the levels that look at several places have one.
	chain []uint16

	// next is the position of the byte that comes next.
	next uint16

	// indexed is the number of positions since heads was empty, counted up to
	// 1<<16, and stale says that some of them were forgotten. Those are out of
	// reach until the positions wrap around.
	indexed int
	stale   bool
}

// chains reports whether a level looks at several places.
func (l Level) chains() bool { return l == Balance || l == Ratio }

// prepare makes an index of history if x is none yet for this level.
func (x *index) prepare(level Level, window int, history []byte) {
	x.level = level
	if x.heads != nil {
		return
	}
	// Together with the history, window/4 heads stay below twice the window.
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

// expect is told how many bytes come next, and erases stale hints if they
// could come into reach again. They would do no harm, but what a message
// compresses to should not depend on what an earlier connection sent.
func (x *index) expect(n int) {
	if x.stale && x.indexed+n > 1<<16 {
		clear(x.heads)
		clear(x.chain)
		x.next, x.indexed, x.stale = 0, 0, false
	}
	x.indexed = min(x.indexed+n, 1<<16)
}

// forget puts all positions so far out of reach.
func (x *index) forget() { x.stale = x.indexed > 0 }

// find appends to f the sequences for data[start:]. Matches may begin in what
// is before start.
func (x *index) find(f *finder, data []byte, start int) {
	if x.level.chains() {
		x.findBest(f, data, start)
	} else {
		x.findFirst(f, data, start)
	}
}

// insert makes pos, the position of data[i], the last one of its hash. Eight
// bytes of data follow at least.
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

	// literals is the number of bytes after the last sequence.
	literals int
}

// put appends literals and a match of any length.
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

// matchLength returns how many bytes a has in common with b, which is longer.
func matchLength(a, b []byte) int {
	n := 0
	for len(a) >= 8 && len(b) >= 8 {
		differ := binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
		if differ != 0 {
			return n + bits.TrailingZeros64(differ)>>3
		}
		a, b = a[8:], b[8:]
		n += 8
	}
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		n++
	}
	return n
}
