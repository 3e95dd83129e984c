package deflate

import "math/bits"

// An inflateAssembler writes compressed data by hand.
type inflateAssembler struct {
	b []byte
	n int
}

// put writes the k low bits of v, the least significant first.
func (a *inflateAssembler) put(v, k int) *inflateAssembler {
	for i := range k {
		if a.n%8 == 0 {
			a.b = append(a.b, 0)
		}
		a.b[len(a.b)-1] |= byte(v>>i&1) << (a.n % 8)
		a.n++
	}
	return a
}

// code writes a code of k bits, the most significant first.
func (a *inflateAssembler) code(v, k int) *inflateAssembler {
	return a.put(int(bits.Reverse16(uint16(v))>>(16-k)), k)
}

func (a *inflateAssembler) align() *inflateAssembler { return a.put(0, -a.n&7) }

// block writes the header of a block: BFINAL and BTYPE.
func (a *inflateAssembler) block(final, kind int) *inflateAssembler {
	return a.put(final, 1).put(kind, 2)
}

func (a *inflateAssembler) stored(final int, b []byte) *inflateAssembler {
	a.block(final, 0).align().put(len(b), 16).put(len(b)^0xFFFF, 16)
	a.b = append(a.b, b...)
	a.n += 8 * len(b)
	return a
}

// fixed writes literals or lengths in the fixed code.
func (a *inflateAssembler) fixed(symbols ...int) *inflateAssembler {
	for _, s := range symbols {
		switch {
		case s < 144:
			a.code(0x30+s, 8)
		case s < 256:
			a.code(0x190+s-144, 9)
		case s < 280:
			a.code(s-256, 7)
		default:
			a.code(0xC0+s-280, 8)
		}
	}
	return a
}

// match writes a match of three bytes in the fixed codes.
func (a *inflateAssembler) match(distance int) *inflateAssembler {
	a.fixed(257)
	for symbol, e := range distEntries[:inflateDists] {
		if base, extra := int(e>>16), int(e&0xFF); distance < base+1<<extra {
			return a.code(symbol, 5).put(distance-base, extra)
		}
	}
	panic("no such distance")
}

// dynamic writes the header of a dynamic block with these code lengths, each of
// which takes four bits.
func (a *inflateAssembler) dynamic(lits, dists []int) *inflateAssembler {
	a.block(0, 2).put(len(lits)-257, 5).put(len(dists)-1, 5).put(19-4, 4)
	for _, symbol := range precodeOrder {
		if symbol < 16 {
			a.put(4, 3)
		} else {
			a.put(0, 3)
		}
	}
	for _, n := range append(lits[:len(lits):len(lits)], dists...) {
		a.code(n, 4)
	}
	return a
}

// precode writes the header of a dynamic block up to the precode, whose lengths are
// given by symbol.
func (a *inflateAssembler) precode(lits, dists int, lengths map[uint8]int) *inflateAssembler {
	a.block(0, 2).put(lits-257, 5).put(dists-1, 5).put(19-4, 4)
	for _, symbol := range precodeOrder {
		a.put(lengths[symbol], 3)
	}
	return a
}

// end ends a message.
func (a *inflateAssembler) end() []byte { return a.block(0, 0).align().b }

// inflateLengthsOf returns n code lengths, which are zero except for the given ones.
func inflateLengthsOf(n int, lengths map[int]int) []int {
	s := make([]int, n)
	for i, length := range lengths {
		s[i] = length
	}
	return s
}

func assemble() *inflateAssembler { return new(inflateAssembler) }
