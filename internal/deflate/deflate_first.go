package deflate

import "math/bits"

// findFirst looks at one place for a match and takes the first that there is.
func (x *index) findFirst(f *finder, data []byte, start int) {
	base := x.next - uint16(start) // the position of data[0]
	x.next += uint16(len(data) - start)
	low := start // of the literals that wait, but for those in f
	i := start
	if i == 0 && len(data) >= 8 {
		x.insert(data, 0, base) // nothing is before it
		i = 1
	}
	for i > 0 {
		var distance, length int
		i, distance, length = x.probe(data, base, f.window, i)
		if length == 0 {
			break
		}
		if length == 8 {
			length += matchLength(data[i+8:], data[i+8-distance:])
		}
		end := i + length
		for i > low && i > distance && data[i-1] == data[i-1-distance] {
			i--
		}
		f.put(i-low, end-i, distance)
		low, i = end, end
		if i <= len(data)-8 {
			x.insert(data, i-2, base+uint16(i-2))
		}
	}
	f.literals += len(data) - low
}

// probe goes on from i > 0 to the next place with a match of four bytes or
// more, and returns it and the match, whose length it counts up to eight only.
// The length is zero if there is none.
//
// It looks at two places at a time, and has one branch for both that depends
// on what is there: nothing costs more than the branches that a processor
// cannot predict. So a hint that is out of reach is not sorted out either, but
// taken for the most distant place that is within reach.
func (x *index) probe(data []byte, base uint16, window, i int) (at, distance, length int) {
	heads, shift := x.heads, x.shift
	for step := 2 << 5; i <= len(data)-9; step++ {
		farthest := min(i, window) - 1
		word, word1 := load64(data, i), load64(data, i+1)
		pos := base + uint16(i)
		head := &heads[hash4(word, shift)]
		back := lesser(int(pos-1-*head), farthest) // the distance less one
		*head = pos
		head = &heads[hash4(word1, shift)]
		back1 := lesser(int(pos-*head), farthest)
		*head = pos + 1
		differ := word ^ load64(data, i-1-back)
		differ1 := word1 ^ load64(data, i-back1)
		first, second := uint64(uint32(differ)), uint64(uint32(differ1))
		if int64((first-1)|(second-1)) < 0 { // one of them is zero
			if first != 0 {
				differ = differ1
			}
			if first != 0 {
				back = back1
			}
			if first != 0 {
				i++
			}
			return i, back + 1, bits.TrailingZeros64(differ) >> 3
		}
		// The longer there is no match, the less often it looks for one.
		i += step >> 5
	}
	return i, 0, 0
}

// lesser is min without a branch.
func lesser(a, b int) int { return b + (a-b)&((a-b)>>(bits.UintSize-1)) }
