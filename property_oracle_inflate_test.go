package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// A modelInflater decompresses by RFC 1951, bit by bit. compress/flate, with which it
// is compared below, does not return the last bytes of an unfinished message, and has
// one size of window only.
type modelInflater struct {
	in     []byte
	bit    int // the position of the next bit in in
	out    []byte
	before int // how much of out is history
	window int
	ended  bool // a payload may end here: RFC 7692, Section 7.2.2
}

var (
	errModelMore    = errors.New("unexpected end")
	errModelCorrupt = errors.New("corrupt")
)

// modelInflate decompresses as much as there is. ended reports whether payload is that
// of a whole message, and corrupt whether it is not even the beginning of one.
func modelInflate(history, payload []byte, windowBits int) (data []byte, ended, corrupt bool) {
	f := &modelInflater{in: payload, out: bytes.Clone(history), before: len(history), window: 1 << windowBits}
	open := false // a block without BFINAL came last
	for {
		f.ended = !open && f.bitsLeft() == 0
		final, err := f.block()
		if err != nil {
			return f.out[f.before:], f.ended, err == errModelCorrupt
		}
		f.ended, open = false, !final
		if final {
			f.align() // RFC 7692, Section 7.2.3.4: the next begins with an octet
		}
	}
}

// bitsLeft returns the number of bits that were not taken yet.
func (f *modelInflater) bitsLeft() int { return 8*len(f.in) - f.bit }

// align skips the bits up to the next byte.
func (f *modelInflater) align() { f.bit = (f.bit + 7) &^ 7 }

// take takes n bits, of which the first is the lowest of v.
func (f *modelInflater) take(n int) (v int, err error) {
	if f.bitsLeft() < n {
		return 0, errModelMore
	}
	for i := range n {
		v |= int(f.in[f.bit/8]>>(f.bit%8)) & 1 << i
		f.bit++
	}
	return v, nil
}

// block decompresses a block: RFC 1951, Section 3.2.3.
func (f *modelInflater) block() (final bool, err error) {
	head, err := f.take(3)
	if err != nil {
		return false, err
	}
	f.ended = false
	switch head >> 1 {
	case 0:
		err = f.stored()
	case 1:
		lengths := bytes.Join([][]byte{bytes.Repeat([]byte{8}, 144), bytes.Repeat([]byte{9}, 112), bytes.Repeat([]byte{7}, 24), bytes.Repeat([]byte{8}, 8)}, nil)
		err = f.symbols(modelCode(lengths), modelCode(bytes.Repeat([]byte{5}, 32)))
	case 2:
		var lits, dists map[string]int
		if lits, dists, err = f.codes(); err == nil {
			err = f.symbols(lits, dists)
		}
	default:
		err = errModelCorrupt
	}
	return head&1 != 0, err
}

// stored decompresses the rest of a stored block: Section 3.2.4.
func (f *modelInflater) stored() error {
	f.align()
	f.ended = f.bitsLeft() == 0
	head, err := f.take(32)
	if err != nil {
		return err
	}
	n := head & 0xFFFF
	if uint32(head)>>16 != uint32(n)^0xFFFF { // an int may have 32 bits
		return errModelCorrupt
	}
	rest := f.in[f.bit/8:]
	rest = rest[:min(n, len(rest))]
	f.out = append(f.out, rest...)
	f.bit += 8 * len(rest)
	if len(rest) < n {
		return errModelMore
	}
	return nil
}

// modelCode returns the symbols of a code by their bits, written as zeros and ones:
// Section 3.2.2. It is nil if the lengths make no code. A single symbol of one bit is
// valid (Section 3.2.7), and so is no symbol at all if the code is not used.
func modelCode(lengths []byte) map[string]int {
	code := make(map[string]int)
	next, left := 0, 1
	for n := 1; n <= 15; n++ {
		next, left = next<<1, left<<1
		for symbol, length := range lengths {
			if int(length) == n {
				code[fmt.Sprintf("%0*b", n, next)] = symbol
				next, left = next+1, left-1
			}
		}
		if left < 0 {
			return nil
		}
	}
	if _, one := code["0"]; left > 0 && len(code) > 0 && !(one && len(code) == 1) {
		return nil
	}
	return code
}

// symbol takes a symbol of a code.
func (f *modelInflater) symbol(code map[string]int) (int, error) {
	if len(code) == 0 {
		return 0, errModelCorrupt // no bits have a meaning
	}
	var s [15]byte
	for n := range s {
		bit, err := f.take(1)
		if err != nil {
			return 0, err
		}
		s[n] = '0' + byte(bit)
		if symbol, ok := code[string(s[:n+1])]; ok {
			return symbol, nil
		}
		if len(code) == 1 {
			break
		}
	}
	return 0, errModelCorrupt
}

// codes takes the two codes of a block: Section 3.2.7.
func (f *modelInflater) codes() (lits, dists map[string]int, err error) {
	counts, err := f.take(14)
	if err != nil {
		return nil, nil, err
	}
	numLits, numDists, numFirst := counts&31+257, counts>>5&31+1, counts>>10+4
	if numLits > 286 || numDists > 30 {
		return nil, nil, errModelCorrupt
	}
	var first [19]byte
	for i := range numFirst {
		n, err := f.take(3)
		if err != nil {
			return nil, nil, err
		}
		first["\x10\x11\x12\x00\x08\x07\x09\x06\x0A\x05\x0B\x04\x0C\x03\x0D\x02\x0E\x01\x0F"[i]] = byte(n)
	}
	code := modelCode(first[:])
	if code == nil {
		return nil, nil, errModelCorrupt
	}
	lengths, err := f.lengths(code, numLits+numDists)
	if err != nil {
		return nil, nil, err
	}
	lits, dists = modelCode(lengths[:numLits]), modelCode(lengths[numLits:])
	if lits == nil || dists == nil || lengths[256] == 0 {
		return nil, nil, errModelCorrupt
	}
	return lits, dists, nil
}

// lengths takes the code lengths of both codes, which are one sequence.
func (f *modelInflater) lengths(code map[string]int, n int) (lengths []byte, err error) {
	for len(lengths) < n {
		symbol, err := f.symbol(code)
		if err != nil {
			return nil, err
		}
		if symbol < 16 {
			lengths = append(lengths, byte(symbol))
			continue
		}
		extra := [][2]int{{2, 3}, {3, 3}, {7, 11}}[symbol-16]
		times, err := f.take(extra[0])
		if err != nil {
			return nil, err
		}
		what := byte(0)
		if symbol == 16 {
			if len(lengths) == 0 {
				return nil, errModelCorrupt
			}
			what = lengths[len(lengths)-1]
		}
		lengths = append(lengths, bytes.Repeat([]byte{what}, times+extra[1])...)
	}
	if len(lengths) > n {
		return nil, errModelCorrupt
	}
	return lengths, nil
}

// symbols decompresses the rest of a block: Section 3.2.5.
func (f *modelInflater) symbols(lits, dists map[string]int) error {
	for {
		symbol, err := f.symbol(lits)
		switch {
		case err != nil:
			return err
		case symbol < 256:
			f.out = append(f.out, byte(symbol))
		case symbol == 256:
			return nil
		default:
			if err := f.match(symbol-257, dists); err != nil {
				return err
			}
		}
	}
}

// match copies earlier output: Section 3.2.5.
func (f *modelInflater) match(symbol int, dists map[string]int) error {
	if symbol > 28 {
		return errModelCorrupt
	}
	length, bits := 3+symbol, 0
	switch {
	case symbol == 28:
		length = 258
	case symbol >= 8:
		bits = symbol/4 - 1
		length = 3 + (4+symbol%4)<<bits
	}
	more, err := f.take(bits)
	if err != nil {
		return err
	}
	length += more
	if symbol, err = f.symbol(dists); err != nil {
		return err
	}
	if symbol > 29 {
		return errModelCorrupt
	}
	distance, bits := 1+symbol, 0
	if symbol >= 4 {
		bits = symbol/2 - 1
		distance = 1 + (2+symbol%2)<<bits
	}
	if more, err = f.take(bits); err != nil {
		return err
	}
	if distance += more; distance > min(len(f.out), f.window) {
		return errModelCorrupt
	}
	for range length {
		f.out = append(f.out, f.out[len(f.out)-distance])
	}
	return nil
}

// TestModelInflaterAgainstFlate compares modelInflater with compress/flate.
func TestModelInflaterAgainstFlate(t *testing.T) {
	whole, corrupted := 0, 0
	for seed := range 800 {
		o := newOracle(seed)
		if o.compressor == nil {
			continue
		}
		payload, compressed := o.compress(o.text())
		if !compressed {
			continue
		}
		b := []byte(payload)
		if o.IntN(2) == 0 && len(b) > 0 {
			b[o.IntN(len(b))] ^= 1 << o.IntN(8)
		}
		// The compressor may refer to earlier messages.
		history := bytes.Repeat([]byte("history "), 100)
		data, ended, corrupt := modelInflate(history, b, 15)
		want, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(append(b, "\x00\x00\xFF\xFF\x01\x00\x00\xFF\xFF"...)), history))
		require.Equal(t, ended && !corrupt, err == nil, "seed %d: %v", seed, err)
		if err != nil {
			corrupted++
			continue
		}
		require.Equal(t, want, append([]byte{}, data...), "seed %d", seed)
		whole++
	}
	require.Greater(t, whole, 100)
	require.Greater(t, corrupted, 30)
}
