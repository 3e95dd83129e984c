package deflate

import "encoding/binary"

// An effort limits the search of findBest.
type effort struct {
	probes int // positions to compare with
	lazy   int // from this length on, a match is taken without looking one byte ahead
	enough int // from this length on, a match ends the search
}

var (
	balanceEffort = effort{probes: 8, lazy: 16, enough: 64}
	ratioEffort   = effort{probes: 128, lazy: 64, enough: maxMatch}
)

// findBest takes the longest match at each position, unless there is a
// longer one at the next position.
func (x *index) findBest(f *finder, data []byte, start int) {
	effort := balanceEffort
	if x.level == Ratio {
		effort = ratioEffort
	}
	base := x.next - uint16(start) // the position of data[0]
	x.next += uint16(len(data) - start)
	low := start                   // the first literal that is not in f yet
	before, distanceBefore := 0, 0 // the match at i-1, which is not taken yet
	for i := start; ; i++ {
		length, distance := 0, 0
		if i <= len(data)-8 {
			if before < effort.lazy {
				length, distance = x.longest(data, i, base, f.window, before, effort)
			}
			x.insert(data, i, base+uint16(i))
		} else if before == 0 {
			break
		}
		if before > 0 && length <= before {
			f.put(i-1-low, before, distanceBefore)
			end := i - 1 + before
			for i++; i < min(end, len(data)-7); i++ {
				x.insert(data, i, base+uint16(i))
			}
			i, low = end-1, end
			length = 0
		}
		before, distanceBefore = length, distance
	}
	f.literals += len(data) - low
}

// longest returns the longest match at i if it is longer than atLeast, and zeros
// otherwise.
func (x *index) longest(data []byte, i int, base uint16, window, atLeast int, effort effort) (length, distance int) {
	pos := base + uint16(i)
	current := data[i:]
	word := binary.LittleEndian.Uint32(current)
	hint := x.heads[hash4(uint64(word), x.shift)]
	limit := min(i, window)
	best := max(atLeast, 3)
	mask := len(x.chain) - 1
	nearest := 0
	probes := effort.probes
	if atLeast >= 8 {
		probes /= 4 // the match at i-1 is good already
	}
	for range probes {
		// Distances increase along a chain. The chain ends where they do not.
		d := int(pos - hint)
		if d <= nearest || d > limit || best >= len(current) {
			break
		}
		nearest = d
		candidate := data[i-d:]
		if candidate[best] == current[best] && binary.LittleEndian.Uint32(candidate) == word {
			if n := matchLength(current, candidate); n > best {
				best, length, distance = n, n, d
				if n >= effort.enough {
					break
				}
			}
		}
		hint = x.chain[int(hint)&mask]
	}
	return length, distance
}
