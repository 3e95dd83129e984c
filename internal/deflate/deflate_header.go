package deflate

// The alphabet of code lengths (RFC 1951, Section 3.2.7): the lengths 0 to 15, and
// three symbols for repeated lengths.
const (
	lengthRepeat     = 16 // the previous length, 3 to 6 times
	lengthZeros      = 17 // zero, 3 to 10 times
	lengthManyZeros  = 18 // zero, 11 to 138 times
	lengthAlphabet   = 19
	maxPrecodeLength = 7
	minPrecodeSent   = 4
)

// lengthOrder is the order in which the lengths of the precode are sent. The
// precode is the code in which code lengths are sent.
var lengthOrder = [lengthAlphabet]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lengthExtra has the number of extra bits of each symbol.
var lengthExtra = [lengthAlphabet]uint8{lengthRepeat: 2, lengthZeros: 3, lengthManyZeros: 7}

// A codeHeader is the description of the codes of a dynamic block (RFC 1951,
// Section 3.2.7). It has the code lengths of both alphabets in one sequence, and
// a repetition may continue from one into the other.
type codeHeader struct {
	literals, distances int // the number of lengths for each

	symbols     [literalSymbols + distanceSymbols]repetition
	n           int // the number of symbols
	frequency   [lengthAlphabet]uint32
	precode     code
	words       [32]codeword // those of the precode
	precodeSent int          // the number of lengths of the precode that are sent
	size        int          // of the header in bits
}

// A repetition is a symbol of the alphabet of code lengths in the low five bits,
// and its extra bits above.
type repetition uint16

// put adds a symbol with its extra bits.
func (h *codeHeader) put(symbol, extra int) {
	h.symbols[h.n] = repetition(symbol | extra<<5)
	h.n++
	h.frequency[symbol]++
}

// build prepares the header for two codes. The code for literals has a codeword
// for the end of the block, so that it is never empty.
func (h *codeHeader) build(huffman *huffman, literals, distances *code) {
	h.n = 0
	clear(h.frequency[:])
	h.literals = int(literals.used[len(literals.used)-1]) + 1
	h.putLengths(literals)
	h.distances = 1
	if len(distances.used) > 0 {
		h.distances = int(distances.used[len(distances.used)-1]) + 1
		h.putLengths(distances)
	} else {
		h.put(0, 0)
	}
	h.size = 5 + 5 + 4 + huffman.build(&h.precode, h.frequency[:], maxPrecodeLength)
	h.precode.words(h.words[:])
	h.precodeSent = lengthAlphabet
	for h.precodeSent > minPrecodeSent && h.frequency[lengthOrder[h.precodeSent-1]] == 0 {
		h.precodeSent--
	}
	h.size += 3 * h.precodeSent
	for s, extra := range lengthExtra {
		h.size += int(h.frequency[s]) * int(extra)
	}
}

// putLengths adds the lengths of a code up to the last that is not zero.
func (h *codeHeader) putLengths(c *code) {
	next, length, run := 0, 0, 0 // the last run lengths before next are equal
	for _, s := range c.used {
		l := int(c.lengths[s])
		if gap := int(s) - next; gap > 0 || l != length {
			h.putRun(length, run)
			h.putZeros(gap)
			length, run = l, 0
		}
		run++
		next = int(s) + 1
	}
	h.putRun(length, run)
}

// putRun adds a length run times.
func (h *codeHeader) putRun(length, run int) {
	if run == 0 {
		return
	}
	h.put(length, 0)
	for run--; run >= 3; run -= min(run, 6) {
		h.put(lengthRepeat, min(run, 6)-3)
	}
	for range run {
		h.put(length, 0)
	}
}

// putZeros adds the length zero run times.
func (h *codeHeader) putZeros(run int) {
	for ; run >= 11; run -= min(run, 138) {
		h.put(lengthManyZeros, min(run, 138)-11)
	}
	if run >= 3 {
		h.put(lengthZeros, run-3)
		return
	}
	for range run {
		h.put(0, 0)
	}
}

// append appends the header.
func (h *codeHeader) append(w *bitWriter) {
	w.write(uint64(h.literals-firstLength)|uint64(h.distances-1)<<5|uint64(h.precodeSent-minPrecodeSent)<<10, 5+5+4)
	for _, symbol := range lengthOrder[:h.precodeSent] {
		length := h.precode.lengths[symbol]
		if h.frequency[symbol] == 0 {
			length = 0
		}
		w.write(uint64(length), 3)
	}
	for _, symbol := range h.symbols[:h.n] {
		c, extra := h.words[symbol&31], symbol>>5
		w.write(c.bits()|uint64(extra)<<c.length(), c.length()+uint(lengthExtra[symbol&31]))
	}
}
