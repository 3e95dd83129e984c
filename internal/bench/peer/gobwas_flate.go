package peer

import (
	"compress/flate"
	"io"
	"sync"

	"github.com/gobwas/ws/wsflate"
)

// gobwasHelper compresses at level 1, the default of the others, and takes
// its codecs from pools, which the package leaves to its users.
var gobwasHelper = wsflate.Helper{
	Compressor: func(w io.Writer) wsflate.Compressor {
		c := flateWriters.Get().(*flate.Writer)
		c.Reset(w)
		return &pooledWriter{c}
	},
	Decompressor: func(r io.Reader) wsflate.Decompressor {
		d := flateReaders.Get().(io.ReadCloser)
		d.(flate.Resetter).Reset(r, nil)
		return &pooledReader{d}
	},
}

var flateWriters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // no error at a valid level
	return w
}}

var flateReaders = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// A pooledWriter goes back when it is closed.
type pooledWriter struct{ *flate.Writer }

func (w *pooledWriter) Close() error {
	flateWriters.Put(w.Writer)
	return nil
}

// A pooledReader goes back when it is closed.
type pooledReader struct{ io.ReadCloser }

func (r *pooledReader) Close() error {
	flateReaders.Put(r.ReadCloser)
	return nil
}
