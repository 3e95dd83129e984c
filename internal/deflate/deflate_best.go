package deflate

import "encoding/binary"

// An effort is how hard findBest tries.
type effort struct {
	probes int // places to look at
	lazy   int // a match that long is taken without looking one byte ahead
	enough int // a match that long ends the search
}

var (
	balanceEffort = effort{probes: 8, lazy: 16, enough: 64}
	ratioEffort   = effort{probes: 128, lazy: 64, enough: maxMatch}
)

// findBest looks at several places for the longest match, and takes it unless
// there is a longer one a byte later.
func (x *index) findBest(f *finder, data []byte, start int) {
	effort := balanceEffort
	if x.level == Ratio {
		effort = ratioEffort
	}
	base := x.next - uint16(start) // the position of data[0]
	x.next += uint16(len(data) - start)
	low := start              // of the literals that wait, but for those in f
	before, distance0 := 0, 0 // the match at i-1 that is not taken yet
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
			f.put(i-1-low, before, distance0)
			end := i - 1 + before
			for i++; i < min(end, len(data)-7); i++ {
				x.insert(data, i, base+uint16(i))
			}
			i, low = end-1, end
			length = 0
		}
		before, distance0 = length, distance
	}
	f.literals += len(data) - low
}

// longest returns the longest match at i that is longer than atLeast.
func (x *index) longest(data []byte, i int, base uint16, window, atLeast int, effort effort) (length, distance int) {
	pos := base + uint16(i)
	here := data[i:]
	word := binary.LittleEndian.Uint32(here)
	hint := x.heads[hash4(uint64(word), x.shift)]
	limit := min(i, window)
	best := max(atLeast, 3)
	mask := len(x.chain) - 1
	nearest := 0
	probes := effort.probes
	if atLeast >= 8 {
		probes /= 4 // what there is is good already
	}
	for range probes {
		// Distances grow along a chain. Where they do not, it is at its end.
		d := int(pos - hint)
		if d <= nearest || d > limit || best >= len(here) {
			break
		}
		nearest = d
		there := data[i-d:]
		if there[best] == here[best] && binary.LittleEndian.Uint32(there) == word {
			if n := matchLength(here, there); n > best {
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
