// Command bench measures this library, others, and what no library can beat,
// side by side.
//
//	go run ./cmd/bench                     # a subset, in about a minute
//	go run ./cmd/bench -all                # everything, in more than an hour
//	go run ./cmd/bench -run '^echo/text'   # the scenarios of these names
//
//	go run ./cmd/bench -readme -out results   # those of the READMEs' tables, with tables and charts, in half an hour
//	go run ./cmd/bench -rewrite               # nothing: the READMEs' tables from results
//
// Whatever is measured is a process of its own, and a new one each time. All
// subjects of a scenario are measured in turn, several times, and the median
// counts. What a server costs is the CPU time that its process spends, in user
// and system mode, divided by the messages: the clock on the wall also counts
// what else the machine does. Memory is what is resident after a garbage
// collection, less what was before the first connection.
//
// The generator is the same for all servers. It sends frames that are masked
// ahead of time and compares every byte that comes back; what comes back
// compressed is inflated after the measurement, on one connection of all.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/seed23105783/websocket/internal/bench/report"
)

var (
	serve    = flag.Bool("serve", false, "be the process that is measured: the command starts itself so")
	all      = flag.Bool("all", false, "run all scenarios, and longer: more than an hour")
	readme   = flag.Bool("readme", false, "run the scenarios of which the READMEs have figures: half an hour")
	pattern  = flag.String("run", "", "run the scenarios whose names match the `regexp`")
	servers  = flag.String("servers", "", "measure only those whose names match the `regexp`, clients too")
	rounds   = flag.Int("rounds", 0, "`how often` each is measured; 3, or 5 with -all or -readme, if it is 0")
	duration = flag.Duration("time", 0, "how long a measurement takes; 150ms, or 400ms with -all and 300ms with -readme, if it is 0")
	out      = flag.String("out", "", "the `directory` to write results.md, results.json and charts to")
	profiles = flag.String("cpuprofile", "", "the `directory` to write CPU profiles of what is measured to: of the last round")
	list     = flag.Bool("list", false, "list the scenarios")
	again    = flag.Bool("rewrite", false, "measure nothing: make the tables and charts in results, and those of the READMEs, anew from results/results.md")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *serve {
		if err := beMeasured(); err != nil {
			log.Fatal(err)
		}
		return
	}
	raiseFileLimit()
	chosen := choose(*pattern, *all, *readme)
	if *list {
		for _, s := range chosen {
			fmt.Println(s.name)
		}
		return
	}
	if *again {
		if err := rewrite("results", rewritings("../..")); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := measure(chosen); err != nil {
		log.Fatal(err)
	}
}

// measure runs scenarios and writes what is to be written.
func measure(chosen []*scenario) error {
	o := options{rounds: *rounds, time: *duration, servers: regexp.MustCompile(*servers), profiles: *profiles}
	o.setDefaults(*all, *readme)
	for _, dir := range []string{*out, *profiles} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	began := time.Now()
	cells, failures := runAll(chosen, o)
	fmt.Printf("%d scenarios in %v\n", len(chosen), time.Since(began).Round(time.Second))
	if *out != "" && len(cells) > 0 {
		if err := write(*out, cells, failures, o); err != nil {
			return err
		}
	}
	if len(failures) > 0 || len(cells) == 0 {
		return fmt.Errorf("%d failed, %d numbers", len(failures), len(cells))
	}
	return nil
}

func (o *options) setDefaults(all, readme bool) {
	rounds, duration := 3, 150*time.Millisecond
	switch {
	case all:
		rounds, duration = 5, 400*time.Millisecond
	case readme:
		rounds, duration = 5, 300*time.Millisecond
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.time == 0 {
		o.time = duration
	}
	o.warm = o.time / 3
}

// choose returns the scenarios that a pattern names, or else all, or those of
// the README, or the subset.
func choose(pattern string, all, readme bool) []*scenario {
	wanted := func(s *scenario) bool { return s.quick }
	switch {
	case pattern != "":
		names := regexp.MustCompile(pattern)
		wanted = func(s *scenario) bool { return names.MatchString(s.name) }
	case all:
		wanted = func(*scenario) bool { return true }
	case readme:
		wanted = (*scenario).isForReadme
	}
	return slices.DeleteFunc(scenarios(), func(s *scenario) bool { return !wanted(s) })
}

// runAll runs scenarios, prints what comes out, and returns it.
func runAll(chosen []*scenario, o options) (cells []*report.Cell, failures []string) {
	for i, s := range chosen {
		began := time.Now()
		measured := s.run(o, func(column string, err error) {
			if errors.Is(err, errSkipped) {
				log.Printf("%s, %s: %v", s.name, column, err)
				return
			}
			failures = append(failures, fmt.Sprintf("%s, %s: %v", s.name, column, err))
			log.Printf("FAILED: %s", failures[len(failures)-1])
		})
		fmt.Printf("[%d/%d] %s, %.1f s\n", i+1, len(chosen), s.name, time.Since(began).Seconds())
		for _, t := range report.Tables(measured) {
			t.Details(os.Stdout)
		}
		cells = append(cells, measured...)
	}
	return cells, failures
}
