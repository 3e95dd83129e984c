package websocket_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// TestCallsGoDown compares the files of this package with the list of floors
// in ARCHITECTURE.md. A file may refer to what is declared on its own floor or on a
// lower one: call a function or method, access a field, name a type, constant
// or variable. Calls through function values and interfaces may go up.
//
// Two environment variables choose what is checked: FLOORS is the file with the
// list, and FLOORS_DIR the directory of the package. With -v, the test lists the
// files that refer to each other in a cycle.
func TestCallsGoDown(t *testing.T) {
	if websocket.RaceDetector {
		t.Skip("takes ten times as long under the race detector, which finds nothing in it")
	}
	dir := cmp.Or(os.Getenv("FLOORS_DIR"), ".")
	l := readLayout(t, cmp.Or(os.Getenv("FLOORS"), filepath.Join(dir, "ARCHITECTURE.md")))
	problems, references, err := l.check(dir, build.Default.GOOS+"/"+build.Default.GOARCH, "js/wasm")
	require.NoError(t, err)
	for _, cycle := range cycles(references) {
		t.Logf("%d files in a cycle: %s", len(cycle), strings.Join(cycle, " "))
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}

// A layout is the list of floors: which files may refer to which.
//
// It is the code block between a line that begins with "<!-- floors" and one
// that begins with "<!-- end of floors". The highest floor comes first. A line
// that is not indented begins a floor:
//
//	name: what the floor is
//	name, each on its own: the files of this floor do not refer to each other
//
// The indented lines below have the files, or directories of internal packages,
// and then a description. On a floor whose files stand on their own, the files
// behind an arrow are those that the file before it may refer to:
//
//	one.go two.go       a description
//	three.go → one.go   another
//
// A description that begins with "pure" is checked by TestPureFiles. Lines
// that are empty or have nothing but a | are ignored.
type layout struct {
	floors []*floor // the highest first
	pure   []string // files and directories
}

type floor struct {
	name    string
	apart   bool                // its files do not refer to each other
	entries []string            // files and directories
	allowed map[string][]string // what a file of this floor may refer to on it although apart is set
}

const (
	floorsBegin = "<!-- floors"
	floorsEnd   = "<!-- end of floors"
	apartWords  = "each on its own"
)

// readLayout reads the list of floors in a file.
func readLayout(t *testing.T, name string) *layout {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	l, err := parseLayout(string(text))
	require.NoError(t, err, name)
	return l
}

// parseLayout reads the list of floors in a document.
func parseLayout(document string) (*layout, error) {
	_, text, found := strings.Cut(document, floorsBegin)
	text, _, ended := strings.Cut(text, floorsEnd)
	if !found || !ended {
		return nil, fmt.Errorf("no list of floors between %q and %q", floorsBegin, floorsEnd)
	}
	_, text, _ = strings.Cut(text, "```\n")
	text, _, found = strings.Cut(text, "```")
	if !found {
		return nil, fmt.Errorf("no code block between %q and %q", floorsBegin, floorsEnd)
	}
	l := new(layout)
	for line := range strings.Lines(text) {
		if strings.Trim(line, " |\n") == "" {
			continue
		}
		if err := l.parseLine(strings.TrimRight(line, "\n")); err != nil {
			return nil, fmt.Errorf("%w: %q", err, line)
		}
	}
	return l, nil
}

func (l *layout) parseLine(line string) error {
	if !strings.HasPrefix(line, " ") {
		return l.parseFloor(line)
	}
	if len(l.floors) == 0 {
		return errors.New("line before the first floor")
	}
	f := l.floors[len(l.floors)-1]
	words := strings.Fields(line)
	files := words[:prefixLength(words, isEntry)]
	rest := words[len(files):]
	if len(files) == 0 {
		return errors.New("line without a file")
	}
	for _, file := range files {
		if l.floorOf(file) >= 0 {
			return fmt.Errorf("%s is listed twice", file)
		}
		f.entries = append(f.entries, file)
	}
	if len(rest) > 0 && rest[0] == "→" {
		targets := rest[1 : 1+prefixLength(rest[1:], isEntry)]
		if len(files) != 1 || len(targets) == 0 || !f.apart {
			return fmt.Errorf("an arrow is between one file and others of a floor that has %q", apartWords)
		}
		f.allowed[files[0]] = targets
		rest = rest[1+len(targets):]
	}
	if len(rest) > 0 && strings.Trim(rest[0], ",:") == "pure" {
		l.pure = append(l.pure, files...)
	}
	return nil
}

func (l *layout) parseFloor(line string) error {
	title, _, found := strings.Cut(line, ":")
	if !found {
		return errors.New("no colon behind the name of the floor")
	}
	name, attribute, _ := strings.Cut(title, ", ")
	if attribute != "" && attribute != apartWords {
		return fmt.Errorf("a floor has %q behind its name or nothing", apartWords)
	}
	l.floors = append(l.floors, &floor{name: name, apart: attribute != "", allowed: make(map[string][]string)})
	return nil
}

// isEntry reports whether a word is the name of a file or an internal package.
func isEntry(word string) bool {
	return strings.HasSuffix(word, ".go") || strings.HasPrefix(word, "internal/")
}

func prefixLength(words []string, ok func(string) bool) int {
	if i := slices.IndexFunc(words, func(word string) bool { return !ok(word) }); i >= 0 {
		return i
	}
	return len(words)
}

// floorOf returns the number of the floor of a file, 0 for the highest, -1 for
// none.
func (l *layout) floorOf(entry string) int {
	return slices.IndexFunc(l.floors, func(f *floor) bool { return slices.Contains(f.entries, entry) })
}

// check checks the package in dir, as it is on each of the platforms, such as
// "js/wasm". It returns what is wrong, and the references between the files.
func (l *layout) check(dir string, platforms ...string) (problems []string, references []reference, err error) {
	problems, err = l.checkEntries(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, platform := range platforms {
		found, typeErrors, err := loadReferences(dir, platform)
		if err != nil {
			return nil, nil, err
		}
		references = append(references, found...)
		for _, err := range typeErrors[:min(5, len(typeErrors))] {
			problems = append(problems, platform+": "+err.Error())
		}
	}
	problems = append(problems, l.checkReferences(references)...)
	return append(problems, l.checkAllowed(references)...), references, nil
}

// checkEntries compares the list with what is in dir: the files of all
// platforms, without tests, and the packages below internal.
func (l *layout) checkEntries(dir string) (problems []string, err error) {
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		return nil, err
	}
	packages, err := fs.Glob(os.DirFS(dir), "internal/*")
	if err != nil {
		return nil, err
	}
	entries := append(files, packages...)
	for _, name := range entries {
		if !strings.HasSuffix(name, "_test.go") && l.floorOf(name) < 0 {
			problems = append(problems, name+" has no floor")
		}
	}
	for _, f := range l.floors {
		for _, name := range f.entries {
			if !slices.Contains(entries, name) {
				problems = append(problems, name+" does not exist")
			}
		}
	}
	return problems, nil
}

// checkReferences returns the references that the floors forbid. Of equal
// references from a file it returns the first.
func (l *layout) checkReferences(references []reference) (problems []string) {
	seen := make(map[[2]string]bool)
	for _, r := range references {
		key := [2]string{r.from.Filename, r.what}
		from, to := l.floorOf(r.from.Filename), l.floorOf(r.to)
		if from < 0 || to < 0 || from < to || seen[key] {
			continue
		}
		seen[key] = true
		lower, higher := l.floors[from], l.floors[to]
		switch {
		case from > to:
			problems = append(problems, fmt.Sprintf("%s: %s, declared in %s: %q is below %q", r.from, r.what, r.to, lower.name, higher.name))
		case lower.apart && !slices.Contains(lower.allowed[r.from.Filename], r.to):
			problems = append(problems, fmt.Sprintf("%s: %s, declared in %s: the files of %q are %s", r.from, r.what, r.to, lower.name, apartWords))
		}
	}
	return problems
}

// checkAllowed returns the arrows of the list that no reference needs.
func (l *layout) checkAllowed(references []reference) (problems []string) {
	used := make(map[[2]string]bool)
	for _, r := range references {
		used[[2]string{r.from.Filename, r.to}] = true
	}
	for _, f := range l.floors {
		for _, from := range slices.Sorted(maps.Keys(f.allowed)) {
			for _, to := range f.allowed[from] {
				if !slices.Contains(f.entries, to) || !used[[2]string{from, to}] {
					problems = append(problems, fmt.Sprintf("%s does not refer to %s: remove the arrow from the list", from, to))
				}
			}
		}
	}
	return problems
}
