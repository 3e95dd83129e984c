package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed23105783/websocket/internal/bench/report"
)

// headlineLibraries are the columns of the table in the README.
var headlineLibraries = []string{"websocket", "gorilla", "coder", "gobwas", "gws", "nbio"}

// headlineRows are the rows of the table in the README.
func headlineRows() []summaryRow {
	const memory = "Memory of a waiting connection"
	return []summaryRow{
		{label: "echo of 128 B, µs", table: "Echo, text", row: "100 × 128 B"},
		{label: "echo of 16 KiB, µs", table: "Echo, text", row: "100 × 16 KiB"},
		{label: "echo of 16 KiB over TLS, µs", table: "Echo over TLS, text", row: "100 × 16 KiB"},
		{label: "16 requests outstanding, 128 B, µs", table: "Echo with 16 messages outstanding, binary", row: "100 × 128 B"},
		{label: "compressed echo of 1 KiB, µs", table: "Compressed echo of JSON, CPU", row: "1 KiB, with takeover"},
		{label: "waiting connection, KiB", table: memory, row: "10,000, plain, after 1 message"},
		{label: "waiting connection over TLS, KiB", table: memory, row: "1,000, TLS, after 1 message"},
	}
}

// headline returns the table of the README: the best of the ways in which each library
// was measured.
func headline(cells []*report.Cell) ([]byte, error) {
	tables := tablesByName(cells)
	var b bytes.Buffer
	fmt.Fprintf(&b, "| | **%s** |\n", strings.Join(headlineLibraries, "** | **"))
	fmt.Fprintf(&b, "|---%s|\n", strings.Repeat("|--:", len(headlineLibraries)))
	for _, r := range headlineRows() {
		t := tables[r.table]
		if t == nil {
			return nil, fmt.Errorf("the results do not have %q", r.table)
		}
		fmt.Fprintf(&b, "| %s ", r.label)
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
