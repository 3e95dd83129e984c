package main

import (
	"fmt"
	"strings"

	"github.com/seed23105783/websocket/internal/bench/load"
	"github.com/seed23105783/websocket/internal/bench/peer"
)

// offer returns what is offered to a server that compresses, and what its
// answer has to be like.
func offer(o peer.Options) (header string, agreed func(string) bool) {
	const alone = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	switch {
	case o.Compression == "":
		return "", nil
	case o.Compression == peer.Alone:
		return alone, func(s string) bool {
			return strings.HasPrefix(s, "permessage-deflate") && strings.Contains(s, "server_no_context_takeover")
		}
	case o.WindowBits == 0:
		return "permessage-deflate; client_max_window_bits", func(s string) bool {
			return strings.HasPrefix(s, "permessage-deflate") && !strings.Contains(s, "_no_context_takeover") &&
				!strings.Contains(strings.ReplaceAll(s, "_bits=15", ""), "_bits=")
		}
	}
	server := fmt.Sprintf("server_max_window_bits=%d", o.WindowBits)
	client := fmt.Sprintf("client_max_window_bits=%d", o.WindowBits)
	return "permessage-deflate; " + server + "; " + client, func(s string) bool {
		return strings.Contains(s, server) && strings.Contains(s, client) && !strings.Contains(s, "_no_context_takeover")
	}
}

// compressedServers are those that compress, each as far as it can.
var compressedServers = []string{"websocket", "gorilla", "coder", "gobwas", "gws", "nbio", "nbio-blocking"}

// compressedConns is how many connections there are: enough to keep the
// server busy.
const compressedConns = 10

func compressedScenarios() []*scenario {
	var all []*scenario
	for _, compression := range []string{peer.Alone, peer.Takeover} {
		with := map[string]string{peer.Alone: "without", peer.Takeover: "with"}[compression]
		for _, size := range []int{256, 1 << 10, 16 << 10} {
			all = append(all, &scenario{
				name:  fmt.Sprintf("compressed/%s/%s", compression, inName(size)),
				quick: size == 1<<10 && compression == peer.Takeover,
				metrics: []metric{
					{"Compressed echo of JSON, CPU", bytesName(size) + ", " + with + " takeover", microseconds, "compressed"},
					{"Compressed echo of JSON, answers on the wire", bytesName(size) + ", " + with + " takeover", "% of the message", ""},
				},
				columns: compressedColumns(compression, size),
			})
		}
	}
	return all
}

// compressedColumns are those of the usual window of 32 KiB and, with takeover,
// one of 4 KiB, which gws takes if it is not told otherwise.
func compressedColumns(compression string, size int) []column {
	columns := windowColumns(peer.Options{Compression: compression}, "", func() *load.Deflated {
		return load.NewDeflated(size, compression == peer.Takeover, compression == peer.Takeover)
	}, size)
	if compression == peer.Alone {
		return columns
	}
	const bits = 12
	return append(columns, windowColumns(peer.Options{Compression: compression, WindowBits: bits}, " 4 KiB", func() *load.Deflated {
		return load.NewDeflatedWindow(size, bits)
	}, size)...)
}

func windowColumns(o peer.Options, suffix string, traffic func() *load.Deflated, size int) []column {
	header, agreed := offer(o)
	var columns []column
	for _, s := range serversNamed(compressedServers, o) {
		columns = append(columns, column{s.Name + suffix, s.Ours, s.Limit, func(run options) ([]float64, error) {
			traffic := traffic()
			target := load.Target{Offer: header, Agreed: agreed}
			cost, count, err := busy(run, s, o, target, compressedConns, compressedConns, traffic)
			if err == nil {
				err = traffic.Verify()
			}
			if err != nil {
				return nil, err
			}
			return []float64{each(cost.cpu, count.Messages), 100 * float64(count.Bytes) / float64(count.Messages*size)}, nil
		}})
	}
	return columns
}
