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

// A summaryRow is a row of the table in internal/bench/README.md: one cell of the
// results, beside the best peer and the limit.
type summaryRow struct {
	label              string
	table, row, column string

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

// summaryRows are the rows of the table, in their order.
func summaryRows() []summaryRow {
	var rows []summaryRow
	add := func(label, table, row, column string, without ...string) {
		rows = append(rows, summaryRow{label, table, row, column, without})
	}
	for _, way := range []struct{ column, label string }{
		{"websocket-append", "`AppendMessage`"}, {"websocket-events", "`Events`"}, {"websocket", "`ReadMessage`"},
	} {
		for _, size := range []string{"16 B", "128 B", "1 KiB", "16 KiB", "128 KiB", "1 MiB"} {
			add("echo, 100 × "+size+", "+way.label, "Echo, text", "100 × "+size, way.column)
		}
	}
	for _, size := range []string{"16 KiB", "128 KiB", "1 MiB"} {
		add("echo of bytes, 100 × "+size+", `AppendMessage`", "Echo, binary", "100 × "+size, "websocket-append")
	}
	for _, size := range []string{"128 B", "1 KiB", "16 KiB", "128 KiB", "1 MiB"} {
		add("echo over TLS, 100 × "+size+", `AppendMessage`", "Echo over TLS, text", "100 × "+size, "websocket-append")
	}
	for _, size := range []string{"16 B", "128 B", "1 KiB"} {
		const table = "Echo with 16 messages outstanding, binary"
		label, row := "16 outstanding, 100 × "+size+", ", "100 × "+size
		add(label+"`WriteMessage`", table, row, "websocket-append")
		add(label+"`Send`", table, row, "websocket-send")
		add(label+"`WriteImmediately`", table, row, "websocket-immediate")
	}
	add("client, 128 KiB, `AppendMessage`", "Client, text", "128 KiB", "websocket-append")
	add("client, 1 MiB, `AppendMessage`", "Client, text", "1 MiB", "websocket-append")
	rows = append(rows, memoryRows()...)
	for _, with := range []string{"without", "with"} {
		for _, size := range []string{"256 B", "1 KiB", "16 KiB"} {
			row := size + ", " + with + " takeover"
			add("compressed echo, "+row, "Compressed echo of JSON, CPU", row, "websocket")
		}
	}
	for _, row := range []string{"1,000 recipients, 128 B plain", "5,000 recipients, 128 B plain",
		"1,000 recipients, 1 KiB compressed", "5,000 recipients, 1 KiB compressed"} {
		add("broadcast, "+row+", `Group`", "Broadcast", row, "websocket-group")
	}
	const netHTTP = "… against peers on net/http"
	add("handshake", "Handshakes, CPU", "connect, upgrade, close", "websocket")
	add(netHTTP, "Handshakes, CPU", "connect, upgrade, close", "websocket", withoutNetHTTP()...)
	add("handshake, allocations", "Handshakes, allocations", "connect, upgrade, close", "websocket")
	add(netHTTP, "Handshakes, allocations", "connect, upgrade, close", "websocket", withoutNetHTTP()...)
	add("handshake over TLS", "Handshakes over TLS, CPU", "connect, TLS, upgrade, close", "websocket")
	for _, size := range []string{"16 B", "1 KiB", "64 KiB"} {
		add("reading in memory, "+size+", `AppendMessage`", "Reading in memory, CPU", size, "websocket-append")
	}
	for _, size := range []string{"16 B", "1 KiB", "64 KiB"} {
		add("writing in memory, "+size, "Writing in memory, CPU", size, "websocket")
	}
	return rows
}

// memoryRows are those of connections that wait.
func memoryRows() []summaryRow {
	const table, goroutine = idleTable, "… against peers with a goroutine for each connection"
	return []summaryRow{
		{"waiting, 10,000", table, "10,000, plain, after 1 message", "websocket", nil},
		{goroutine, table, "10,000, plain, after 1 message", "websocket", withoutGoroutine},
		{"waiting, 10,000, `Events`", table, "10,000, plain, after 1 message", "websocket-events", nil},
		{"waiting, 10,000, reading in the handler", table, "10,000, plain, after 1 message", "websocket in handler", nil},
		{goroutine, table, "10,000, plain, after 1 message", "websocket in handler", withoutGoroutine},
		{"waiting, 10,000, compressed without takeover", table, "10,000, compressed without takeover, after 1 message", "websocket", nil},
		{goroutine, table, "10,000, compressed without takeover, after 1 message", "websocket", withoutGoroutine},
		{"waiting, takeover, 4 KiB windows, after 1 message", table, "2,000, takeover, 4 KiB windows, after 1 message", "websocket", nil},
		{"… after 40", table, "2,000, takeover, 4 KiB windows, after 40", "websocket", nil},
		{"waiting, takeover, 32 KiB windows, after 1 message", table, "2,000, takeover, 32 KiB windows, after 1 message", "websocket", nil},
		{"… after 40", table, "2,000, takeover, 32 KiB windows, after 40", "websocket", nil},
		{"waiting, 1,000, TLS", table, "1,000, TLS, after 1 message", "websocket", nil},
		{"waiting, 1,000, TLS, `Events`", table, "1,000, TLS, after 1 message", "websocket-events", nil},
	}
}

// besideTheTable are the names of scenarios that the tables have no rows of, and
// that the text below them or results.md has figures of.
var besideTheTable = regexp.MustCompile(`^(client/text/.*|echo/text/(1|1000|10000)x(16|128)B|pipelined/binary/100x16KiB|latency.*|http2/.*|idle/http2/.*|tls/.*|beyond/.*)$`)

// isForReadme reports whether one of the READMEs has figures of s.
func (s *scenario) isForReadme() bool {
	rows := summaryRows()
	for _, r := range headlineRows {
		rows = append(rows, r.summary())
	}
	return besideTheTable.MatchString(s.name) || slices.ContainsFunc(rows, func(r summaryRow) bool {
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

// summary returns the table of internal/bench/README.md.
func summary(cells []*report.Cell) ([]byte, error) {
	tables := tablesByName(cells)
	var b bytes.Buffer
	b.WriteString("| scenario | this library | best peer | limit | to the peer | to the limit |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|\n")
	for _, r := range summaryRows() {
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
	fmt.Fprintf(b, "| %s | %s %s | %s | %s | %s | %s |\n", r.label, ours.Value(), unit, named, limitValue,
		cmp.Or(t.ToPeer(ours, r.without...), "–"), cmp.Or(t.ToLimit(ours), "–"))
}
