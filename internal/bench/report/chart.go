package report

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// The measures of a chart in pixels.
const (
	chartWidth  = 720
	labelWidth  = 170
	valueWidth  = 130
	barWidth    = chartWidth - labelWidth - valueWidth
	barHeight   = 13
	barStep     = 17
	groupHeight = 26
	groupGap    = 10
	titleHeight = 52
)

// chartStyle is readable on light and on dark ground.
const chartStyle = `<style>
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.row { font-weight: 600 }
.faint { fill: #57606a }
.peer { fill: #8c959f }
.limit { fill: #d0d7de }
.ours { fill: #0969da }
.base { stroke: #57606a; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.faint { fill: #9198a1 }
.peer { fill: #6e7681 }
.limit { fill: #3d444d }
.ours { fill: #4493f8 }
.base { stroke: #9198a1 }
}
</style>
`

// Charts returns the names of the charts that cells are in.
func Charts(cells []*Cell) []string {
	var names []string
	for _, c := range cells {
		if c.Chart != "" && !slices.Contains(names, c.Chart) {
			names = append(names, c.Chart)
		}
	}
	return names
}

// A chart is what is drawn.
type chart struct {
	b strings.Builder
	y int

	// longest is the ratio at which bars are cut: what is ten times slower
	// must not make a hair of the differences between the others.
	longest float64
}

// Chart writes the bar chart of a name as SVG: a group of bars for each row, as
// long as the ratio to the limit or, where there is none, to the best peer. Each
// row says to which.
func Chart(w io.Writer, name string, cells []*Cell) {
	cells = slices.DeleteFunc(slices.Clone(cells), func(c *Cell) bool { return c.Chart != name })
	d := &chart{y: titleHeight, longest: longestRatio(cells)}
	for _, t := range Tables(cells) {
		for _, row := range t.Rows {
			d.group(t, row)
		}
	}
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n",
		chartWidth, d.y, chartWidth, d.y)
	fmt.Fprint(w, chartStyle)
	first := cells[0]
	fmt.Fprintf(w, `<text class="title" x="8" y="20">%s</text>`+"\n", html.EscapeString(first.Table))
	fmt.Fprintf(w, `<text class="faint" x="8" y="38">%s; bars, and in brackets: the ratio to %s. Shorter is better.</text>`+"\n",
		html.EscapeString(first.Unit), html.EscapeString(comparedWith(cells)))
	fmt.Fprint(w, d.b.String(), "</svg>\n")
}

// comparedWith says what the bars of a chart are compared with: one column or,
// where it is not the same in all rows, the kinds of them.
func comparedWith(cells []*Cell) string {
	var limits, peers []string
	for _, t := range Tables(cells) {
		for _, row := range t.Rows {
			names := &peers
			if t.LimitOf(row) != nil || t.BestPeer(row) == nil {
				names = &limits
			}
			if base := t.base(row).Column; !slices.Contains(*names, base) {
				*names = append(*names, base)
			}
		}
	}
	switch {
	case len(peers) == 0:
		return strings.Join(limits, " or ")
	case len(limits) == 0 && len(peers) == 1:
		return "the best peer, " + peers[0]
	case len(limits) == 0:
		return "the best peer, which each row names"
	}
	return strings.Join(limits, " or ") + " or, without it, the best peer"
}

// longestRatio returns a length that most bars do not exceed.
func longestRatio(cells []*Cell) float64 {
	var ratios []float64
	for _, t := range Tables(cells) {
		for _, row := range t.Rows {
			for _, c := range t.row(row) {
				ratios = append(ratios, c.Median()/t.base(row).Median())
			}
		}
	}
	slices.Sort(ratios)
	return max(2, 1.1*ratios[len(ratios)*85/100])
}

// base returns what the bars of a row are compared with.
func (t *Table) base(row string) *Cell {
	return cmp.Or(t.LimitOf(row), t.BestPeer(row), t.BestOfOurs(row))
}

// toBase returns the ratio of a cell to the base of its row.
func (t *Table) toBase(c *Cell) string {
	switch t.base(c.Row) {
	case t.LimitOf(c.Row):
		return t.ToLimit(c)
	case t.BestPeer(c.Row):
		return t.ToPeer(c)
	}
	return ratio(c, t.base(c.Row))
}

// group draws the bars of a row.
func (d *chart) group(t *Table, row string) {
	base := t.base(row)
	fmt.Fprintf(&d.b, `<text x="8" y="%d"><tspan class="row">%s</tspan><tspan class="faint">, ratio to %s</tspan></text>`+"\n",
		d.y+17, html.EscapeString(row), html.EscapeString(base.Column))
	d.y += groupHeight
	top := d.y
	for _, c := range t.row(row) {
		d.bar(c, c.Median()/base.Median(), t.toBase(c))
		d.y += barStep
	}
	x := labelWidth + barWidth/d.longest
	fmt.Fprintf(&d.b, `<line class="base" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x, x, top-3, d.y)
	d.y += groupGap
}

// bar draws one bar, as long as a ratio.
func (d *chart) bar(c *Cell, ratio float64, text string) {
	class, cut := "peer", ""
	switch {
	case c.Limit:
		class = "limit"
	case c.Ours:
		class = "ours"
	}
	if ratio > d.longest {
		cut = "→ "
	}
	length := barWidth * max(0, min(ratio, d.longest)) / d.longest
	fmt.Fprintf(&d.b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-8, d.y+11, html.EscapeString(c.Column))
	fmt.Fprintf(&d.b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n", class, labelWidth, d.y, length, barHeight)
	fmt.Fprintf(&d.b, `<text class="faint" x="%.1f" y="%d">%s%s (%s)</text>`+"\n", labelWidth+length+6, d.y+11, cut,
		c.Value(), text)
}
