package websocket

import (
	"math/bits"
	"sync"
)

const (
	minBuffer = 256 // room for any control frame
	maxBuffer = 64 << 10

	// maxMasked is how much a client masks and writes at once: what is written
	// in many pieces wakes the peer as often.
	maxMasked     = 256 << 10
	defaultBuffer = 4 << 10
)

// A buffer is what getBuffer lends. It is handed around by pointer, so that
// giving it back does not allocate.
type buffer struct{ b []byte }

// buffers holds one pool for each power of two from minBuffer to maxMasked.
var buffers [11]sync.Pool

// getBuffer returns a buffer with b at least n long, n being at most
// maxMasked. What is in it is not defined.
func getBuffer(n int) *buffer {
	class := bufferClass(n)
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, minBuffer<<class)}
}

// newBuffer returns a buffer with b at least n long, whatever n is.
func newBuffer(n int) *buffer {
	if n > maxMasked {
		return &buffer{make([]byte, n)}
	}
	return getBuffer(n)
}

// putBuffer takes a buffer back. One that is larger than those of getBuffer
// is left to the garbage collector.
func putBuffer(b *buffer) {
	if class := bufferClass(len(b.b)); class < len(buffers) {
		buffers[class].Put(b)
	}
}

// bufferClass returns the index of the smallest buffers that hold n bytes.
func bufferClass(n int) int { return bits.Len(uint(max(n, 1)-1) / minBuffer) }

// bufferSize returns the size to use for a size that the application wished
// for: zero stands for the default.
func bufferSize(n int) int {
	if n <= 0 {
		n = defaultBuffer
	}
	return min(max(n, minBuffer), maxBuffer)
}
