package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"
)

func BenchmarkInflate(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"128", 128}, {"1K", 1 << 10}, {"16K", 16 << 10}, {"256K", 256 << 10}} {
		message := inflateJSON(size.n, 7)
		payload := flateMessages(6, message)[0]
		b.Run(size.name+"/ours", func(b *testing.B) {
			d := NewDecompressor(15, false)
			dst := make([]byte, 0, size.n)
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Append(dst, payload, size.n); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(size.name+"/flate", func(b *testing.B) {
			stream := append(bytes.Clone(payload), "\x00\x00\xFF\xFF\x01\x00\x00\xFF\xFF"...)
			src := bytes.NewReader(stream)
			r := flate.NewReader(src)
			dst := make([]byte, size.n)
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(stream)
				if err := r.(flate.Resetter).Reset(src, nil); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(r, dst); err != nil {
					b.Fatal(err)
				}
				if n, err := r.Read(dst[:1]); n != 0 || err != io.EOF {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkInflateCorpora is like BenchmarkInflate, with other data than JSON and
// with context takeover.
func BenchmarkInflateCorpora(b *testing.B) {
	for name, message := range inflateCorpora(64 << 10) {
		for _, takeover := range []bool{false, true} {
			payload := flateMessages(6, message)[0]
			b.Run(fmt.Sprintf("%s/takeover=%t", name, takeover), func(b *testing.B) {
				d := NewDecompressor(15, takeover)
				dst := make([]byte, 0, len(message))
				b.SetBytes(int64(len(message)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Append(dst, payload, -1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
