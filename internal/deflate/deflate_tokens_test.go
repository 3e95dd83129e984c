package deflate

import (
	"errors"
	"slices"
)

// A tokenReader is a simple DEFLATE (RFC 1951) decoder that reads bit by bit. It
// records the largest distance.
type tokenReader struct {
	in  []byte
	bit int

	out      []byte
	history  int // bytes of out that matches may refer to before the first one
	farthest int // the largest distance
	blocks   [3]int
}

var errTokens = errors.New("not a sequence of blocks")

// read decodes a compressed message, without the four bytes at its end, and appends
// it to out.
func (r *tokenReader) read(compressed []byte) error {
	r.in, r.bit = append(slices.Clone(compressed), 0, 0, 0xFF, 0xFF), 0
	for {
		if r.bits(1) != 0 {
			return errTokens
		}
		kind := r.bits(2)
		if kind > 2 {
			return errTokens
		}
		if kind == 0 {
			n, end := r.stored()
			if end {
				return nil
			}
			if n == 0 {
				return errTokens
			}
		} else if err := r.compressed(kind == 2); err != nil {
			return err
		}
		r.blocks[kind]++
	}
}

func (r *tokenReader) bits(n int) (v int) {
	for i := range n {
		if r.bit>>3 >= len(r.in) {
			panic(errTokens)
		}
		v |= int(r.in[r.bit>>3]>>(r.bit&7)&1) << i
		r.bit++
	}
	return v
}

// stored reads the length of a stored block. end reports that the block is the one
// at the end of the message.
func (r *tokenReader) stored() (n int, end bool) {
	r.bit = (r.bit + 7) &^ 7
	n = r.bits(16)
	if n^r.bits(16) != 0xFFFF {
		panic(errTokens)
	}
	at := r.bit / 8
	r.out = append(r.out, r.in[at:at+n]...)
	r.bit += 8 * n
	return n, n == 0 && r.bit/8 == len(r.in)
}

// A tokenCode has the symbols of a prefix code in the order of their codewords, and
// the number of codewords of each length.
type tokenCode struct {
	counts  [16]int
	symbols []int
}

func newTokenCode(lengths []int) (c tokenCode) {
	for length := 1; length < len(c.counts); length++ {
		for s, l := range lengths {
			if l == length {
				c.counts[length]++
				c.symbols = append(c.symbols, s)
			}
		}
	}
	return c
}

func (r *tokenReader) symbol(c tokenCode) int {
	code, first, index := 0, 0, 0
	for _, count := range c.counts[1:] {
		code, first = code<<1|r.bits(1), first<<1
		if code-first < count {
			return c.symbols[index+code-first]
		}
		first += count
		index += count
	}
	panic(errTokens)
}

func (r *tokenReader) lengths() (literals, distances []int) {
	nl, nd, n := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	own := make([]int, 19)
	for _, s := range order[:n] {
		own[s] = r.bits(3)
	}
	var all []int
	code := newTokenCode(own)
	for len(all) < nl+nd {
		switch s := r.symbol(code); s {
		case 16:
			all = append(all, slices.Repeat(all[len(all)-1:], 3+r.bits(2))...)
		case 17:
			all = append(all, make([]int, 3+r.bits(3))...)
		case 18:
			all = append(all, make([]int, 11+r.bits(7))...)
		default:
			all = append(all, s)
		}
	}
	if len(all) > nl+nd || nl > 286 || nd > 30 {
		panic(errTokens)
	}
	return all[:nl], all[nl:]
}

func (r *tokenReader) compressed(dynamic bool) error {
	literals := slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112),
		slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
	distances := slices.Repeat([]int{5}, 30)
	if dynamic {
		literals, distances = r.lengths()
	}
	literalCode, distanceCode := newTokenCode(literals), newTokenCode(distances)
	for {
		s := r.symbol(literalCode)
		switch {
		case s < 256:
			r.out = append(r.out, byte(s))
			continue
		case s == 256:
			return nil
		}
		length := 258
		if s < 265 {
			length = s - 254
		} else if s < 285 {
			extra := (s - 261) / 4
			length = 3 + (4+(s-265)%4)<<extra + r.bits(extra)
		}
		distance := r.symbol(distanceCode)
		if distance >= 4 {
			extra := distance/2 - 1
			distance = (2+distance%2)<<extra + r.bits(extra)
		}
		distance++
		if distance > len(r.out)-r.history {
			return errors.New("a match reaches to before the history")
		}
		r.farthest = max(r.farthest, distance)
		for range length {
			r.out = append(r.out, r.out[len(r.out)-distance])
		}
	}
}
