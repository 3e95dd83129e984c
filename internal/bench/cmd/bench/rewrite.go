package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/seed23105783/websocket/internal/bench/report"
)

// The tables in the READMEs are between these lines.
const (
	headlineBegin = "<!-- figures: cd internal/bench && go run ./cmd/bench -rewrite -->\n"
	summaryBegin  = "<!-- cd internal/bench && go run ./cmd/bench -rewrite -->\n"
	tableEnd      = "<!-- end of the table -->\n"
)

// A rewriting is a file with a table that is made from the results.
type rewriting struct {
	file, begin string
	table       func([]*report.Cell) ([]byte, error)
}

// rewritings are those in the directory of the repository.
func rewritings(root string) []rewriting {
	return []rewriting{
		{filepath.Join(root, "README.md"), headlineBegin, headline},
		{filepath.Join(root, "README.zh-CN.md"), headlineBegin, headlineChinese},
		{filepath.Join(root, "internal/bench/README.md"), summaryBegin, summary},
	}
}

// rewrite makes the tables and charts in dir, and those in other files, anew from the
// medians in dir/results.md.
func rewrite(dir string, others []rewriting) error {
	results, err := os.ReadFile(filepath.Join(dir, "results.md"))
	if err != nil {
		return err
	}
	cells, err := readResults(results)
	if err != nil {
		return err
	}
	files := charts(cells)
	if files["results.md"], err = rewriteTables(results, cells); err != nil {
		return err
	}
	for _, r := range others {
		text, err := r.apply(cells)
		if err != nil {
			return err
		}
		if err := os.WriteFile(r.file, text, 0o666); err != nil {
			return err
		}
	}
	return writeFiles(dir, files)
}

// readResults returns the cells in the details of a results.md. What is not
// written there is taken from the scenarios.
func readResults(results []byte) ([]*report.Cell, error) {
	cells, err := report.Parse(bytes.NewReader(results))
	if err != nil {
		return nil, err
	}
	type place struct{ table, row, column string }
	known := make(map[place]*report.Cell)
	for _, s := range scenarios() {
		for _, m := range s.metrics {
			for _, c := range s.columns {
				known[place{m.table, m.row, c.name}] = s.cell(m, c)
			}
		}
	}
	for _, c := range cells {
		k := known[place{c.Table, c.Row, c.Column}]
		if k == nil {
			return nil, fmt.Errorf("no scenario has %q, %q, %q", c.Table, c.Row, c.Column)
		}
		c.Scenario, c.Chart, c.Reference, c.Ours, c.Limit = k.Scenario, k.Chart, k.Reference, k.Ours, k.Limit
	}
	if len(cells) == 0 {
		return nil, errors.New("no results")
	}
	return cells, nil
}

// tableText is a table in results.md, with the line before it.
var tableText = regexp.MustCompile(`(?m)^In .*\n\n(?:\|.*\n)+`)

// rewriteTables replaces the tables of a results.md, and leaves other text as
// it is.
func rewriteTables(results []byte, cells []*report.Cell) ([]byte, error) {
	tables, n := report.Tables(cells), 0
	rewritten := tableText.ReplaceAllFunc(results, func(old []byte) []byte {
		n++
		if n > len(tables) {
			return old
		}
		var b bytes.Buffer
		tables[n-1].Body(&b)
		return b.Bytes()
	})
	if n != len(tables) {
		return nil, fmt.Errorf("results.md has %d tables, and %d in its details", n, len(tables))
	}
	return rewritten, nil
}

// apply returns the text of the file with its table replaced.
func (r rewriting) apply(cells []*report.Cell) ([]byte, error) {
	text, err := os.ReadFile(r.file)
	if err != nil {
		return nil, err
	}
	before, rest, found := bytes.Cut(text, []byte(r.begin))
	_, after, foundEnd := bytes.Cut(rest, []byte(tableEnd))
	if !found || !foundEnd {
		return nil, fmt.Errorf("%s has no lines %q and %q", r.file, r.begin, tableEnd)
	}
	table, err := r.table(cells)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{before, []byte(r.begin), table, []byte(tableEnd), after}, nil), nil
}
