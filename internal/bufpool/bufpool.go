// Package bufpool lends buffers by size.
package bufpool

import (
	"math/bits"
	"sync"
)

// The sizes in bytes of the smallest and the largest buffers that are kept.
const (
	Min = 256
	Max = 256 << 10
)

// A Buffer is what Get lends. It is passed by pointer, so that giving it back
// does not allocate.
type Buffer struct{ B []byte }

// pools has one pool for each power of two from Min to Max.
var pools [11]sync.Pool

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
