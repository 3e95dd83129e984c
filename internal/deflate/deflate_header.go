package deflate

// The alphabet of code lengths (RFC 1951, Section 3.2.7): 0 to 15 for
// themselves, and three that repeat.
const (
	lengthRepeat     = 16 // the length before, 3 to 6 times
	lengthZeros      = 17 // zero, 3 to 10 times
	lengthManyZeros  = 18 // zero, 11 to 138 times
	lengthAlphabet   = 19
	maxLengthLength  = 7
	minLengthLengths = 4
)

// lengthOrder is the order in which the code lengths for code lengths are sent.
var lengthOrder = [lengthAlphabet]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lengthExtra has the number of extra bits of the three that repeat.
var lengthExtra = [lengthAlphabet]uint8{lengthRepeat: 2, lengthZeros: 3, lengthManyZeros: 7}

// A codeHeader describes the two codes of a dynamic block (RFC 1951, Section
// 3.2.7): the code lengths of both alphabets, one after the other, where a
// repetition can go from one to the other.
type codeHeader struct {
	literals, distances int // how many lengths there are of each

	symbols   [literalSymbols + distanceSymbols]repetition
	n         int // how many of them there are
	frequency [lengthAlphabet]uint32
	own       code // for them
	words     [32]codeword
	ownSent   int // how many of own's lengths are sent
	size      int // of the description in bits
}

// A repetition is a symbol of the alphabet of code lengths and, from the sixth
// bit on, its extra bits.
type repetition uint16

func (h *codeHeader) put(symbol, extra int) {
	h.symbols[h.n] = repetition(symbol | extra<<5)
	h.n++
	h.frequency[symbol]++
}

// build prepares the description of two codes. The first one is for the end of
// the block at least.
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
	h.size = 5 + 5 + 4 + huffman.build(&h.own, h.frequency[:], maxLengthLength)
	h.own.words(h.words[:])
	h.ownSent = lengthAlphabet
	for h.ownSent > minLengthLengths && h.frequency[lengthOrder[h.ownSent-1]] == 0 {
		h.ownSent--
	}
	h.size += 3 * h.ownSent
	for s, extra := range lengthExtra {
		h.size += int(h.frequency[s]) * int(extra)
	}
}

// putLengths puts the lengths of a code up to the last that is not zero.
func (h *codeHeader) putLengths(c *code) {
	next, length, run := 0, 0, 0 // run lengths up to next are the same
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

// putRun puts a length that is there run times in a row.
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

// putZeros puts the lengths of symbols that are not in use.
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

// append appends the description.
func (h *codeHeader) append(w *bitWriter) {
	w.write(uint64(h.literals-firstLength)|uint64(h.distances-1)<<5|uint64(h.ownSent-minLengthLengths)<<10, 5+5+4)
	for _, symbol := range lengthOrder[:h.ownSent] {
		length := h.own.lengths[symbol]
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
