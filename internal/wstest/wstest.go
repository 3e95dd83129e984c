// Package wstest provides helpers for the tests of this module: a connection in
// memory that cuts the stream into pieces of any size and can fail, and a check
// for leaked goroutines.
package wstest

import (
	"math/rand/v2"

	"github.com/seed23105783/websocket/internal/mempipe"
)

// A Conn is one end of a [Pipe].
type Conn = mempipe.Conn

// A Chunking returns how many of n available bytes a Read returns, from 1 to n.
type Chunking = mempipe.Chunking

// Pipe returns the two ends of a connection in memory: see mempipe.New.
func Pipe(size int, chunking Chunking) (*Conn, *Conn) { return mempipe.New(size, chunking) }

// Whole is a [Chunking] that returns all bytes at once.
func Whole(n int) int { return mempipe.Whole(n) }

// Byte is a [Chunking] that returns one byte at a time.
func Byte(int) int { return 1 }

// Random returns a [Chunking] with random lengths, which depend on seed alone.
func Random(seed uint64) Chunking {
	r := rand.New(rand.NewPCG(seed, seed))
	return func(n int) int { return 1 + r.IntN(n) }
}
