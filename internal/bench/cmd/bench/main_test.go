package main

import (
	"encoding/json"
	"errors"
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
		servers: regexp.MustCompile(`^(rawtcp|rawbatch|rawhttp|websocket|gws)$`)}
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
