package bench

import (
	"fmt"
	"testing"
)

func BenchmarkDeflate(b *testing.B) {
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{128, 1 << 10, 16 << 10, 256 << 10} {
			messages := Messages(size, 1<<20/size)
			for _, candidate := range Candidates {
				compress := candidate.New(takeover)
				if compress == nil {
					continue
				}
				b.Run(fmt.Sprintf("takeover=%v/%d/%s", takeover, size, candidate.Name), func(b *testing.B) {
					dst := make([]byte, 0, 2*size+1024)
					in, out := 0, 0
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						m := messages[in/size%len(messages)]
						in += len(m)
						out += len(compress(dst, m))
					}
					b.ReportMetric(float64(out)/float64(in), "ratio")
				})
			}
		}
	}
}
