package deflate

import "math/bits"

// The types of a block, as they follow BFINAL, which is zero: a message ends
// with the next one's block, never with a final block (RFC 7692, Section
// 7.2.1).
const (
	blockStored  = 0 << 1
	blockFixed   = 1 << 1
	blockDynamic = 2 << 1
)

// The alphabet of literals and lengths, and that of distances (RFC 1951,
// Section 3.2.5).
const (
	endOfBlock       = 256
	firstLength      = 257
	literalSymbols   = 286
	distanceSymbols  = 30
	minMatch         = 3
	maxMatch         = 258
	maxLiteralLength = 14 // one less than what RFC 1951 allows: see bitWriter.literals
	maxDistLength    = 15
)

// A sequence is a number of literals and a copy of what came before: of length
// bytes, distance bytes back. The literals are not in it but in the message.
type sequence struct {
	literals, length, distance uint16
}

// A lengthSymbol is how a length is encoded: five bits of its symbol, counted
// from firstLength, then the number of extra bits in three, then these.
type lengthSymbol uint16

func (l lengthSymbol) symbol() uint    { return uint(l & 31) }
func (l lengthSymbol) extraBits() uint { return uint(l >> 5 & 7) }
func (l lengthSymbol) extra() uint64   { return uint64(l >> 8) }

// lengthSymbols is indexed with a length less minMatch.
var lengthSymbols = newLengthSymbols()

// lengthExtraBits returns the number of extra bits of a length's symbol,
// counted from firstLength.
func lengthExtraBits(symbol int) int {
	if symbol < 8 || symbol == literalSymbols-1-firstLength {
		return 0
	}
	return symbol/4 - 1
}

func newLengthSymbols() (table [256]lengthSymbol) {
	n := 0
	for symbol := range literalSymbols - firstLength - 1 {
		extraBits := lengthExtraBits(symbol)
		for extra := 0; extra < 1<<extraBits && n < len(table); extra++ {
			table[n] = lengthSymbol(symbol | extraBits<<5 | extra<<8)
			n++
		}
	}
	// The longest match has a symbol of its own.
	table[maxMatch-minMatch] = literalSymbols - 1 - firstLength
	return table
}

// distanceSymbol returns how a distance is encoded: its two highest bits and
// their place are the symbol, the others follow.
func distanceSymbol(distance uint16) (symbol, extra, extraBits uint) {
	d := uint(distance - 1)
	extraBits = uint(bits.Len32(uint32(d|2)) - 2) // the first four have none
	return (2*extraBits + d>>(extraBits&15)) & 31, d & (1<<(extraBits&15) - 1), extraBits
}

// distanceExtraBits returns the number of extra bits of a distance's symbol.
func distanceExtraBits(symbol int) int { return max(symbol/2-1, 0) }

// A codeword is one of a prefix code: its bits in the low half in the order in
// which they are sent, the first one lowest, and their number in the other.
type codeword uint32

func (c codeword) bits() uint64 { return uint64(c & 0xFFFF) }
func (c codeword) length() uint { return uint(c >> 16) }

// A codebook has the codes of a block. Its arrays are longer than the
// alphabets so that five bits are always an index.
type codebook struct {
	literals  [firstLength + 32]codeword
	distances [32]codeword
}

// fixedBook has the codes of RFC 1951, Section 3.2.6.
var fixedBook = newFixedBook()

func newFixedBook() *codebook {
	book := new(codebook)
	next := [10]uint16{7: 0, 8: 0x30, 9: 0x190}
	for s := range book.literals {
		length := 8
		switch {
		case s >= 144 && s < 256:
			length = 9
		case s >= 256 && s < 280:
			length = 7
		case s == 280:
			next[8] = 0xC0
		}
		book.literals[s] = newCodeword(next[length], length)
		next[length]++
	}
	for s := range book.distances {
		book.distances[s] = newCodeword(uint16(s), 5)
	}
	return book
}

// newCodeword returns the length low bits of code, the highest one first.
func newCodeword(code uint16, length int) codeword {
	return codeword(bits.Reverse16(code)>>(16-length)) | codeword(length)<<16
}
