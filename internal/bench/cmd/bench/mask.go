package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// maskScenarios have the one benchmark that is not here run: masking is no
// part of the library's API.
func maskScenarios() []*scenario {
	s := &scenario{name: "masking"}
	for _, size := range []int{16, 125, 1 << 10, 8 << 10, 16 << 10, 64 << 10, 1 << 20} {
		s.metrics = append(s.metrics, metric{"Masking", bytesName(size), "ns", ""})
	}
	for _, name := range []string{"in_place", "copying", "copy_alone"} {
		s.columns = append(s.columns, column{name, name != "copy_alone", name == "copy_alone", func(o options) ([]float64, error) {
			return benchmarkMask(name, len(s.metrics), o)
		}})
	}
	s.limit = "copy_alone"
	return []*scenario{s}
}

var maskLine = regexp.MustCompile(`^BenchmarkMask/\S+\s+\d+\s+(\S+) ns/op`)

// benchmarkMask runs one part of the library's BenchmarkMask and returns what
// it says of each size.
func benchmarkMask(name string, want int, o options) ([]float64, error) {
	command := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkMask$/^"+name+"$",
		"-benchtime", o.time.String(), "github.com/seed23105783/websocket")
	out, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, out)
	}
	var values []float64
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if m := maskLine.FindStringSubmatch(lines.Text()); m != nil {
			v, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
	}
	if len(values) != want {
		return nil, fmt.Errorf("BenchmarkMask/%s has %d sizes and not %d", name, len(values), want)
	}
	return values, nil
}
