package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed23105783/websocket/internal/bench/report"
)

// TestMain lets the tests start themselves as what is measured.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-serve") {
		if err := beMeasured(); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// TestScenarios runs one scenario of each family, with few subjects.
func TestScenarios(t *testing.T) {
	o := options{rounds: 2, time: 4 * time.Millisecond, warm: time.Millisecond,
		servers: regexp.MustCompile(`^(rawtcp|rawbatch|rawhttp|websocket|websocket-immediate|gws)$`)}
	var all []*report.Cell
	for _, name := range []string{"echo/text/1x16B", "pipelined/binary/100x16KiB", "client/text/1MiB", "compressed/takeover/256B",
		"broadcast/compressed/1000", "handshake", "memory/read/16B", "memory/write/64KiB"} {
		t.Run(name, func(t *testing.T) {
			i := slices.IndexFunc(scenarios(), func(s *scenario) bool { return s.name == name })
			if i < 0 {
				t.Fatal("there is no such scenario")
			}
			cells := scenarios()[i].run(o, func(column string, err error) { t.Error(column, err) })
			if len(cells) < 2 {
				t.Errorf("%d cells", len(cells))
			}
			for _, c := range cells {
				// To allocate nothing is the one thing that costs nothing.
				if c.Median() <= 0 && !strings.HasPrefix(c.Unit, "allocations") || len(c.Samples) != o.rounds {
					t.Errorf("%+v", c)
				}
			}
			all = append(all, cells...)
		})
	}
	dir := t.TempDir()
	if err := write(dir, all, nil, o); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "results.json"))
	var read []*report.Cell
	if err := errors.Join(err, json.Unmarshal(raw, &read)); err != nil || len(read) != len(all) {
		t.Error(len(read), err)
	}
}

// TestReadme: the tables in the READMEs, the tables and the charts are what the
// results say.
func TestReadme(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const dir = "../../results"
	results := read(dir + "/results.md")
	cells, err := readResults(results)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rewritings("../../../..") {
		if again, err := r.apply(cells); err != nil || string(again) != string(read(r.file)) {
			t.Errorf("the table in %s is not that of the results: go run ./cmd/bench -rewrite: %v", r.file, err)
		}
	}
	if again, err := rewriteTables(results, cells); err != nil || string(again) != string(results) {
		t.Error("the tables in results.md are not those of its details: go run ./cmd/bench -rewrite", err)
	}
	files := charts(cells)
	if len(files) < 8 {
		t.Error(len(files), "charts")
	}
	for name, chart := range files {
		if string(read(filepath.Join(dir, name))) != string(chart) {
			t.Error(name, "is not what the results say: go run ./cmd/bench -rewrite")
		}
	}
}

// TestRunForTheReadme: what -readme measures and -out writes is all that
// -rewrite needs.
func TestRunForTheReadme(t *testing.T) {
	var cells []*report.Cell
	for _, s := range choose("", false, true) {
		for i, c := range s.columns {
			for _, m := range s.metrics {
				cell := s.cell(m, c)
				cell.Samples = []float64{float64(i + 1), float64(i + 2), float64(i + 3)}
				cells = append(cells, cell)
			}
		}
	}
	dir := t.TempDir()
	if err := write(dir, cells, nil, options{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "results.md"))
	if err != nil {
		t.Fatal(err)
	}
	others := rewritings("../../../..")
	for i, r := range others {
		text, err := os.ReadFile(r.file)
		others[i].file = filepath.Join(dir, fmt.Sprint(i, ".md"))
		if err := errors.Join(err, os.WriteFile(others[i].file, text, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	if err := rewrite(dir, others); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "results.md"))
	if err != nil || string(after) != string(before) {
		t.Error("the results are not what was written", err)
	}
	var labels, chinese, summary []string
	for _, r := range headlineRows {
		labels, chinese = append(labels, r.label), append(chinese, r.chinese)
	}
	for _, r := range summaryRows() {
		summary = append(summary, r.label)
	}
	for i, rows := range [][]string{labels, chinese, summary} {
		text, err := os.ReadFile(others[i].file)
		if err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(string(text), others[i].begin)
		table, _, _ = strings.Cut(table, tableEnd)
		for _, label := range rows {
			if !strings.Contains(table, "| "+label+" |") {
				t.Errorf("there is no row %q", label)
			}
		}
	}
	if len(charts(cells)) < 8 {
		t.Error(len(charts(cells)), "charts")
	}
}

// TestSummaryNamesTheBestPeer: also where a row leaves it out.
func TestSummaryNamesTheBestPeer(t *testing.T) {
	results, err := os.ReadFile("../../results/results.md")
	if err != nil {
		t.Fatal(err)
	}
	cells, err := readResults(results)
	if err != nil {
		t.Fatal(err)
	}
	tables := tablesByName(cells)
	leftOut := 0
	for _, r := range summaryRows() {
		var b bytes.Buffer
		r.write(&b, tables[r.table])
		best := tables[r.table].BestPeer(r.row)
		if !strings.Contains(b.String(), best.Value()+" "+best.Column) {
			t.Errorf("the best peer is %s: %s", best.Column, b.String())
		}
		if got, want := strings.Contains(b.String(), " left out"), slices.Contains(r.without, best.Column); got != want {
			t.Errorf("the best peer is %s, of all but %s: %s", best.Column, r.without, b.String())
		} else if got {
			leftOut++
		}
		if got, want := strings.HasPrefix(r.label, "… against peers"), r.without != nil; got != want {
			t.Errorf("all but %s: %s", r.without, b.String())
		}
	}
	if leftOut == 0 {
		t.Error("no row leaves the best peer out")
	}
}

func TestWhatFailsIsToldOnce(t *testing.T) {
	calls, failures := 0, 0
	s := &scenario{name: "x", metrics: []metric{{"t", "r", "u", ""}}, columns: []column{
		{name: "bad", measure: func(options) ([]float64, error) { calls++; return []float64{0}, errors.New("bad") }},
		{name: "good", measure: func(options) ([]float64, error) { return []float64{1}, nil }},
	}}
	cells := s.run(options{rounds: 3, servers: regexp.MustCompile("")}, func(string, error) { failures++ })
	if calls != 1 || failures != 1 || len(cells) != 1 || cells[0].Column != "good" || len(cells[0].Samples) != 3 {
		t.Error(calls, failures, cells)
	}
}

// TestNames has every scenario a name of its own, and a place of its own in
// the tables.
func TestNames(t *testing.T) {
	names, places := map[string]bool{}, map[[2]string]bool{}
	for _, s := range scenarios() {
		if names[s.name] || len(s.columns) == 0 {
			t.Error(s.name)
		}
		names[s.name] = true
		for _, m := range s.metrics {
			if place := [2]string{m.table, m.row}; places[place] {
				t.Error(place)
			} else {
				places[place] = true
			}
		}
	}
}
