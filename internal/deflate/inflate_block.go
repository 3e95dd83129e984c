package deflate

import "encoding/binary"

// A dynamicHeader is what stands before a block with codes of its own (RFC
// 1951, Section 3.2.7), so far as it has been read.
type dynamicHeader struct {
	lits, dists int   // how many code lengths there are
	first       int   // and how many for the code that they are encoded with
	known       int   // how many have been read of these, and then of those
	previous    uint8 // the last that was read
	precode     [inflateLengths]uint8

	// The symbols that have a code. Those of the two alphabets are one sequence,
	// distances after literals and lengths. Most symbols have no code as a rule:
	// a list of the others is what makes codes for a short message cheap.
	coded    [inflateLits + inflateDists]codedSymbol
	numCoded int
}

// precodeOrder is the order in which the lengths of the precode come.
var precodeOrder = [inflateLengths]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// counts reads HLIT, HDIST and HCLEN.
func (d *Decompressor) counts() error {
	if !d.in.need(5 + 5 + 4) {
		return errNeedInput
	}
	h := &d.dynamic
	h.lits = int(d.in.take(5)) + 257
	h.dists = int(d.in.take(5)) + 1
	h.first = int(d.in.take(4)) + 4
	if h.lits > inflateLits || h.dists > inflateDists {
		return errCodeCounts
	}
	h.precode = [inflateLengths]uint8{}
	h.known = 0
	d.stage = stagePrecode
	return nil
}

// precode reads the code for the code lengths. It has its place in the table
// for distances, whose turn comes after the code lengths.
func (d *Decompressor) precode() error {
	h := &d.dynamic
	for ; h.known < h.first; h.known++ {
		if !d.in.need(3) {
			return errNeedInput
		}
		h.precode[precodeOrder[h.known]] = uint8(d.in.take(3))
	}
	h.known, h.numCoded = 0, 0
	for _, n := range h.precode {
		h.put(1, n)
	}
	if !d.codes.longDists.build(d.codes.dists[:1<<inflatePrecodeBits], precodeEntries[:], h.coded[:h.numCoded], 0) {
		return errCodeLengths
	}
	h.known, h.numCoded = 0, 0
	d.stage = stageCodeLengths
	return nil
}

// codeLengths reads the code lengths of both alphabets and makes the codes.
func (d *Decompressor) codeLengths() error {
	h := &d.dynamic
	total := h.lits + h.dists
	b, n := d.in.bits, d.in.n
	for h.known < total {
		if n < inflatePrecodeBits+7 {
			d.in.bits, d.in.n = b, n
			d.in.fill()
			b, n = d.in.bits, d.in.n
		}
		e := d.codes.dists[b&(1<<inflatePrecodeBits-1)]
		if e.size() > n {
			d.in.bits, d.in.n = b, n
			return errNeedInput
		}
		if e&huffLiteral != 0 {
			h.put(1, uint8(e>>16))
		} else if e == huffLong || !h.repeat(e.value(b), total) {
			return errRepeat
		}
		b >>= e & 63
		n -= e.size()
	}
	d.in.bits, d.in.n = b, n
	lits, dists, ok := h.split()
	if !ok || !d.codes.build(lits, dists, h.lits) {
		return errCodeLengths
	}
	d.stage = stageSymbols
	return nil
}

// put gives the next symbols codes of a length.
func (h *dynamicHeader) put(symbols int, length uint8) {
	h.previous = length
	if length == 0 {
		h.known += symbols
		return
	}
	for range symbols {
		h.coded[h.numCoded] = codedSymbol(h.known)<<4 | codedSymbol(length)
		h.numCoded++
		h.known++
	}
}

// repeat takes the value of a symbol of the precode that stands for several
// code lengths. It returns false if there is none to repeat, or too few are to
// come.
func (h *dynamicHeader) repeat(value, total int) bool {
	length := uint8(0)
	if value >= precodePrevious {
		if h.known == 0 {
			return false
		}
		value -= precodePrevious
		length = h.previous
	}
	if value > total-h.known {
		return false
	}
	h.put(value, length)
	return true
}

// split returns the symbols of the two alphabets that have a code. It returns
// false if none ends the block, as every block does (RFC 1951, Section 3.2.3).
func (h *dynamicHeader) split() (lits, dists []codedSymbol, ok bool) {
	n := h.numCoded
	for n > 0 && h.coded[n-1].symbol() >= h.lits {
		n--
	}
	end := n
	for end > 0 && h.coded[end-1].symbol() > inflateEndOfBlock {
		end--
	}
	ok = end > 0 && h.coded[end-1].symbol() == inflateEndOfBlock
	return h.coded[:n], h.coded[n:h.numCoded], ok
}

// symbols decodes a block to its end, most of it at once and what comes near
// the end of the input or of the room one by one.
func (d *Decompressor) symbols() error {
	codes := &d.codes
	if d.fixed {
		codes = fixedCodes()
	}
	for d.stage == stageSymbols {
		if len(d.in.src)-d.in.pos >= 8 && len(d.out.buf)-d.out.n >= 8 {
			d.manySymbols(codes)
		}
		if err := d.symbol(codes); err != nil {
			return err
		}
	}
	return nil
}

// symbol decodes a literal, the end of a block, or a length with its distance,
// all of it or nothing.
func (d *Decompressor) symbol(codes *inflateCodes) error {
	if d.in.n < 2*inflateCodeBits+5+13 {
		d.in.fill()
	}
	b, n := d.in.bits, d.in.n
	e := codes.literal(b)
	size := e.size()
	switch {
	case size > n:
		return errNeedInput
	case e&huffLiteral != 0:
		if d.out.n == len(d.out.buf) {
			return errNeedRoom
		}
		d.out.buf[d.out.n] = byte(e >> 16)
		d.out.n++
		d.in.take(size)
		return nil
	case e&huffEnd != 0:
		d.in.take(size)
		d.endBlock()
		return nil
	case e&huffRare != 0:
		return errSymbol
	}
	b >>= size
	f := codes.distance(b)
	switch {
	case size+f.size() > n:
		return errNeedInput
	case f&huffRare != 0:
		return errSymbol
	}
	d.length, d.distance = e.value(d.in.bits), f.value(b)
	d.in.take(size + f.size())
	if !d.out.reaches(d.out.n, d.distance) {
		return errDistance
	}
	d.stage = stageMatch
	return d.match()
}

// match copies what there is room for of a match.
func (d *Decompressor) match() error {
	d.length -= d.out.match(d.distance, d.length)
	if d.length > 0 {
		return errNeedRoom
	}
	d.stage = stageSymbols
	return nil
}

// manySymbols is symbol many times over, with everything in registers. It goes
// on while there are eight bytes of input and room for as many, and for the
// whole of a match with what is copied beyond it; it leaves to symbol what it
// comes to then, the end of the block, and whatever is wrong.
//
// After a refill at least 56 bits are there. Two literals from the table take
// 20 of them at most, so that a length and a distance from their tables, of 15
// and 21 bits, can follow. What the tables do not know may be longer, and is
// tried again with all of the bits, of which 48 are enough.
func (d *Decompressor) manySymbols(codes *inflateCodes) {
	src, pos := d.in.src, d.in.pos
	dst, n := d.out.buf, d.out.n
	b, nb := d.in.bits, d.in.n
	for len(src)-pos >= 8 && len(dst)-n >= 8 {
		b |= binary.LittleEndian.Uint64(src[pos:]) << (nb & 63)
		pos += int(63-nb) >> 3
		nb |= 56

		e := codes.lits[b&(1<<litTableBits-1)]
		if e&huffLiteral != 0 {
			dst[n] = byte(e >> 16)
			n++
			b >>= e & 63
			nb -= e.size()
			if e = codes.lits[b&(1<<litTableBits-1)]; e&huffLiteral != 0 {
				dst[n] = byte(e >> 16)
				n++
				b >>= e & 63
				nb -= e.size()
				if e = codes.lits[b&(1<<litTableBits-1)]; e&huffLiteral != 0 {
					dst[n] = byte(e >> 16)
					n++
					b >>= e & 63
					nb -= e.size()
					continue
				}
			}
			if e&huffRare != 0 {
				continue
			}
		}
		if e&huffRare != 0 {
			e = codes.literal(b)
			if e&huffLiteral != 0 {
				dst[n] = byte(e >> 16)
				n++
				b >>= e & 63
				nb -= e.size()
				continue
			}
			if e&huffRare != 0 {
				break // the end, or an error: symbol knows
			}
		}

		length := e.value(b)
		if len(dst)-n < length+16 {
			break
		}
		after := b >> (e & 63)
		f := codes.dists[after&(1<<distTableBits-1)]
		if f&huffRare != 0 {
			if nb-e.size() < inflateCodeBits+13 {
				continue
			}
			if f = codes.distance(after); f&huffRare != 0 {
				break
			}
		}
		distance := f.value(after)
		if (distance > n || distance > d.out.window.size) && !d.out.reaches(n, distance) {
			break
		}
		b = after >> (f & 63)
		nb -= e.size() + f.size()
		if distance > n || distance < 8 || length > 64 {
			d.out.n = n
			n += d.out.match(distance, length)
			continue
		}
		// Words of which each has been copied before it is copied from. Most
		// matches are short: that they take two is better than to ask.
		end, from := n+length, n-distance
		binary.LittleEndian.PutUint64(dst[n:], binary.LittleEndian.Uint64(dst[from:]))
		binary.LittleEndian.PutUint64(dst[n+8:], binary.LittleEndian.Uint64(dst[from+8:]))
		for n, from = n+16, from+16; n < end; n, from = n+8, from+8 {
			binary.LittleEndian.PutUint64(dst[n:], binary.LittleEndian.Uint64(dst[from:]))
		}
		n = end
	}
	d.in.pos, d.in.bits, d.in.n = pos, b&(1<<nb-1), nb
	d.out.n = n
}
