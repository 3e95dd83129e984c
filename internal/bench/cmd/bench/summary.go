package main

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed23105783/websocket/internal/bench/peer"
	"github.com/seed23105783/websocket/internal/bench/report"
)

// A summaryRow is a row of the table in the README: one cell of the results,
// beside the best peer and the limit.
type summaryRow struct {
	label              string
	table, row, column string
	aim                string

	// without are peers that the row leaves out. The label says which, and the
	// best of all is named all the same.
	without []string
}

// withoutGoroutine are the peers without a goroutine for each connection.
var withoutGoroutine = []string{"nbio"}

// withoutNetHTTP returns the peers that are not behind net/http.
func withoutNetHTTP() []string {
	var names []string
	for _, s := range peer.Servers() {
		if !s.HTTP {
			names = append(names, s.Name)
		}
	}
	return names
}

// summaryRows are the rows of the table, in their order, as far as results with
// these tables, by name, have them.
func summaryRows(tables map[string]*report.Table) []summaryRow {
	var rows []summaryRow
	add := func(label, table, row, column, aim string, without ...string) {
		rows = append(rows, summaryRow{label, table, row, column, aim, without})
	}
	for _, size := range []string{"16 B", "128 B", "1 KiB", "16 KiB", "128 KiB", "1 MiB"} {
		aim := "limit ≤ 1.05"
		if strings.HasSuffix(size, "6 KiB") || strings.HasSuffix(size, "8 KiB") || strings.HasSuffix(size, "MiB") {
			aim = "limit ≤ 1.10"
		}
		add("echo, 100 × "+size+", `AppendMessage`", "Echo, text", "100 × "+size, "websocket-append", aim)
	}
	for _, size := range []string{"128 B", "16 KiB", "1 MiB"} {
		add("echo, 100 × "+size+", `ReadMessage`", "Echo, text", "100 × "+size, "websocket", "")
	}
	for _, size := range []string{"16 KiB", "128 KiB", "1 MiB"} {
		add("echo of bytes, 100 × "+size+", `AppendMessage`", "Echo, binary", "100 × "+size, "websocket-append", "limit ≤ 1.10")
	}
	for _, size := range []string{"16 B", "128 B", "1 KiB"} {
		const table = "Echo with 16 messages outstanding, binary"
		label, row := "16 outstanding, 100 × "+size+", ", "100 × "+size
		if isOld(tables[table], row) {
			add(label+"`Send`", table, row, "websocket-send", "limit ≤ 1.6")
			add(label+"`BatchWrites`", table, row, oldBatch, "limit ≤ 1.6")
			continue
		}
		add(label+"`WriteMessage`", table, row, "websocket-append", "limit ≤ 1.6")
		add(label+"`Send`", table, row, "websocket-send", "limit ≤ 1.6")
		add(label+"`WriteImmediately`", table, row, "websocket-immediate", "")
	}
	add("client, 128 KiB, `AppendMessage`", "Client, text", "128 KiB", "websocket-append", "")
	add("client, 1 MiB, `AppendMessage`", "Client, text", "1 MiB", "websocket-append", "limit ≤ 1.3")

	const memory, goroutine = "Memory of a waiting connection", "… against peers with a goroutine for each connection"
	add("waiting, 10,000", memory, "10,000, plain, after 1 message", "websocket", "≤ 4.5")
	add(goroutine, memory, "10,000, plain, after 1 message", "websocket", "", withoutGoroutine...)
	add("waiting, 10,000, reading in the handler", memory, "10,000, plain, after 1 message", "websocket in handler", "")
	add(goroutine, memory, "10,000, plain, after 1 message", "websocket in handler", "", withoutGoroutine...)
	add("waiting, 10,000, compressed without takeover", memory, "10,000, compressed without takeover, after 1 message", "websocket", "≤ 4.5")
	add(goroutine, memory, "10,000, compressed without takeover, after 1 message", "websocket", "", withoutGoroutine...)
	add("waiting, takeover, 4 KiB windows, after 1 message", memory, "2,000, takeover, 4 KiB windows, after 1 message", "websocket", "≤ 20")
	add("… after 40", memory, "2,000, takeover, 4 KiB windows, after 40", "websocket", "")
	add("waiting, takeover, 32 KiB windows, after 1 message", memory, "2,000, takeover, 32 KiB windows, after 1 message", "websocket", "≤ 110")
	add("… after 40", memory, "2,000, takeover, 32 KiB windows, after 40", "websocket", "≤ 110")

	for _, with := range []string{"without", "with"} {
		for _, size := range []string{"256 B", "1 KiB", "16 KiB"} {
			row := size + ", " + with + " takeover"
			add("compressed echo, "+row, "Compressed echo of JSON, CPU", row, "websocket", "peer ≤ 0.6")
		}
	}
	for _, row := range []string{"1,000 recipients, 128 B plain", "5,000 recipients, 128 B plain",
		"1,000 recipients, 1 KiB compressed", "5,000 recipients, 1 KiB compressed"} {
		add("broadcast, "+row+", `Group`", "Broadcast", row, "websocket-group", "peer ≤ 1")
	}
	const netHTTP = "… against peers on net/http"
	add("handshake", "Handshakes, CPU", "connect, upgrade, close", "websocket", "limit ≤ 1.1")
	add(netHTTP, "Handshakes, CPU", "connect, upgrade, close", "websocket", "", withoutNetHTTP()...)
	add("handshake", "Handshakes, allocations", "connect, upgrade, close", "websocket", "≤ 56")
	add(netHTTP, "Handshakes, allocations", "connect, upgrade, close", "websocket", "", withoutNetHTTP()...)
	for _, size := range []string{"16 B", "1 KiB", "64 KiB"} {
		add("reading in memory, "+size+", `AppendMessage`", "Reading in memory, CPU", size, "websocket-append", "peer ≤ 1")
	}
	for _, size := range []string{"16 B", "1 KiB", "64 KiB"} {
		add("writing in memory, "+size, "Writing in memory, CPU", size, "websocket", "peer ≤ 1")
	}
	return rows
}

// besideTheTable are the names of scenarios that the table has no rows of, and
// that the text below it or results.md has figures of.
var besideTheTable = regexp.MustCompile(`^(client/text/.*|echo/text/(1|1000)x128B|pipelined/binary/100x16KiB)$`)

// isForReadme reports whether the README has figures of s.
func (s *scenario) isForReadme() bool {
	return besideTheTable.MatchString(s.name) || slices.ContainsFunc(summaryRows(nil), func(r summaryRow) bool {
		return slices.ContainsFunc(s.metrics, func(m metric) bool { return m.table == r.table && m.row == r.row })
	})
}

// tablesByName returns the tables that cells make.
func tablesByName(cells []*report.Cell) map[string]*report.Table {
	tables := make(map[string]*report.Table)
	for _, t := range report.Tables(cells) {
		tables[t.Name] = t
	}
	return tables
}

// summary returns the table of the README.
func summary(cells []*report.Cell) ([]byte, error) {
	tables := tablesByName(cells)
	var b bytes.Buffer
	b.WriteString("| scenario | this library | best peer | limit | to the peer | to the limit | aimed at |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range summaryRows(tables) {
		t := tables[r.table]
		if t == nil || t.Cell(r.row, r.column) == nil {
			return nil, fmt.Errorf("the results do not have %q, %q, %q", r.table, r.row, r.column)
		}
		r.write(&b, t)
	}
	return b.Bytes(), nil
}

func (r *summaryRow) write(b *bytes.Buffer, t *report.Table) {
	ours, limit := t.Cell(r.row, r.column), t.LimitOf(r.row)
	best, chosen := t.BestPeer(r.row), t.BestPeer(r.row, r.without...)
	named := "–"
	if chosen != nil {
		named = chosen.Value() + " " + chosen.Column
	}
	if best != chosen {
		named += "; " + best.Value() + " " + best.Column + " left out"
	}
	limitValue := "–"
	if limit != nil {
		limitValue = limit.Value()
	}
	unit, _, _ := strings.Cut(ours.Unit, "/")
	unit, _, _ = strings.Cut(unit, " ")
	fmt.Fprintf(b, "| %s | %s %s | %s | %s | %s | %s | %s |\n", r.label, ours.Value(), unit, named, limitValue,
		cmp.Or(t.ToPeer(ours, r.without...), "–"), cmp.Or(t.ToLimit(ours), "–"), r.aim)
}
