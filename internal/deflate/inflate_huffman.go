package deflate

import (
	"math/bits"
	"sync"
)

const (
	inflateCodeBits    = 15 // of a literal, length or distance
	inflatePrecodeBits = 7  // of a code length

	inflateLits       = 286 // that have a meaning
	inflateDists      = 30
	inflateLengths    = 19
	inflateEndOfBlock = 256

	// precodePrevious is in the base of the symbol that repeats the code length
	// before it rather than zeros.
	precodePrevious = 256

	// What the tables decode at once; longer codes are rare by their nature.
	litTableBits  = 10
	distTableBits = 8
)

// A huffEntry is what a table says about the bits that begin with a code.
//
//	bits 0–7    how many bits the code and the extra bits after it take
//	bits 8–11   how many the code takes
//	bits 12–14  flags
//	bits 16–31  the literal, or the base that the extra bits are added to
//
// That of a symbol, before it has a code, lacks the bits of the code.
type huffEntry uint32

const (
	huffLiteral huffEntry = 1 << 12
	huffEnd     huffEntry = 1 << 13 // of a block; huffRare is set too
	huffRare    huffEntry = 1 << 14 // neither a literal nor a base

	// huffLong stands in a table for every code that is too long for it, and
	// for bits that are no code. With a length it stands for a symbol that
	// must not occur.
	huffLong = huffRare
)

// withCode returns the entry of a symbol whose code has n bits.
func (e huffEntry) withCode(n int) huffEntry { return e + huffEntry(n)*0x101 }

// size returns how many bits the code and its extra bits take.
func (e huffEntry) size() uint { return uint(e & 0xFF) }

// value returns the literal, or the sum of base and extra bits; b begins with
// the code.
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
	entries[inflateEndOfBlock] = huffEnd | huffRare
	base := 3
	for i := range 28 {
		extra := max(i/4-1, 0)
		entries[inflateEndOfBlock+1+i] = huffEntry(base)<<16 | huffEntry(extra)
		base += 1 << extra
	}
	entries[285] = 258 << 16 // which has a code of its own
	entries[286], entries[287] = huffRare, huffRare
	return entries
}

func newDistEntries() (entries [32]huffEntry) {
	base := 1
	for i := range inflateDists {
		extra := max(i/2-1, 0)
		entries[i] = huffEntry(base)<<16 | huffEntry(extra)
		base += 1 << extra
	}
	entries[30], entries[31] = huffRare, huffRare
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

// inflateCodes decode the two alphabets of a block.
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

// build makes both codes and reports whether they are any.
func (c *inflateCodes) build(lits, dists []codedSymbol, firstDist int) bool {
	return c.longLits.build(c.lits[:], litEntries[:], lits, 0) &&
		c.longDists.build(c.dists[:], distEntries[:], dists, firstDist)
}

// longCodes finds the codes that a table has no room for.
//
// Codes of one length are consecutive numbers, their first bit the most
// significant, and follow the shorter ones (RFC 1951, Section 3.2.2). So with
// the symbols in the order of their codes, a length and a number give the
// symbol, and the length is the first whose codes end after the number.
type longCodes struct {
	end     [inflateCodeBits + 1]uint32 // by length: the number after its codes, left-aligned to inflateCodeBits
	offset  [inflateCodeBits + 1]int16  // by length: from number to position in symbols
	symbols [288]uint16
}

// find returns the entry of the code that b begins with, if it is longer than
// n, and huffLong otherwise.
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

// A codedSymbol is a symbol with the length of its code in the lower four bits.
type codedSymbol uint16

func (s codedSymbol) symbol() int { return int(s >> 4) }
func (s codedSymbol) length() int { return int(s & 15) }

// build makes the code that gives each symbol, which are in order and counted
// from base, a code of its length, in a table with a power of two of entries.
// It returns false for lengths that give one sequence of bits to two symbols,
// or one to none. The latter has two exceptions: no code at all, and one code
// of one bit, which RFC 1951, Section 3.2.7, allows for distances, and which
// harms nobody elsewhere.
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

// fill fills a table for the codes that c knows. The first bit of a code is
// the least significant of the index, so that the codes of n bits are found in
// the first 1<<n entries, and these are then repeated for the next bit. What no
// code has claimed by the end was huffLong from the beginning.
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

// fixedCodes returns the codes that RFC 1951, Section 3.2.6, fixes.
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
