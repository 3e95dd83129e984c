package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
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

In µs, in brackets the ratio to raw; last, our best against the best peer.

| | raw | our | our-append | peer | ours/peer |
|---|--:|--:|--:|--:|--:|
| 16 B | 2.00 | **3.00 (1.50)** | **2.50 (1.25)** | 5.00 (2.50) | 0.50 |
| 1 KiB | 10.0 | **1,235 (123)** | – | 20.0 (2.00) | 61.7 |

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
