package deflate

import "math/bits"

// The headers of blocks: BFINAL, which is always zero, since other messages
// follow (RFC 7692, Section 7.2.1), and the type.
const (
	blockStored  = 0 << 1
	blockFixed   = 1 << 1
	blockDynamic = 2 << 1
)

// The alphabets of literals and lengths and of distances (RFC 1951, Section
// 3.2.5).
const (
	endOfBlock       = 256
	firstLength      = 257
	literalSymbols   = 286
	distanceSymbols  = 30
	minMatch         = 3
	maxMatch         = 258
	maxLiteralLength = 14 // RFC 1951 allows 15; see bitWriter.symbols
	maxDistLength    = 15
)

// A sequence is a number of literals followed by a match: a copy of length bytes
// that begins distance bytes back. The literals themselves are in the message.
type sequence struct {
	literals, length, distance uint16
}

// A lengthSymbol is the encoding of a length: five bits with the symbol, counted
// from firstLength, three with the number of extra bits, then the extra bits.
type lengthSymbol uint16

func (l lengthSymbol) symbol() uint    { return uint(l & 31) }
func (l lengthSymbol) extraBits() uint { return uint(l >> 5 & 7) }
func (l lengthSymbol) extra() uint64   { return uint64(l >> 8) }

// lengthSymbols has the encodings of the lengths from minMatch on.
var lengthSymbols = newLengthSymbols()

// lengthExtraBits returns the number of extra bits of a length symbol, which is
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

// distanceSymbol returns the encoding of a distance. Its two highest bits and
// their position are the symbol, the others are extra bits.
func distanceSymbol(distance uint16) (symbol, extra, extraBits uint) {
	d := uint(distance - 1)
	extraBits = uint(bits.Len32(uint32(d|2)) - 2) // the first four have none
	return (2*extraBits + d>>(extraBits&15)) & 31, d & (1<<(extraBits&15) - 1), extraBits
}

// distanceExtraBits returns the number of extra bits of a distance symbol.
func distanceExtraBits(symbol int) int { return max(symbol/2-1, 0) }

// A codeword is a word of a prefix code. The low half has its bits, the first one
// as the least significant, and the high half has their number.
type codeword uint32

func (c codeword) bits() uint64 { return uint64(c & 0xFFFF) }
func (c codeword) length() uint { return uint(c >> 16) }

// A codebook has the two codes of a block. Its arrays are longer than the
// alphabets, so that any value of five bits is a valid index.
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

// newCodeword returns a codeword with the length low bits of code, the most
// significant of them first.
func newCodeword(code uint16, length int) codeword {
	return codeword(bits.Reverse16(code)>>(16-length)) | codeword(length)<<16
}
