package bench

import (
	stdflate "compress/flate"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/seed23105783/websocket/internal/deflate"
)

// A Candidate is one way to compress messages.
type Candidate struct {
	Name string
	// New returns a function that appends a compressed message to dst, with
	// context takeover or without it. It returns nil if it does not do that.
	New func(takeover bool) func(dst, message []byte) []byte
}

// Candidates are those that are compared.
var Candidates = []Candidate{
	{"this Speed", ours(deflate.Speed)},
	{"this Balance", ours(deflate.Balance)},
	{"this Ratio", ours(deflate.Ratio)},
	{"this HuffmanOnly", ours(deflate.HuffmanOnly)},
	{"compress/flate 1", writers(func(w io.Writer) (writer, error) { return stdflate.NewWriter(w, 1) })},
	{"compress/flate 6", writers(func(w io.Writer) (writer, error) { return stdflate.NewWriter(w, 6) })},
	{"klauspost 1", writers(func(w io.Writer) (writer, error) { return flate.NewWriter(w, 1) })},
	{"klauspost 6", writers(func(w io.Writer) (writer, error) { return flate.NewWriter(w, 6) })},
	{"klauspost stateless", stateless},
}

func ours(level deflate.Level) func(bool) func(dst, message []byte) []byte {
	return func(takeover bool) func(dst, message []byte) []byte {
		c := deflate.NewCompressor(15, level)
		if takeover {
			return c.Append
		}
		return c.AppendAlone
	}
}

// A writer is what compress/flate and those after its model have.
type writer interface {
	io.Writer
	Flush() error
	Reset(io.Writer)
}

// A sink appends to b.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// syncFlush is the length of what ends a message and is not sent.
const syncFlush = 4

func writers(newWriter func(io.Writer) (writer, error)) func(bool) func(dst, message []byte) []byte {
	return func(takeover bool) func(dst, message []byte) []byte {
		s := new(sink)
		w, err := newWriter(s)
		if err != nil {
			panic(err)
		}
		return func(dst, message []byte) []byte {
			s.b = dst
			if !takeover {
				w.Reset(s)
			}
			if _, err := w.Write(message); err != nil {
				panic(err)
			}
			if err := w.Flush(); err != nil {
				panic(err)
			}
			return s.b[:len(s.b)-syncFlush]
		}
	}
}

func stateless(takeover bool) func(dst, message []byte) []byte {
	if takeover {
		return nil
	}
	s := new(sink)
	return func(dst, message []byte) []byte {
		s.b = dst
		if err := flate.StatelessDeflate(s, message, false, nil); err != nil {
			panic(err)
		}
		return s.b[:len(s.b)-syncFlush]
	}
}
