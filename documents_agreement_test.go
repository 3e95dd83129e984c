package websocket_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var (
	anyFence = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan = regexp.MustCompile("`[^`]+`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	figure   = regexp.MustCompile(`\d+(?:[.,]\d+)*`)
	measured = regexp.MustCompile(`(\d+(?:[.,]\d+)*) (?:µs|KiB)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

func readDocument(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// tablesOf returns the tables of a text: of each the rows, and of each row the cells.
func tablesOf(text string) (tables [][][]string) {
	var table [][]string
	for line := range strings.Lines(text + "\n\n") {
		if strings.HasPrefix(line, "|") {
			table = append(table, strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"))
		} else if table != nil {
			tables, table = append(tables, table), nil
		}
	}
	return tables
}

// TestReadmeInChinese compares README.zh-CN.md with README.md: the code, the tables, the
// links and the figures are the same.
func TestReadmeInChinese(t *testing.T) {
	english, chinese := readDocument(t, "README.md"), readDocument(t, "README.zh-CN.md")
	require.Equal(t, anyFence.FindAllString(english, -1), anyFence.FindAllString(chinese, -1))

	ours, theirs := tablesOf(english), tablesOf(chinese)
	require.GreaterOrEqual(t, len(ours), 4)
	require.Len(t, theirs, len(ours))
	for i, table := range ours {
		require.Len(t, theirs[i], len(table), "rows of table %d", i+1)
		for j, row := range table {
			require.Len(t, theirs[i][j], len(row), "%q", row)
			for k, cell := range row {
				other := theirs[i][j][k]
				require.Equal(t, codeSpan.FindAllString(cell, -1), codeSpan.FindAllString(other, -1), "%q, %q", cell, other)
				require.Equal(t, figure.FindAllString(cell, -1), figure.FindAllString(other, -1), "%q, %q", cell, other)
			}
		}
	}
	require.Equal(t, strings.Count(english, "\n## "), strings.Count(chinese, "\n## "))
	prose := func(text string) string { return anyFence.ReplaceAllString(text, "") }
	links := func(text string) (targets []string) {
		for _, match := range link.FindAllStringSubmatch(prose(text), -1) {
			targets = append(targets, strings.Replace(match[1], "README.zh-CN.md", "README.md", 1))
		}
		return targets
	}
	require.Equal(t, links(english), links(chinese))
	require.ElementsMatch(t, figure.FindAllString(prose(english), -1), figure.FindAllString(prose(chinese), -1))
}

// TestReadmeFigures: the figures in the text of the README are those of its table, which
// internal/bench makes from its results.
func TestReadmeFigures(t *testing.T) {
	text := readDocument(t, "README.md")
	why, rest, found := strings.Cut(text, "<!-- figures:")
	require.True(t, found)
	table, _, found := strings.Cut(rest, "<!-- end of the table -->")
	require.True(t, found)
	figures := measured.FindAllStringSubmatch(why, -1)
	require.GreaterOrEqual(t, len(figures), 4)
	all := table + readDocument(t, "internal/bench/README.md")
	for _, f := range figures {
		require.Regexp(t, `[| ]`+regexp.QuoteMeta(f[1])+`[ |]`, all, "the results have no %s", f[0])
	}
}

// TestDocumentLinks: what the documents link to exists, headings too.
func TestDocumentLinks(t *testing.T) {
	checked := 0
	for _, name := range documents {
		for _, match := range link.FindAllStringSubmatch(anyFence.ReplaceAllString(readDocument(t, name), ""), -1) {
			target, fragment, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			file := name
			if target != "" {
				file = filepath.Join(filepath.Dir(name), filepath.FromSlash(target))
			}
			_, err := os.Stat(file)
			require.NoError(t, err, "%s links to %s", name, match[1])
			if fragment != "" {
				require.Contains(t, anchorsOf(readDocument(t, file)), fragment, "%s links to %s", name, match[1])
			}
		}
	}
	require.Greater(t, checked, 60)
}

// anchorsOf returns the anchors of the headings of a document, as GitHub makes them.
func anchorsOf(text string) (anchors []string) {
	for _, match := range heading.FindAllStringSubmatch(anyFence.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		anchors = append(anchors, anchor)
	}
	return anchors
}
