package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed23105783/websocket/internal/bench/report"
)

// headlineLibraries are the columns of the table in the README.
var headlineLibraries = []string{"websocket", "gorilla", "coder", "gobwas", "gws", "nbio"}

// A headlineRow is a row of the table in the README.
type headlineRow struct {
	label, chinese string
	table, row     string
	inChart        bool
}

var headlineRows = []headlineRow{
	{"echo of 128 B, µs", "回显 128 B，µs", "Echo, text", "100 × 128 B", true},
	{"echo of 16 KiB, µs", "回显 16 KiB，µs", "Echo, text", "100 × 16 KiB", false},
	{"echo of 16 KiB over TLS, µs", "经 TLS 回显 16 KiB，µs", "Echo over TLS, text", "100 × 16 KiB", false},
	{"16 requests in flight, 128 B, µs", "16 个未完成请求，128 B，µs", "Echo with 16 messages outstanding, binary", "100 × 128 B", true},
	{"compressed echo of 1 KiB, with takeover, µs", "压缩回显 1 KiB（上下文接管），µs", "Compressed echo of JSON, CPU", "1 KiB, with takeover", true},
	{"waiting connection, KiB", "空闲连接，KiB", idleTable, "10,000, plain, after 1 message", true},
	{"waiting connection over TLS, KiB", "经 TLS 的空闲连接，KiB", idleTable, "1,000, TLS, after 1 message", false},
}

func (r headlineRow) summary() summaryRow {
	return summaryRow{label: r.label, table: r.table, row: r.row}
}

const idleTable = "Memory of a waiting connection"

// headlineCells returns the cells of the README's chart: of each row the best of the ways
// in which each library was measured.
func headlineCells(cells []*report.Cell) []*report.Cell {
	tables := tablesByName(cells)
	var best []*report.Cell
	for _, r := range headlineRows {
		t := tables[r.table]
		if !r.inChart || t == nil || t.BestOfOurs(r.row) == nil || t.BestPeer(r.row) == nil {
			continue
		}
		for _, library := range headlineLibraries {
			if c := t.BestOf(r.row, library); c != nil {
				best = append(best, &report.Cell{
					Table: "CPU for a message, memory of a connection", Row: r.label, Column: library, Chart: "headline",
					Unit: "µs and KiB", Ours: library == "websocket", Samples: []float64{c.Median()},
				})
			}
		}
	}
	return best
}

func headline(cells []*report.Cell) ([]byte, error) {
	return headlineIn(cells, func(r headlineRow) string { return r.label })
}

func headlineChinese(cells []*report.Cell) ([]byte, error) {
	return headlineIn(cells, func(r headlineRow) string { return r.chinese })
}

// headlineIn returns the table of the README in a language: the best of the ways in which
// each library was measured.
func headlineIn(cells []*report.Cell, label func(headlineRow) string) ([]byte, error) {
	tables := tablesByName(cells)
	var b bytes.Buffer
	fmt.Fprintf(&b, "| | **%s** |\n", strings.Join(headlineLibraries, "** | **"))
	fmt.Fprintf(&b, "|---%s|\n", strings.Repeat("|--:", len(headlineLibraries)))
	for _, r := range headlineRows {
		t := tables[r.table]
		if t == nil {
			return nil, fmt.Errorf("the results do not have %q", r.table)
		}
		fmt.Fprintf(&b, "| %s ", label(r))
		for i, library := range headlineLibraries {
			best := t.BestOf(r.row, library)
			switch {
			case best != nil:
				fmt.Fprintf(&b, "| %s ", best.Value())
			case i == 0:
				return nil, fmt.Errorf("the results do not have %q, %q, %q", r.table, r.row, library)
			default:
				b.WriteString("| – ")
			}
		}
		b.WriteString("|\n")
	}
	return b.Bytes(), nil
}
