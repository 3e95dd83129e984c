package websocket

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostileHeaders return values of header fields with about n bytes.
var hostileHeaders = map[string]func(n int) string{
	"commas":             func(n int) string { return strings.Repeat(",", n) },
	"spaces":             func(n int) string { return strings.Repeat(" ", n) },
	"spaces and commas":  func(n int) string { return strings.Repeat(" ,", n/2) },
	"tokens":             func(n int) string { return strings.Repeat("a,", n/2) },
	"one token":          func(n int) string { return strings.Repeat("a", n) },
	"a quote at the end": func(n int) string { return strings.Repeat("a", n) + `"` },
	"parameters":         func(n int) string { return "a" + strings.Repeat(";b", n/2) },
	"many parameters":    func(n int) string { return strings.Repeat("a"+strings.Repeat(";b=1", 100)+",", n/402+1) },
	"the same offer":     func(n int) string { return strings.Repeat("permessage-deflate; x,", n/22+1) },
	"quoted":             func(n int) string { return `a;b="` + strings.Repeat("c", n) + `"` },
	"escaped":            func(n int) string { return `a;b="` + strings.Repeat(`\c`, n/2) + `"` },
	"unended":            func(n int) string { return `a;b="` + strings.Repeat(`\`, n) },
	"spaces in between":  func(n int) string { return "a" + strings.Repeat(" ", n/2) + ";" + strings.Repeat(" ", n/2) + "b" },
}

// hostileParsers parse them for a server or for a client, and return how many
// elements they have found.
var hostileParsers = map[string]func(value []string) int{
	"upgrade": func(v []string) int {
		IsWebSocketUpgrade(&http.Request{Header: http.Header{headerConnection: v, headerUpgrade: v}})
		return 0
	},
	"subprotocols": func(v []string) int {
		return len(Subprotocols(&http.Request{Header: http.Header{headerProtocol: v}}))
	},
	"offer": func(v []string) int {
		agreed, _ := acceptExtensions(http.Header{headerExtensions: v}, &Compression{})
		return len(agreed.extensions) / 100
	},
	"answer": func(v []string) int {
		agreed, _ := checkExtensions(http.Header{headerExtensions: v}, &Compression{})
		return len(agreed.extensions) / 100
	},
	"response": func(v []string) int {
		h := sampleAnswer.Clone()
		h[headerProtocol] = v
		checkResponse(h, sampleKey, nil)
		return 0
	},
}

// TestHeaderParsingIsLinear checks that parsing a header of 1 MiB allocates a small
// multiple of its length, and that the number of elements is limited. That the
// time is linear too shows BenchmarkHostileHeader, whose bytes per second are the
// same for both sizes.
func TestHeaderParsingIsLinear(t *testing.T) {
	skipUnlessAllocationsCount(t)
	for parser, parse := range hostileParsers {
		for name, header := range hostileHeaders {
			for _, n := range []int{1 << 10, 1 << 20} {
				whole, lines := []string{header(n)}, strings.SplitAfterN(header(n), ",", 1000)
				for _, value := range [][]string{whole, lines} {
					require.Less(t, allocated(func() {
						require.LessOrEqual(t, parse(value), maxSubprotocols, "%s of %s", parser, name)
					}), uint64(6*n+256<<10), "%s of %s: %d", parser, name, n)
				}
			}
		}
	}
}

func BenchmarkHostileHeader(b *testing.B) {
	for parser, parse := range hostileParsers {
		for name, header := range hostileHeaders {
			for _, n := range []int{1 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("%s/%s/%d", parser, name, n), func(b *testing.B) {
					value := []string{header(n)}
					b.SetBytes(int64(n))
					for b.Loop() {
						parse(value)
					}
				})
			}
		}
	}
}
