package deflate

import "sync"

// maxBlock is how much of a message goes into one block: what a block of no
// compression can hold (RFC 1951, Section 3.2.4), less one so that its symbols
// with the end of the block are fewer than 1<<16.
const maxBlock = 1<<16 - 2

// A block is the memory in which a block is made. Compressors share it: no
// more of it is there than there are messages being compressed.
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

// A frequency says how often each symbol occurs.
type frequency struct {
	literals  [firstLength + 32]uint32
	distances [32]uint32
}

// count sets f to the symbols of a block.
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
		// No branch on n, as in bitWriter.symbols.
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

// extraBits returns the number of bits that follow lengths and distances.
func (f *frequency) extraBits() (n int) {
	for s := 8; s < literalSymbols-firstLength; s++ {
		n += int(f.literals[firstLength+s]) * lengthExtraBits(s)
	}
	for s := 4; s < distanceSymbols; s++ {
		n += int(f.distances[s]) * distanceExtraBits(s)
	}
	return n
}

// fixedBits returns how long the symbols that are in use are in the fixed
// code, without the extra bits.
func (k *block) fixedBits() (n int) {
	for _, s := range k.literals.used {
		n += int(k.frequency.literals[s]) * int(fixedBook.literals[s].length())
	}
	for _, s := range k.distances.used {
		n += int(k.frequency.distances[s]) * int(fixedBook.distances[s].length())
	}
	return n
}

// append appends data, which sequences and literals after them stand for, in
// the shortest of the three encodings.
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

// dynamicSymbols is the number of symbols from which a code of their own pays
// for its description and the time it takes, measured with JSON: at 96 symbols
// it saves a twentieth to a tenth, at 64 next to nothing.
const dynamicSymbols = 96

// appendFixed encodes a block with the fixed code, or not at all if that would
// be shorter, without counting anything before.
func appendFixed(w *bitWriter, sequences []sequence, data []byte) {
	// Nine bits for every byte are enough. A literal has no more. A match has
	// 7 and 5 bits of symbols and 13 of extra bits if it is short, 6 more if it
	// is long, but three bytes at least.
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
