package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is the report of wstest about one testee.
type report struct {
	dir     string
	wanted  []string          // the ids of the requested cases
	results map[string]result // by id of the case
}

// result is an entry of index.json.
type result struct {
	Behavior      string `json:"behavior"`      // what the testee did
	BehaviorClose string `json:"behaviorClose"` // how the connection ended
	ReportFile    string `json:"reportfile"`    // the details, beside index.json
}

// readReport reads spec.json, which has the requested cases, and index.json, which
// wstest has written to the same directory.
func readReport(dir string) (*report, error) {
	wanted, err := readSpec(filepath.Join(dir, "spec.json"))
	if err != nil {
		return nil, err
	}
	results, err := readIndex(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	return &report{dir: dir, wanted: wanted, results: results}, nil
}

func readSpec(name string) (wanted []string, err error) {
	var spec struct {
		Cases         []string            `json:"cases"`
		Exclude       []string            `json:"exclude-cases"`
		ExcludeAgents map[string][]string `json:"exclude-agent-cases"`
	}
	if err := readJSON(name, &spec); err != nil {
		return nil, err
	}
	if len(spec.Exclude) > 0 || len(spec.ExcludeAgents) > 0 {
		return nil, fmt.Errorf("%s: excludes cases; name the wanted ones instead", name)
	}
	wanted, err = selectCases(spec.Cases)
	if err == nil && len(wanted) == 0 {
		err = errors.New("requests no case")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return wanted, nil
}

// readIndex reads the results of the only agent in an index.json.
func readIndex(name string) (map[string]result, error) {
	var agents map[string]map[string]result
	if err := readJSON(name, &agents); err != nil {
		return nil, err
	}
	if len(agents) != 1 {
		return nil, fmt.Errorf("%s: %d agents, want 1", name, len(agents))
	}
	return slices.Collect(maps.Values(agents))[0], nil
}

func readJSON(name string, v any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// The outcomes of a case, which are the columns of the table of counts. The first
// four are those of wstest. All others of wstest are failures.
const (
	ok            = "OK"
	informational = "INFORMATIONAL"
	nonStrict     = "NON-STRICT"
	unimplemented = "UNIMPLEMENTED"
	failed        = "FAILED"
	missing       = "MISSING"
)

var outcomes = []string{ok, informational, nonStrict, unimplemented, failed, missing}

// outcome returns the worse of the two parts of the result of a case.
func (r *report) outcome(id string) string {
	v, found := r.results[id]
	if !found {
		return missing
	}
	worst := ok
	for _, outcome := range []string{v.Behavior, v.BehaviorClose} {
		if !slices.Contains(outcomes, outcome) {
			outcome = failed
		}
		if slices.Index(outcomes, outcome) > slices.Index(outcomes, worst) {
			worst = outcome
		}
	}
	return worst
}

// passes reports whether the result of a case is OK or INFORMATIONAL.
func (r *report) passes(id string) bool {
	outcome := r.outcome(id)
	return outcome == ok || outcome == informational
}

// failures returns the cases that do not pass, in the order of the suite, and then
// the cases in the report that were not requested: those are a sign of another
// version of the suite.
func (r *report) failures() []string {
	var ids []string
	for _, id := range r.wanted {
		if !r.passes(id) {
			ids = append(ids, id)
		}
	}
	var unexpected []string
	for id := range r.results {
		if !slices.Contains(r.wanted, id) {
			unexpected = append(unexpected, id)
		}
	}
	slices.Sort(unexpected)
	return append(ids, unexpected...)
}

// writeCounts writes how many cases of each section had which outcome.
func (r *report) writeCounts(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "section\tcases\t%s\t\n", strings.Join(outcomes, "\t"))

	total := make(map[string]int)
	for rest := r.wanted; len(rest) > 0; {
		number := section(rest[0])
		counts := make(map[string]int)
		n := 0
		for n < len(rest) && section(rest[n]) == number {
			counts[r.outcome(rest[n])]++
			total[r.outcome(rest[n])]++
			n++
		}
		writeRow(table, number, n, counts)
		rest = rest[n:]
	}
	writeRow(table, "all", len(r.wanted), total)
	table.Flush()
}

func writeRow(w io.Writer, title string, cases int, counts map[string]int) {
	fmt.Fprintf(w, "%s\t%d\t", title, cases)
	for _, o := range outcomes {
		fmt.Fprintf(w, "%d\t", counts[o])
	}
	fmt.Fprintln(w)
}

// details is the part of the report of a case that explains the result.
type details struct {
	Description     string          `json:"description"`
	Expectation     string          `json:"expectation"`
	Expected        json.RawMessage `json:"expected"`
	Received        json.RawMessage `json:"received"`
	Result          string          `json:"result"`
	ResultClose     string          `json:"resultClose"`
	RemoteCloseCode *int            `json:"remoteCloseCode"`
}

// writeFailures writes the details of the cases that do not pass.
func (r *report) writeFailures(w io.Writer, ids []string) {
	var noResult []string
	for _, id := range ids {
		switch {
		case r.outcome(id) == missing:
			noResult = append(noResult, id)
		case !slices.Contains(r.wanted, id):
			fmt.Fprintf(w, "\n%s: this case was not requested\n", id)
		default:
			r.writeFailure(w, id)
		}
	}
	if len(noResult) > 0 {
		fmt.Fprintf(w, "\nno result for %s\n", strings.Join(noResult, ", "))
	}
}

func (r *report) writeFailure(w io.Writer, id string) {
	v := r.results[id]
	fmt.Fprintf(w, "\n%s: %s, close: %s\n", id, v.Behavior, v.BehaviorClose)

	var d details
	if err := readJSON(filepath.Join(r.dir, v.ReportFile), &d); err != nil {
		fmt.Fprintf(w, "  no details: %v\n", err)
		return
	}
	closeCode := "none"
	if d.RemoteCloseCode != nil {
		closeCode = fmt.Sprint(*d.RemoteCloseCode)
	}
	fmt.Fprintf(w, "  description: %s\n", plain(d.Description))
	fmt.Fprintf(w, "  expectation: %s\n", plain(d.Expectation))
	fmt.Fprintf(w, "  expected:    %s\n", compact(d.Expected))
	fmt.Fprintf(w, "  received:    %s\n", compact(d.Received))
	fmt.Fprintf(w, "  result:      %s\n", d.Result)
	fmt.Fprintf(w, "  close:       %s (code from the testee: %s)\n", d.ResultClose, closeCode)
}

var tags = regexp.MustCompile(`<[^>]*>`)

// plain returns the text of HTML in one line.
func plain(html string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(html, " ")), " ")
}

// compact returns JSON in one line, of which it returns the beginning only: some
// cases expect a thousand messages.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return string(raw)
	}
	const limit = 500
	if b.Len() > limit {
		return strings.ToValidUTF8(b.String()[:limit], "") + "..."
	}
	return b.String()
}
