package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed23105783/websocket/internal/bench/peer"
	"github.com/seed23105783/websocket/internal/bench/report"
)

// A scenario is one thing that is done to several subjects in turn.
type scenario struct {
	name    string
	quick   bool     // in the subset that runs without -all
	metrics []metric // what is measured each time
	columns []column

	// limit is the column that no other can beat, "" if there is none.
	limit string
}

// A metric is where a number goes in the report.
type metric struct {
	table, row, unit string
	chart            string // the chart it is in, "" for none
}

// A column is one subject.
type column struct {
	name        string
	ours, limit bool

	// measure starts the subject, has it do its work, ends it, and returns a
	// number for each metric.
	measure func(o options) ([]float64, error)
}

// options are those of the command.
type options struct {
	warm, time time.Duration // before, and of, a measurement
	rounds     int
	servers    *regexp.Regexp
	profiles   string // the directory for CPU profiles, "" for none
	scenario   string // the name of the one that is running
}

// profile returns the name of the file for a CPU profile.
func (o options) profile(subject string) string {
	if o.profiles == "" {
		return ""
	}
	return o.profiles + "/" + strings.NewReplacer("/", "-", " ", "-").Replace(o.scenario+"-"+subject) + ".pprof"
}

// scenarios are all there are, in the order of the report.
func scenarios() []*scenario {
	return slices.Concat(echoScenarios(), pipelinedScenarios(), tlsScenarios(), http2Scenarios(), latencyScenarios(), clientScenarios(), idleScenarios(),
		compressedScenarios(), broadcastScenarios(), handshakeScenarios(), inMemoryScenarios(), maskScenarios(), beyondScenarios())
}

// run measures all columns in turn, several times, so that what disturbs the
// machine for a while disturbs them all.
func (s *scenario) run(o options, failed func(column string, err error)) []*report.Cell {
	o.scenario = s.name
	columns := slices.Clone(s.columns)
	columns = slices.DeleteFunc(columns, func(c column) bool { return !o.servers.MatchString(c.name) })
	cells := make([][]*report.Cell, len(columns))
	for i, c := range columns {
		for _, m := range s.metrics {
			cells[i] = append(cells[i], s.cell(m, c))
		}
	}
	broken := make([]bool, len(columns))
	for range o.rounds {
		for i, c := range columns {
			if broken[i] {
				continue
			}
			values, err := c.measure(o)
			if err != nil {
				failed(c.name, err)
				broken[i] = true
				continue
			}
			for j, v := range values {
				cells[i][j].Samples = append(cells[i][j].Samples, v)
			}
		}
	}
	all := slices.Concat(cells...)
	return slices.DeleteFunc(all, func(c *report.Cell) bool { return len(c.Samples) == 0 })
}

// cell returns the cell of a metric and a column, without samples.
func (s *scenario) cell(m metric, c column) *report.Cell {
	return &report.Cell{Scenario: s.name, Table: m.table, Row: m.row, Unit: m.unit, Chart: m.chart,
		Column: c.name, Ours: c.ours, Limit: c.limit, Reference: s.limit}
}

// serversNamed returns those servers that there are and that do what the
// options want.
func serversNamed(names []string, o peer.Options) []*peer.Server {
	var found []*peer.Server
	for _, s := range peer.Servers() {
		if slices.Contains(names, s.Name) && s.Takes(o) {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b *peer.Server) int {
		return cmp.Compare(slices.Index(names, a.Name), slices.Index(names, b.Name))
	})
	return found
}

// bytesName returns a size as people write it.
func bytesName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// inName is bytesName without the space, for names that are patterns.
func inName(n int) string { return strings.ReplaceAll(bytesName(n), " ", "") }

// thousands returns a number with a comma in it.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// each returns what d is for each of n, in microseconds.
func each(d time.Duration, n int) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(n) }
