package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes a heading and the table, with a line that explains it.
func (t *Table) Markdown(w io.Writer) {
	fmt.Fprintf(w, "### %s\n\n", t.Name)
	t.Body(w)
	fmt.Fprintln(w)
}

// Body writes what Markdown writes between the heading and the empty line at
// the end: medians with the ratio to the limit if there is one, and in the last
// column the best peer and the ratio of our best to it.
func (t *Table) Body(w io.Writer) {
	what := t.Unit
	limit := t.limitName()
	if limit != "" {
		what += ", in brackets the ratio to " + limit
	}
	fmt.Fprintf(w, "In %s; last, the best peer and the ratio of our best to it.\n\n| |", what)
	for _, column := range t.Columns {
		fmt.Fprintf(w, " %s |", column)
	}
	fmt.Fprintf(w, " best peer |\n|---|%s--:|\n", strings.Repeat("--:|", len(t.Columns)))
	for _, row := range t.Rows {
		fmt.Fprintf(w, "| %s |", row)
		for _, column := range t.Columns {
			fmt.Fprintf(w, " %s |", t.text(row, column))
		}
		fmt.Fprintf(w, " %s |\n", t.bestPeer(row))
	}
}

// bestPeer returns the name of the best peer in a row and the ratio of our best
// to it.
func (t *Table) bestPeer(row string) string {
	best := t.BestPeer(row)
	if best == nil {
		return ""
	}
	if ours := t.BestOfOurs(row); ours != nil && t.ToPeer(ours) != "" {
		return best.Column + ", " + t.ToPeer(ours)
	}
	return best.Column
}

// text returns what is written in a cell.
func (t *Table) text(row, column string) string {
	c := t.Cell(row, column)
	if c == nil {
		return "–"
	}
	text := c.Value()
	if limit := t.LimitOf(row); limit != nil && limit != c {
		text += " (" + t.ToLimit(c) + ")"
	}
	if c.Ours {
		text = "**" + text + "**"
	}
	return text
}

// limitName returns the column of the limit.
func (t *Table) limitName() string {
	for _, c := range t.cells {
		if c.Reference != "" {
			return c.Reference
		}
	}
	return ""
}

// Details writes all that is known of each cell, one in a line.
func (t *Table) Details(w io.Writer) {
	fmt.Fprintf(w, "%s [%s]\n", t.Name, t.Unit)
	for _, row := range t.Rows {
		fmt.Fprintf(w, "  %s\n", row)
		fmt.Fprintf(w, "    %-24s %10s %23s %8s %8s\n", "", "median", "min–max", "×limit", "×peer")
		for _, c := range t.row(row) {
			low, high := c.Spread()
			fmt.Fprintf(w, "    %-24s %10s %23s %8s %8s\n", c.Column, c.Value(), number(low)+"–"+number(high),
				t.ToLimit(c), t.ToPeer(c))
		}
	}
}
