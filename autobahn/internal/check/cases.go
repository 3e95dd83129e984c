package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// groups has the number of cases of each group of version 25.10.1 of the suite. The
// cases of a group are numbered from 1: the first ones are 1.1.1 to 1.1.8.
//
// It is not taken from the report, since cases that are missing there have to be
// found.
var groups = []struct {
	prefix string
	cases  int
}{
	{"1.1", 8}, {"1.2", 8}, // framing
	{"2", 11},              // pings and pongs
	{"3", 7},               // reserved bits
	{"4.1", 5}, {"4.2", 5}, // opcodes
	{"5", 20}, // fragmentation

	// UTF-8
	{"6.1", 3}, {"6.2", 4}, {"6.3", 2}, {"6.4", 4}, {"6.5", 5}, {"6.6", 11},
	{"6.7", 4}, {"6.8", 2}, {"6.9", 4}, {"6.10", 3}, {"6.11", 5}, {"6.12", 8},
	{"6.13", 5}, {"6.14", 10}, {"6.15", 1}, {"6.16", 3}, {"6.17", 5}, {"6.18", 5},
	{"6.19", 5}, {"6.20", 7}, {"6.21", 8}, {"6.22", 34}, {"6.23", 7},

	// closing
	{"7.1", 6}, {"7.3", 6}, {"7.5", 1}, {"7.7", 13}, {"7.9", 9}, {"7.13", 2},

	// limits and performance
	{"9.1", 6}, {"9.2", 6}, {"9.3", 9}, {"9.4", 9},
	{"9.5", 6}, {"9.6", 6}, {"9.7", 6}, {"9.8", 6},

	{"10.1", 1}, // messages that the testee may fragment

	// compression: various payloads, various parameters
	{"12.1", 18}, {"12.2", 18}, {"12.3", 18}, {"12.4", 18}, {"12.5", 18},
	{"13.1", 18}, {"13.2", 18}, {"13.3", 18}, {"13.4", 18}, {"13.5", 18},
	{"13.6", 18}, {"13.7", 18},
}

// allCases returns the ids of all cases in the order of the suite.
func allCases() []string {
	var ids []string
	for _, g := range groups {
		for n := range g.cases {
			ids = append(ids, fmt.Sprintf("%s.%d", g.prefix, n+1))
		}
	}
	return ids
}

// section returns the number before the first dot of a case's id.
func section(id string) string {
	number, _, _ := strings.Cut(id, ".")
	return number
}

// selectCases returns the cases that wstest runs for the patterns in a
// specification, in the order of the suite. A pattern that matches no case is an
// error.
func selectCases(patterns []string) ([]string, error) {
	all := allCases()
	wanted := make(map[string]bool)
	for _, pattern := range patterns {
		matches, err := matcher(pattern)
		if err != nil {
			return nil, err
		}
		found := false
		for _, id := range all {
			if matches(id) {
				wanted[id], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("the suite has no case %q", pattern)
		}
	}
	return slices.DeleteFunc(all, func(id string) bool { return !wanted[id] }), nil
}

// matcher returns a function that reports whether wstest runs a case for a pattern.
// A pattern without a star is an id. With a star it is a prefix of ids: "5.1*"
// includes 5.10.
func matcher(pattern string) (func(id string) bool, error) {
	if strings.Trim(pattern, "0123456789.*") != "" {
		return nil, fmt.Errorf("case pattern %q: want digits, dots and stars only", pattern)
	}
	if !strings.Contains(pattern, "*") {
		return func(id string) bool { return id == pattern }, nil
	}
	expr := strings.NewReplacer(".", `\.`, "*", ".*").Replace(pattern)
	prefix, err := regexp.Compile("^" + expr)
	if err != nil {
		return nil, fmt.Errorf("case pattern %q: %w", pattern, err)
	}
	return prefix.MatchString, nil
}
