package deflate

import (
	"math/bits"
	"sync"
)

const (
	inflateCodeBits    = 15 // of a literal, length or distance
	inflatePrecodeBits = 7  // of a code length

	inflateLits       = 286 // those that have a meaning
	inflateDists      = 30
	inflateLengths    = 19
	inflateEndOfBlock = 256

	// precodePrevious is set in the base of the symbol that repeats the previous
	// code length. The other two repeat zero.
	precodePrevious = 256

	// The tables decode codes up to these lengths. Longer ones are rare.
	litTableBits  = 10
	distTableBits = 8
)

// A huffEntry is the meaning of a code:
//
//	bits 0–7    the length of the code and its extra bits
//	bits 8–11   the length of the code
//	bits 12–14  flags
//	bits 16–31  the literal, or the base to which the extra bits are added
//
// In the entry of a symbol that has no code yet, the length of the code is zero.
type huffEntry uint32

const (
	huffLiteral huffEntry = 1 << 12
	huffEnd     huffEntry = 1 << 13 // the end of a block; huffSpecial is set too
	huffSpecial huffEntry = 1 << 14 // neither a literal nor a base

	// huffLong is the entry of a table for codes that are too long for it, and
	// for bits that are no code. With a length, it is the entry of a symbol
	// that is not allowed.
	huffLong = huffSpecial
)

// withCode returns the entry of a symbol with a code of n bits.
func (e huffEntry) withCode(n int) huffEntry { return e + huffEntry(n)*0x101 }

// size returns the number of bits of the code and its extra bits.
func (e huffEntry) size() uint { return uint(e & 0xFF) }

// value returns the literal, or the sum of the base and the extra bits. b begins
// with the code.
func (e huffEntry) value(b uint64) int {
	extra := b & (1<<(e&63) - 1) >> (e >> 8 & 15)
	return int(e>>16) + int(extra)
}

// The entries of the symbols (RFC 1951, Section 3.2.5 and Section 3.2.7).
var (
	litEntries     = newLitEntries()
	distEntries    = newDistEntries()
	precodeEntries = newPrecodeEntries()
)

func newLitEntries() (entries [288]huffEntry) {
	for i := range inflateEndOfBlock {
		entries[i] = huffLiteral | huffEntry(i)<<16
	}
	entries[inflateEndOfBlock] = huffEnd | huffSpecial
	base := 3
	for i := range 28 {
		extra := max(i/4-1, 0)
		entries[inflateEndOfBlock+1+i] = huffEntry(base)<<16 | huffEntry(extra)
		base += 1 << extra
	}
	entries[285] = 258 << 16 // which has no extra bits
	entries[286], entries[287] = huffSpecial, huffSpecial
	return entries
}

func newDistEntries() (entries [32]huffEntry) {
	base := 1
	for i := range inflateDists {
		extra := max(i/2-1, 0)
		entries[i] = huffEntry(base)<<16 | huffEntry(extra)
		base += 1 << extra
	}
	entries[30], entries[31] = huffSpecial, huffSpecial
	return entries
}

func newPrecodeEntries() (entries [inflateLengths]huffEntry) {
	for i := range inflateCodeBits + 1 {
		entries[i] = huffLiteral | huffEntry(i)<<16
	}
	entries[16] = (precodePrevious+3)<<16 | 2
	entries[17] = 3<<16 | 3
	entries[18] = 11<<16 | 7
	return entries
}

// inflateCodes are the two codes of a block.
type inflateCodes struct {
	lits      [1 << litTableBits]huffEntry
	dists     [1 << distTableBits]huffEntry
	longLits  longCodes
	longDists longCodes
}

// literal returns the entry of the literal or length that b begins with.
func (c *inflateCodes) literal(b uint64) huffEntry {
	if e := c.lits[b&(1<<litTableBits-1)]; e != huffLong {
		return e
	}
	return c.longLits.find(b, litTableBits, litEntries[:])
}

// distance returns the entry of the distance that b begins with.
func (c *inflateCodes) distance(b uint64) huffEntry {
	if e := c.dists[b&(1<<distTableBits-1)]; e != huffLong {
		return e
	}
	return c.longDists.find(b, distTableBits, distEntries[:])
}

// build builds both codes and reports whether they are valid.
func (c *inflateCodes) build(lits, dists []codedSymbol, firstDist int) bool {
	return c.longLits.build(c.lits[:], litEntries[:], lits, 0) &&
		c.longDists.build(c.dists[:], distEntries[:], dists, firstDist)
}

// longCodes decodes the codes that are too long for a table.
//
// Codes of one length are consecutive numbers, their first bit the most
// significant, and follow the shorter ones (RFC 1951, Section 3.2.2). So if the
// symbols are in the order of their codes, length and number give the symbol. The
// length is the first one whose codes end after the number.
type longCodes struct {
	end     [inflateCodeBits + 1]uint32 // by length: the number after the last code, shifted to inflateCodeBits bits
	offset  [inflateCodeBits + 1]int16  // by length: from the number of a code to its index in symbols
	symbols [288]uint16
}

// find returns the entry of the code that b begins with if it has more than n
// bits, and huffLong otherwise.
func (c *longCodes) find(b uint64, n int, entries []huffEntry) huffEntry {
	number := uint32(bits.Reverse16(uint16(b)) >> 1)
	for n++; n <= inflateCodeBits; n++ {
		if number < c.end[n] {
			i := int(number>>(inflateCodeBits-n)) + int(c.offset[n])
			return entries[c.symbols[i]].withCode(n)
		}
	}
	return huffLong
}

// A codedSymbol is a symbol, with the length of its code in the low four bits.
type codedSymbol uint16

func (s codedSymbol) symbol() int { return int(s >> 4) }
func (s codedSymbol) length() int { return int(s & 15) }

// build builds the code for symbols with the given lengths. The symbols are sorted
// and counted from base. The length of the table is a power of two.
//
// It returns false if the code is not complete and prefix-free. Two incomplete
// codes are accepted: an empty one, and a single code of one bit. RFC 1951, Section
// 3.2.7, allows them for distances only, but they do no harm elsewhere.
func (c *longCodes) build(table, entries []huffEntry, coded []codedSymbol, base int) bool {
	var count, position [inflateCodeBits + 1]uint16
	for _, s := range coded {
		count[s.length()]++
	}
	number, i := 0, 0
	for n := 1; n <= inflateCodeBits; n++ {
		number <<= 1
		c.offset[n] = int16(i - number)
		position[n] = uint16(i)
		number += int(count[n])
		i += int(count[n])
		c.end[n] = uint32(number) << (inflateCodeBits - n)
	}
	if number != 1<<inflateCodeBits && i != 0 && (i != 1 || count[1] != 1) {
		return false
	}
	for _, s := range coded {
		p := &position[s.length()]
		c.symbols[*p] = uint16(s.symbol() - base)
		*p++
	}
	c.fill(table, entries, &count)
	return true
}

// fill fills a table with the codes of c. The first bit of a code is the least
// significant bit of the index. So the codes of n bits are in the first 1<<n
// entries, which are copied for each further bit. Entries without a code are
// huffLong.
func (c *longCodes) fill(table, entries []huffEntry, count *[inflateCodeBits + 1]uint16) {
	last := bits.Len(uint(len(table))) - 1
	n := 1
	for n < last && count[n] == 0 {
		n++
	}
	for i := range table[:1<<n] {
		table[i] = huffLong
	}
	for number, i := uint16(0), 0; ; n++ {
		for _, symbol := range c.symbols[i : i+int(count[n])] {
			table[bits.Reverse16(number)>>((16-n)&15)] = entries[symbol].withCode(n)
			number++
		}
		if n == last {
			return
		}
		copy(table[1<<n:2<<n], table[:1<<n])
		number <<= 1
		i += int(count[n])
	}
}

// fixedCodes returns the codes of RFC 1951, Section 3.2.6.
var fixedCodes = sync.OnceValue(func() *inflateCodes {
	var lits [288]codedSymbol
	for i := range lits {
		n := 8
		switch {
		case 144 <= i && i < 256:
			n = 9
		case 256 <= i && i < 280:
			n = 7
		}
		lits[i] = codedSymbol(i<<4 | n)
	}
	var dists [32]codedSymbol
	for i := range dists {
		dists[i] = codedSymbol(i<<4 | 5)
	}
	c := new(inflateCodes)
	c.build(lits[:], dists[:], 0)
	return c
})
