package deflate

import "sync"

// maxBlock is the number of bytes of a message in one block. A stored block holds
// one more (RFC 1951, Section 3.2.4), but the number of symbols, the end of the
// block included, has to be less than 1<<16.
const maxBlock = 1<<16 - 2

// A block is the memory that is needed to compress a block. It comes from a pool
// that all Compressors share.
type block struct {
	sequences [maxBlock/minMatch + 1]sequence
	frequency frequency
	literals  code
	distances code
	book      codebook
	header    codeHeader
	huffman   huffman
}

var blocks = sync.Pool{New: func() any { return new(block) }}

// A frequency counts how often each symbol occurs.
type frequency struct {
	literals  [firstLength + 32]uint32
	distances [32]uint32
}

// count counts the symbols of a block.
func (f *frequency) count(sequences []sequence, data []byte) {
	clear(f.literals[:])
	clear(f.distances[:])
	for _, q := range sequences {
		n := int(q.literals)
		for ; n >= 4; n -= 4 {
			f.literals[data[0]]++
			f.literals[data[1]]++
			f.literals[data[2]]++
			f.literals[data[3]]++
			data = data[4:]
		}
		// Without a branch on n, as in bitWriter.symbols.
		f.literals[data[0]] += uint32(0-n) >> 31
		f.literals[data[1]] += uint32(1-n) >> 31
		f.literals[data[2]] += uint32(2-n) >> 31
		data = data[n+int(q.length):]
		f.literals[firstLength+lengthSymbols[byte(q.length-minMatch)].symbol()]++
		symbol, _, _ := distanceSymbol(q.distance)
		f.distances[symbol]++
	}
	for _, b := range data {
		f.literals[b]++
	}
	f.literals[endOfBlock] = 1
}

// extraBits returns the number of extra bits of all lengths and distances.
func (f *frequency) extraBits() (n int) {
	for s := 8; s < literalSymbols-firstLength; s++ {
		n += int(f.literals[firstLength+s]) * lengthExtraBits(s)
	}
	for s := 4; s < distanceSymbols; s++ {
		n += int(f.distances[s]) * distanceExtraBits(s)
	}
	return n
}

// fixedBits returns the number of bits of all symbols in the fixed codes, without
// extra bits.
func (k *block) fixedBits() (n int) {
	for _, s := range k.literals.used {
		n += int(k.frequency.literals[s]) * int(fixedBook.literals[s].length())
	}
	for _, s := range k.distances.used {
		n += int(k.frequency.distances[s]) * int(fixedBook.distances[s].length())
	}
	return n
}

// append appends data in the shortest of the three types of block. sequences is
// data with matches.
func (k *block) append(w *bitWriter, sequences []sequence, data []byte) {
	symbols := len(data) + len(sequences)
	for _, q := range sequences {
		symbols -= int(q.length)
	}
	if symbols < dynamicSymbols {
		appendFixed(w, sequences, data)
		return
	}
	k.frequency.count(sequences, data)
	size := k.huffman.build(&k.literals, k.frequency.literals[:literalSymbols], maxLiteralLength)
	size += k.huffman.build(&k.distances, k.frequency.distances[:distanceSymbols], maxDistLength)
	k.header.build(&k.huffman, &k.literals, &k.distances)
	extra := 3 + k.frequency.extraBits()
	stored := w.storedBits(len(data))
	fixed := k.fixedBits() + extra
	dynamic := k.header.size + size + extra
	w.reserve(min(stored, fixed, dynamic))
	switch {
	case stored <= min(fixed, dynamic):
		w.stored(data)
	case fixed <= dynamic:
		w.write(blockFixed, 3)
		w.symbols(fixedBook, sequences, data)
	default:
		w.write(blockDynamic, 3)
		k.header.append(w)
		k.literals.words(k.book.literals[:])
		k.distances.words(k.book.distances[:])
		w.symbols(&k.book, sequences, data)
	}
}

// dynamicSymbols is the number of symbols from which on a dynamic block is
// considered. With JSON, a dynamic block of 96 symbols is 5 % to 10 % shorter
// than a fixed one, and one of 64 symbols hardly at all.
const dynamicSymbols = 96

// appendFixed appends a block with the fixed codes, or a stored block if that is
// shorter. It does not count symbols first.
func appendFixed(w *bitWriter, sequences []sequence, data []byte) {
	// Nine bits for every byte are enough: a literal has at most nine. A match
	// of three bytes has at most 7 + 5 bits of symbols and 13 extra bits, and
	// a longer match at most 6 more.
	before := *w
	stored := w.storedBits(len(data))
	w.reserve(max(stored, 3+9*len(data)+7))
	before.out = w.out
	w.write(blockFixed, 3)
	w.symbols(fixedBook, sequences, data)
	if w.length()-before.length() > stored { // neither length may fit into 32 bits
		*w = before
		w.stored(data)
	}
}
