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

// The table of the README is between these lines.
const (
	summaryBegin = "<!-- cd internal/bench && go run ./cmd/bench -rewrite -->\n"
	summaryEnd   = "<!-- end of the table -->\n"
)

// rewrite makes the tables and charts in dir, and the table of the README, anew
// from the medians in dir/results.md.
func rewrite(dir, readmeFile string) error {
	resultsFile := filepath.Join(dir, "results.md")
	results, err := os.ReadFile(resultsFile)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(readmeFile)
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
	readme, err = rewriteSummary(readme, cells)
	if err != nil {
		return err
	}
	if err := writeFiles(dir, files); err != nil {
		return err
	}
	return os.WriteFile(readmeFile, readme, 0o666)
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
		k := known[place{c.Table, c.Row, currentName(c.Column)}]
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

// rewriteSummary replaces the table of the README.
func rewriteSummary(readme []byte, cells []*report.Cell) ([]byte, error) {
	before, rest, found := bytes.Cut(readme, []byte(summaryBegin))
	_, after, foundEnd := bytes.Cut(rest, []byte(summaryEnd))
	if !found || !foundEnd {
		return nil, fmt.Errorf("the README has no lines %q and %q", summaryBegin, summaryEnd)
	}
	table, err := summary(cells)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{before, []byte(summaryBegin), table, []byte(summaryEnd), after}, nil), nil
}
