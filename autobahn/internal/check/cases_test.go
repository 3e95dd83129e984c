package main

import (
	"maps"
	"slices"
	"testing"
)

func TestAllCases(t *testing.T) {
	counts := make(map[string]int)
	all := allCases()
	for _, id := range all {
		counts[section(id)]++
	}
	want := map[string]int{
		"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("cases per section: %v, want %v", counts, want)
	}
	if len(all) != 517 {
		t.Errorf("%d cases, want 517", len(all))
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(all))); len(unique) != len(all) {
		t.Errorf("%d of %d cases are there twice", len(all)-len(unique), len(all))
	}
}

func TestSelectCases(t *testing.T) {
	tests := []struct {
		patterns []string
		want     []string // nil for an error
	}{
		{[]string{"10.*"}, []string{"10.1.1"}},
		{[]string{"3.2", "3.1", "3.2"}, []string{"3.1", "3.2"}},
		{[]string{"2.1*"}, []string{"2.1", "2.10", "2.11"}},
		{[]string{"9.*.6"}, []string{"9.1.6", "9.2.6", "9.3.6", "9.4.6", "9.5.6", "9.6.6", "9.7.6", "9.8.6"}},
		{[]string{"*"}, allCases()},
		{[]string{"1.1"}, nil},        // a group, not a case
		{[]string{"1.*", "8.*"}, nil}, // there is no group 8
		{[]string{""}, nil},
		{[]string{"[1.1.1]"}, nil},
	}
	for _, test := range tests {
		got, err := selectCases(test.patterns)
		if (err != nil) != (test.want == nil) || !slices.Equal(got, test.want) {
			t.Errorf("selectCases(%q) = %q, %v, want %q", test.patterns, got, err, test.want)
		}
	}
}

// TestSpecifications checks that all cases are requested by default.
func TestSpecifications(t *testing.T) {
	for _, name := range []string{"../../fuzzingclient.json", "../../fuzzingserver.json"} {
		wanted, err := readSpec(name)
		if err != nil {
			t.Error(err)
		} else if !slices.Equal(wanted, allCases()) {
			t.Errorf("%s requests %d cases, want all %d", name, len(wanted), len(allCases()))
		}
	}
}
