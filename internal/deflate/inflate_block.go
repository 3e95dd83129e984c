package deflate

import "encoding/binary"

// A dynamicHeader is the part of the header of a dynamic block (RFC 1951, Section
// 3.2.7) that has been read. The precode is the code in which the code lengths are
// encoded.
type dynamicHeader struct {
	lits, dists int   // the number of code lengths
	precodeLen  int   // the number of code lengths of the precode
	known       int   // the number that has been read, first of the precode's
	previous    uint8 // the last code length
	precode     [inflateLengths]uint8

	// coded has the symbols with a code: literals and lengths, then distances.
	// In short messages most symbols have no code, so that a list of the others
	// saves time.
	coded    [inflateLits + inflateDists]codedSymbol
	numCoded int
}

// precodeOrder is the order of the lengths of the precode.
var precodeOrder = [inflateLengths]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// counts reads HLIT, HDIST and HCLEN.
func (d *Decompressor) counts() error {
	if !d.in.need(5 + 5 + 4) {
		return errNeedInput
	}
	h := &d.dynamic
	h.lits = int(d.in.take(5)) + 257
	h.dists = int(d.in.take(5)) + 1
	h.precodeLen = int(d.in.take(4)) + 4
	if h.lits > inflateLits || h.dists > inflateDists {
		return errCodeCounts
	}
	h.precode = [inflateLengths]uint8{}
	h.known = 0
	d.stage = stagePrecode
	return nil
}

// precode reads the precode. It uses the table for distances, which is free until
// the code lengths have been read.
func (d *Decompressor) precode() error {
	h := &d.dynamic
	for ; h.known < h.precodeLen; h.known++ {
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

// codeLengths reads the code lengths of both alphabets and builds the codes.
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

// put sets the code length of the next symbols.
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

// repeat repeats a code length. value is that of a symbol of the precode, and total
// the number of code lengths. It returns false if there is no previous length, or
// if there would be too many.
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

// split returns the symbols with a code, by alphabet. It returns false if there is
// no code for the end of the block, which every block has (RFC 1951, Section
// 3.2.3).
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

// symbols decodes the symbols of a block. It decodes many at a time, and one at a
// time near the end of the input or of the output.
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

// symbol decodes a literal, the end of a block, or a match. If it cannot decode all
// of it, it leaves the input as it was.
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
	case e&huffSpecial != 0:
		return errSymbol
	}
	b >>= size
	f := codes.distance(b)
	switch {
	case size+f.size() > n:
		return errNeedInput
	case f&huffSpecial != 0:
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

// match copies a match, or as much of it as there is room for.
func (d *Decompressor) match() error {
	d.length -= d.out.match(d.distance, d.length)
	if d.length > 0 {
		return errNeedRoom
	}
	d.stage = stageSymbols
	return nil
}

// manySymbols decodes symbols with its state in local variables. It needs eight
// bytes of input, room for eight bytes, and for a match room for all of it and 16
// bytes more, since matches are copied in words. It leaves everything else, the
// end of the block, and errors to symbol.
//
// A refill makes at least 56 bits available. Two literals from the table have at
// most 20 bits, so that a length and a distance from the tables, of at most 15 and
// 21 bits, can follow. Codes that are not in the tables are decoded after another
// refill; 48 bits are enough for a length and a distance.
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
			if e&huffSpecial != 0 {
				continue
			}
		}
		if e&huffSpecial != 0 {
			e = codes.literal(b)
			if e&huffLiteral != 0 {
				dst[n] = byte(e >> 16)
				n++
				b >>= e & 63
				nb -= e.size()
				continue
			}
			if e&huffSpecial != 0 {
				break // the end of the block or an error, for symbol
			}
		}

		length := e.value(b)
		if len(dst)-n < length+16 {
			break
		}
		after := b >> (e & 63)
		f := codes.dists[after&(1<<distTableBits-1)]
		if f&huffSpecial != 0 {
			if nb-e.size() < inflateCodeBits+13 {
				continue
			}
			if f = codes.distance(after); f&huffSpecial != 0 {
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
		// Copy words. With a distance of at least eight, a word is complete
		// before it is copied again. Most matches are short, and two words
		// without a branch are faster than a loop.
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
