// Command deflate prints how long compressors take for JSON messages, and what
// is left of them: a table in Markdown.
package main

import (
	"bytes"
	"compress/flate"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/seed23105783/websocket/internal/bench"
)

var (
	rounds   = flag.Int("rounds", 9, "rounds, of which the median counts")
	duration = flag.Duration("time", 30*time.Millisecond, "how long a candidate runs in a round")
	only     = flag.String("only", "", "comma-separated parts of the names of those to compare")
)

// distinctBytes is how long the messages of one size are together: far longer
// than a window, so that no message finds itself in the history.
const distinctBytes = 1 << 20

type result struct {
	name     string
	compress func(dst, message []byte) []byte
	times    []time.Duration // of one message, one in each round
	in, out  int
	state    int
}

func (r *result) median() time.Duration {
	slices.Sort(r.times)
	return r.times[len(r.times)/2]
}

func main() {
	flag.Parse()
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{128, 1 << 10, 16 << 10, 256 << 10} {
			with := "without"
			if takeover {
				with = "with"
			}
			fmt.Printf("\n%d bytes, %s context takeover\n\n", size, with)
			fmt.Println("| compressor | time/op | MB/s | ratio | state |\n|---|--:|--:|--:|--:|")
			for _, r := range compare(size, takeover) {
				t := r.median()
				fmt.Printf("| %s | %v | %.0f | %.3f | %d |\n", r.name, t.Round(t/1000+1),
					float64(size)/t.Seconds()/1e6, float64(r.out)/float64(r.in), r.state)
			}
		}
	}
}

// compare runs all candidates in turn, several times.
func compare(size int, takeover bool) []*result {
	messages := bench.Messages(size, distinctBytes/size)
	var results []*result
	for _, candidate := range bench.Candidates {
		compress := candidate.New(takeover)
		if compress == nil || !chosen(candidate.Name) {
			continue
		}
		r := &result{name: candidate.Name, compress: compress}
		r.check(messages, takeover)
		r.state = state(candidate, messages, takeover)
		results = append(results, r)
	}
	dst := make([]byte, 0, size+size/8+1024)
	for range *rounds {
		for _, r := range results {
			n := 0
			start := time.Now()
			for ; n%16 != 0 || time.Since(start) < *duration; n++ {
				r.compress(dst, messages[n%len(messages)])
			}
			r.times = append(r.times, time.Since(start)/time.Duration(n))
		}
	}
	return results
}

func chosen(name string) bool {
	if *only == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(*only, ","), func(part string) bool { return strings.Contains(name, part) })
}

// check compresses every message once and looks whether they come out again.
func (r *result) check(messages [][]byte, takeover bool) {
	var history []byte
	for _, m := range messages {
		out := r.compress(nil, m)
		r.in += len(m)
		r.out += len(out)
		whole := io.MultiReader(bytes.NewReader(out), strings.NewReader("\x00\x00\xFF\xFF\x01\x00\x00\xFF\xFF"))
		got, err := io.ReadAll(flate.NewReaderDict(whole, history))
		if err != nil || !bytes.Equal(got, m) {
			panic(fmt.Sprintf("%s: %d bytes do not come out again: %v", r.name, len(m), err))
		}
		if takeover {
			history = append(history, m...)
			history = history[max(0, len(history)-1<<15):]
		}
	}
}

// state returns how many bytes on the heap a compressor keeps between messages.
func state(candidate bench.Candidate, messages [][]byte, takeover bool) int {
	const n = 32
	dst := make([]byte, 0, 1<<20)
	kept := make([]func(dst, message []byte) []byte, n)
	candidate.New(takeover)(dst, messages[0])
	before := heap()
	for i := range kept {
		kept[i] = candidate.New(takeover)
		for size, at := 0, 0; size < 1<<17; at++ {
			m := messages[at%len(messages)]
			kept[i](dst, m)
			size += len(m)
		}
	}
	after := heap()
	runtime.KeepAlive(kept)
	runtime.KeepAlive(dst)
	return int(after-before) / n
}

func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
