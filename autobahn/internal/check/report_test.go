package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestStrictReportPasses(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, []string{"testdata/strict"}); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"21 of the suite's 517 cases",
		"section cases OK INFORMATIONAL NON-STRICT UNIMPLEMENTED FAILED MISSING",
		"1 2 2 0 0 0 0 0",
		"7 1 0 1 0 0 0 0",
		"12 18 18 0 0 0 0 0",
		"all 21 20 1 0 0 0 0",
	} {
		wantLine(t, out.String(), want)
	}
}

func TestFlawedReportFails(t *testing.T) {
	r, err := readReport("testdata/flawed")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"1.1.1":  ok,
		"1.1.2":  failed,
		"1.1.3":  failed,        // closed with the wrong code
		"1.1.4":  unimplemented, // does not pass
		"1.1.5":  failed,
		"1.1.6":  failed,
		"1.1.7":  failed, // an empty result
		"1.1.8":  missing,
		"6.4.1":  nonStrict,
		"12.1.1": failed, // unimplemented, and closed with the wrong code
	}
	for id, outcome := range want {
		if got := r.outcome(id); got != outcome {
			t.Errorf("case %s: outcome %s, want %s", id, got, outcome)
		}
	}
	wantFailures := []string{"1.1.2", "1.1.3", "1.1.4", "1.1.5", "1.1.6", "1.1.7", "1.1.8", "6.4.1", "12.1.1", "1.2.1"}
	if got := r.failures(); !slices.Equal(got, wantFailures) {
		t.Errorf("failures %q, want %q", got, wantFailures)
	}
}

func TestFailuresAreExplained(t *testing.T) {
	var out bytes.Buffer
	err := run(&out, []string{"testdata/flawed", "testdata/strict"})
	if err == nil || err.Error() != "testdata/flawed: 10 cases are not strictly OK" {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{
		"no result for 1.1.8",
		"1.2.1: this case was not requested",
		"1.1.5: OK, close: WRONG CODE",
		"6.4.1: NON-STRICT, close: OK",
		"description: Invalid UTF-8 in the second frame .",
		`expected: {"OK":[["timeout","A"]],"NON-STRICT":[["timeout","A"],["timeout","B"]]}`,
		`received: [["timeout","A"],["timeout","B"]]`,
		"close: Properly closed. (code from the testee: 1007)",
		"close: Properly closed. (code from the testee: none)",
		"testdata/strict: 21 of the suite's 517 cases", // the second report is read as well
	} {
		wantLine(t, out.String(), want)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 600 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

// wantLine checks that a line of out contains want, apart from white space.
func wantLine(t *testing.T, out, want string) {
	t.Helper()
	for line := range strings.Lines(out) {
		if strings.Contains(strings.Join(strings.Fields(line), " "), want) {
			return
		}
	}
	t.Errorf("no line %q in:\n%s", want, out)
}

func TestUnreadableReports(t *testing.T) {
	const spec = `{"cases": ["1.1.1"]}`
	const index = `{"websocket": {"1.1.1": {"behavior": "OK", "behaviorClose": "OK"}}}`
	tests := []struct {
		name, spec, index, want string
	}{
		{"as it should be", spec, index, ""},
		{"no specification", "", index, "spec.json: no such file"},
		{"no report", spec, "", "index.json: no such file"},
		{"half a report", spec, index[:20], "index.json: unexpected end"},
		{"no agent", spec, `{}`, "0 agents"},
		{"two agents", spec, `{"a": {}, "b": {}}`, "2 agents"},
		{"no patterns", `{"cases": []}`, index, "requests no case"},
		{"unknown case", `{"cases": ["1.1.9"]}`, index, `no case "1.1.9"`},
		{"excluded cases", `{"cases": ["*"], "exclude-cases": ["9.*"]}`, index, "excludes cases"},
		{"excluded agents", `{"cases": ["*"], "exclude-agent-cases": {"websocket": ["9.*"]}}`, index, "excludes cases"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "spec.json"), test.spec)
			writeFile(t, filepath.Join(dir, "index.json"), test.index)

			var out bytes.Buffer
			err := run(&out, []string{dir})
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// writeFile writes a file, or none if content is empty.
func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if content == "" {
		return
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
