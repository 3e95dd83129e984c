// Package bufpool lends buffers by size.
package bufpool

import (
	"math/bits"
	"sync"
)

// The sizes in bytes of the smallest and the largest buffers that are kept.
const (
	Min = 256
	Max = 1 << 20
)

// A Buffer is what Get lends. It is passed by pointer, so that giving it back
// does not allocate.
type Buffer struct{ B []byte }

// pools has one pool for each power of two from Min to Max.
var pools [13]sync.Pool

// Get returns a buffer whose B is at least n bytes long. Its contents are not
// defined. A buffer for more than Max bytes is made for this call.
func Get(n int) *Buffer {
	if n > Max {
		return &Buffer{make([]byte, n)}
	}
	class := classOf(n)
	if b, ok := pools[class].Get().(*Buffer); ok {
		return b
	}
	return &Buffer{make([]byte, Min<<class)}
}

// Put takes a buffer back. One that is larger than Max is left to the garbage
// collector.
func Put(b *Buffer) {
	if class := classOf(len(b.B)); class < len(pools) {
		pools[class].Put(b)
	}
}

// SizeFor returns the length of the buffer that Get returns for n bytes.
func SizeFor(n int) int {
	if n > Max {
		return n
	}
	return Min << classOf(n)
}

// classOf returns the index of the smallest buffers that hold n bytes.
func classOf(n int) int { return bits.Len(uint(max(n, 1)-1) / Min) }

// A Guess is the size of a buffer for the next of several messages, made of the lengths
// of those before. The zero value guesses one byte.
type Guess uint8 // the binary logarithm

// Size returns the size in bytes, which is Max at most.
func (g Guess) Size() int { return 1 << g }

// Learn takes note of the length of a message. A longer one counts at once; after
// shorter ones the size halves with each.
func (g *Guess) Learn(n int) {
	switch class := Guess(bits.Len(uint(max(min(n, Max), 1) - 1))); {
	case class > *g:
		*g = class
	case class+1 < *g:
		*g--
	}
}
