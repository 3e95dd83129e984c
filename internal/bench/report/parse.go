package report

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

var (
	tableLine = regexp.MustCompile(`^(\S.*) \[(.*)\]$`)
	rowLine   = regexp.MustCompile(`^  (\S.*)$`)
	cellLine  = regexp.MustCompile(`^    (\S.*?) +(-?[\d.,]+) +(-?[\d.,]+)–(-?[\d.,]+)(.{9})(.{9})$`)
)

// Parse reads what Details has written, alone or as a part of other text. The
// samples of a cell are the smallest, the median and the largest, and its ratios
// are those that were written. What Details does not write is zero.
func Parse(r io.Reader) ([]*Cell, error) {
	var cells []*Cell
	var place Cell
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if m := cellLine.FindStringSubmatch(line); m != nil && place.Row != "" {
			c := place
			c.Column, c.toLimit, c.toPeer = m[1], strings.TrimSpace(m[5]), strings.TrimSpace(m[6])
			for _, i := range []int{3, 2, 4} {
				v, err := strconv.ParseFloat(strings.ReplaceAll(m[i], ",", ""), 64)
				if err != nil {
					return nil, fmt.Errorf("%q: %w", line, err)
				}
				c.Samples = append(c.Samples, v)
			}
			cells = append(cells, &c)
		} else if m := tableLine.FindStringSubmatch(line); m != nil {
			place = Cell{Table: m[1], Unit: m[2]}
		} else if m := rowLine.FindStringSubmatch(line); m != nil && place.Table != "" && !strings.HasPrefix(m[1], " ") {
			place.Row = m[1]
		}
	}
	return cells, lines.Err()
}
