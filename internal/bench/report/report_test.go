package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed23105783/websocket/internal/bench/report"
)

func cells() []*report.Cell {
	cell := func(row, column string, samples ...float64) *report.Cell {
		return &report.Cell{Table: "Echo <&>", Row: row, Column: column, Unit: "µs", Chart: "echo", Reference: "raw",
			Ours: strings.HasPrefix(column, "our"), Limit: column == "raw", Samples: samples}
	}
	return []*report.Cell{
		cell("16 B", "raw", 4, 2, 2), cell("16 B", "our", 3, 1, 5), cell("16 B", "our-append", 2.5), cell("16 B", "peer", 6, 4, 5),
		cell("1 KiB", "raw", 10), cell("1 KiB", "our", 1234.5), cell("1 KiB", "peer", 20),
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		samples []float64
		want    float64
	}{{[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 100}, 3}} {
		c := report.Cell{Samples: test.samples}
		if got := c.Median(); got != test.want {
			t.Error(test.samples, got)
		}
	}
	if !math.IsNaN((&report.Cell{}).Median()) {
		t.Error("a median of nothing")
	}
	low, high := (&report.Cell{Samples: []float64{4, 1, 2}}).Spread()
	if low != 1 || high != 4 {
		t.Error(low, high)
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	for _, table := range report.Tables(cells()) {
		table.Markdown(&b)
	}
	const want = `### Echo <&>

In µs, in brackets the ratio to raw; last, the best peer and the ratio of our best to it.

| | raw | our | our-append | peer | best peer |
|---|--:|--:|--:|--:|--:|
| 16 B | 2.00 | **3.00 (1.50)** | **2.50 (1.25)** | 5.00 (2.50) | peer, 0.50 |
| 1 KiB | 10.0 | **1,235 (123)** | – | 20.0 (2.00) | peer, 61.7 |

`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDetails(t *testing.T) {
	var b strings.Builder
	report.Tables(cells())[0].Details(&b)
	if got := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(got, "our 3.00 1.00–5.00 1.50 0.60") {
		t.Error(got)
	}
}

func TestBestPeer(t *testing.T) {
	cell := func(column string, median float64) *report.Cell {
		return &report.Cell{Table: "t", Row: "r", Column: column, Ours: column == "our", Limit: column == "raw",
			Samples: []float64{median}}
	}
	table := report.Tables([]*report.Cell{cell("raw", 1), cell("our", 3), cell("slow", 9), cell("fast", 2), cell("middling", 4)})[0]
	if c := table.BestPeer("r"); c == nil || c.Column != "fast" || table.ToPeer(table.BestOfOurs("r")) != "1.50" {
		t.Error(c)
	}
	if c := table.BestPeer("r", "fast", "slow"); c == nil || c.Column != "middling" ||
		table.ToPeer(table.BestOfOurs("r"), "fast", "slow") != "0.75" {
		t.Error(c)
	}
	if c := table.BestPeer("r", "fast", "slow", "middling"); c != nil || table.ToPeer(table.BestOfOurs("r"), "fast", "slow", "middling") != "" {
		t.Error(c)
	}
}

// TestParse reads back what Details has written between other text.
func TestParse(t *testing.T) {
	written := cells()
	written = append(written, &report.Cell{Table: "Memory of a (x)", Row: "2,000, after 40", Column: "our in handler 4 KiB", Unit: "KiB",
		Samples: []float64{12345}})
	small := func(column string, ours bool, median float64) *report.Cell {
		return &report.Cell{Table: "Small", Row: "1", Column: column, Unit: "µs", Ours: ours, Samples: []float64{median}}
	}
	written = append(written, small("our", true, 0.304), small("peer", false, 0.696))
	var b strings.Builder
	b.WriteString("# Results\n\n| a | 2.00 |\n\n```\n")
	for _, table := range report.Tables(written) {
		table.Details(&b)
	}
	b.WriteString("```\n\n</details>\n")
	read, err := report.Parse(strings.NewReader(b.String()))
	if err != nil || len(read) != len(written) {
		t.Fatal(len(read), err)
	}
	for i, c := range read {
		low, high := c.Spread()
		wantLow, wantHigh := written[i].Spread()
		if c.Table != written[i].Table || c.Row != written[i].Row || c.Column != written[i].Column || c.Unit != written[i].Unit ||
			c.Value() != written[i].Value() || math.Round(low) != math.Round(wantLow) || math.Round(high) != math.Round(wantHigh) {
			t.Errorf("%+v, want %+v", c, written[i])
		}
		c.Ours = written[i].Ours
	}
	tables := report.Tables(read)
	last := tables[len(tables)-1]
	if got := last.ToPeer(last.BestOfOurs("1")); got != "0.44" { // and not 0.43, as of 0.30 and 0.70
		t.Error(got)
	}
}

// TestChartSaysWhatItComparesWith: some rows have a limit, and others none.
func TestChartSaysWhatItComparesWith(t *testing.T) {
	cell := func(row, column string) *report.Cell {
		return &report.Cell{Table: "t", Row: row, Column: column, Unit: "µs", Chart: "c", Reference: "raw", Ours: column == "our",
			Limit: column == "raw", Samples: []float64{float64(len(column))}}
	}
	with := []*report.Cell{cell("a", "raw"), cell("a", "our"), cell("a", "peer")}
	without := []*report.Cell{cell("b", "our"), cell("b", "peer"), cell("b", "worse peer")}
	alone := []*report.Cell{cell("c", "our"), cell("c", "other")}
	for _, test := range []struct {
		cells []*report.Cell
		want  string
	}{
		{with, "the ratio to raw."},
		{without, "the ratio to the best peer, peer."},
		{slices.Concat(without, alone), "the ratio to the best peer, which each row names."},
		{slices.Concat(with, without), "the ratio to raw or, without it, the best peer."},
	} {
		var b strings.Builder
		report.Chart(&b, "c", test.cells)
		if !strings.Contains(b.String(), test.want) {
			t.Errorf("no %q in\n%s", test.want, b.String())
		}
	}
	var b strings.Builder
	report.Chart(&b, "c", slices.Concat(with, without))
	for _, row := range []string{"a</tspan><tspan class=\"faint\">, ratio to raw<", "b</tspan><tspan class=\"faint\">, ratio to peer<"} {
		if !strings.Contains(b.String(), row) {
			t.Errorf("no %q in\n%s", row, b.String())
		}
	}
}

func TestChartIsWellFormed(t *testing.T) {
	if names := report.Charts(cells()); len(names) != 1 || names[0] != "echo" {
		t.Fatal(names)
	}
	var b strings.Builder
	report.Chart(&b, "echo", cells())
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != len(cells()) {
		t.Error(bars)
	}
}
