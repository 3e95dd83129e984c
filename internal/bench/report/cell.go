// Package report turns samples into tables and charts.
package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Cell is what was measured of one subject in one scenario.
type Cell struct {
	Scenario  string
	Table     string
	Row       string
	Column    string
	Unit      string
	Chart     string    `json:",omitempty"` // the chart it is in
	Reference string    `json:",omitempty"` // the column of the limit
	Ours      bool      `json:",omitempty"`
	Limit     bool      `json:",omitempty"`
	Samples   []float64 // one for each round

	// What Parse has read. Ratios of the medians, which are rounded there, would
	// be less exact.
	toLimit, toPeer string
}

// Median returns the median of the samples.
func (c *Cell) Median() float64 {
	s := slices.Sorted(slices.Values(c.Samples))
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// Spread returns the smallest sample and the largest.
func (c *Cell) Spread() (low, high float64) { return slices.Min(c.Samples), slices.Max(c.Samples) }

// A Table is cells in rows and columns.
type Table struct {
	Name, Unit    string
	Rows, Columns []string
	cells         map[[2]string]*Cell
}

// Tables sorts cells into tables, all in the order in which they come.
func Tables(cells []*Cell) []*Table {
	var tables []*Table
	for _, c := range cells {
		i := slices.IndexFunc(tables, func(t *Table) bool { return t.Name == c.Table })
		if i < 0 {
			i = len(tables)
			tables = append(tables, &Table{Name: c.Table, Unit: c.Unit, cells: make(map[[2]string]*Cell)})
		}
		tables[i].add(c)
	}
	return tables
}

func (t *Table) add(c *Cell) {
	if !slices.Contains(t.Rows, c.Row) {
		t.Rows = append(t.Rows, c.Row)
	}
	if !slices.Contains(t.Columns, c.Column) {
		t.Columns = append(t.Columns, c.Column)
	}
	t.cells[[2]string{c.Row, c.Column}] = c
}

// Cell returns the cell at a place, nil if there is none.
func (t *Table) Cell(row, column string) *Cell { return t.cells[[2]string{row, column}] }

// row returns the cells of a row.
func (t *Table) row(row string) []*Cell {
	var cells []*Cell
	for _, column := range t.Columns {
		if c := t.Cell(row, column); c != nil {
			cells = append(cells, c)
		}
	}
	return cells
}

// BestPeer returns the peer with the lowest median in a row, nil if there is
// none. Those in except are left out.
func (t *Table) BestPeer(row string, except ...string) *Cell {
	return t.best(row, func(c *Cell) bool { return !c.Ours && !slices.Contains(except, c.Column) })
}

// BestOfOurs returns the cell of ours with the lowest median in a row, nil if
// there is none.
func (t *Table) BestOfOurs(row string) *Cell {
	return t.best(row, func(c *Cell) bool { return c.Ours })
}

// BestOf returns the cell with the lowest median in a row of all columns of a
// library, which begin with its name, nil if there is none.
func (t *Table) BestOf(row, library string) *Cell {
	return t.best(row, func(c *Cell) bool {
		rest, ok := strings.CutPrefix(c.Column, library)
		return ok && (rest == "" || rest[0] == '-' || rest[0] == ' ' || rest[0] == ',')
	})
}

func (t *Table) best(row string, counts func(*Cell) bool) *Cell {
	var best *Cell
	for _, c := range t.row(row) {
		if !c.Limit && counts(c) && (best == nil || c.Median() < best.Median()) {
			best = c
		}
	}
	return best
}

// LimitOf returns the limit that a row is compared with, nil if there is none.
func (t *Table) LimitOf(row string) *Cell {
	for _, c := range t.row(row) {
		if c.Column == c.Reference {
			return c
		}
	}
	return nil
}

// ToLimit returns the ratio of a cell to the limit of its row.
func (t *Table) ToLimit(c *Cell) string {
	if c.toLimit != "" {
		return c.toLimit
	}
	return ratio(c, t.LimitOf(c.Row))
}

// ToPeer returns the ratio of a cell to the best peer of its row, but for those
// in except.
func (t *Table) ToPeer(c *Cell, except ...string) string {
	best, peer := t.BestPeer(c.Row), t.BestPeer(c.Row, except...)
	if best == peer && c.toPeer != "" {
		return c.toPeer
	}
	return ratio(c, peer)
}

// ratio returns the ratio of the medians of two cells. It is empty if there is
// no b, or its median is zero, as allocations can be.
func ratio(a, b *Cell) string {
	if b == nil || !(b.Median() > 0.005) {
		return ""
	}
	return number(a.Median() / b.Median())
}

// Value returns the median as it is written in tables.
func (c *Cell) Value() string { return number(c.Median()) }

// number returns v with three significant digits, and no exponent.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return ""
	case a >= 1000:
		return thousands(int(math.Round(v)))
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// thousands returns n with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
