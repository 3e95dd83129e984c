package deflate

import "math/bits"

// findFirst compares positions with one earlier position each, and takes any match.
func (x *index) findFirst(f *finder, data []byte, start int) {
	base := x.next - uint16(start) // the position of data[0]
	x.next += uint16(len(data) - start)
	low := start // the first literal that is not in f yet
	i := start
	if i == 0 && len(data) >= 8 {
		x.insert(data, 0, base) // there is nothing to compare with
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

// probe looks for a match of at least four bytes from position i > 0 on, and
// returns its position and the match. The length is at most eight, even if the
// match is longer, and zero if there is no match.
//
// It examines two positions at a time with one branch on the data, since
// unpredictable branches cost more than anything else here. For the same reason
// an invalid position is not skipped: it is replaced by the most distant valid
// one.
func (x *index) probe(data []byte, base uint16, window, i int) (at, distance, length int) {
	heads, shift := x.heads, x.shift
	for step := 2 << 5; i <= len(data)-9; step++ {
		farthest := min(i, window) - 1
		word, word1 := load64(data, i), load64(data, i+1)
		pos := base + uint16(i)
		head := &heads[hash4(word, shift)]
		back := lesser(int(pos-1-*head), farthest) // the distance minus one
		*head = pos
		head = &heads[hash4(word1, shift)]
		back1 := lesser(int(pos-*head), farthest)
		*head = pos + 1
		diff := word ^ load64(data, i-1-back)
		diff1 := word1 ^ load64(data, i-back1)
		first, second := uint64(uint32(diff)), uint64(uint32(diff1))
		if int64((first-1)|(second-1)) < 0 { // one of them is zero
			if first != 0 {
				diff = diff1
			}
			if first != 0 {
				back = back1
			}
			if first != 0 {
				i++
			}
			return i, back + 1, bits.TrailingZeros64(diff) >> 3
		}
		// The longer there is no match, the larger the steps.
		i += step >> 5
	}
	return i, 0, 0
}

// lesser is min without a branch.
func lesser(a, b int) int { return b + (a-b)&((a-b)>>(bits.UintSize-1)) }
