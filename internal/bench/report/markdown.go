package report

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Markdown writes a table: medians with the ratio to the limit if there is
// one, and in the last column ours to the best peer.
func (t *Table) Markdown(w io.Writer) {
	fmt.Fprintf(w, "### %s\n\n", t.Name)
	what := t.Unit
	limit := t.limitName()
	if limit != "" {
		what += ", in brackets the ratio to " + limit
	}
	fmt.Fprintf(w, "In %s; last, our best against the best peer.\n\n| |", what)
	for _, column := range t.Columns {
		fmt.Fprintf(w, " %s |", column)
	}
	fmt.Fprintf(w, " ours/peer |\n|---|%s--:|\n", strings.Repeat("--:|", len(t.Columns)))
	for _, row := range t.Rows {
		fmt.Fprintf(w, "| %s |", row)
		for _, column := range t.Columns {
			fmt.Fprintf(w, " %s |", t.text(row, column))
		}
		fmt.Fprintf(w, " %s |\n", ratio(t.Best(row, true), t.Best(row, false)))
	}
	fmt.Fprintln(w)
}

// text returns what is written in a cell.
func (t *Table) text(row, column string) string {
	c := t.Cell(row, column)
	if c == nil {
		return "–"
	}
	text := number(c.Median())
	if limit := t.LimitOf(row); !math.IsNaN(limit) && column != c.Reference {
		text += " (" + ratio(c.Median(), limit) + ")"
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
		limit, peer := t.LimitOf(row), t.Best(row, false)
		for _, c := range t.row(row) {
			low, high := c.Spread()
			m := c.Median()
			fmt.Fprintf(w, "    %-24s %10s %23s %8s %8s\n", c.Column, number(m), number(low)+"–"+number(high),
				ratio(m, limit), ratio(m, peer))
		}
	}
}
