package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/seed23105783/websocket/internal/bench/report"
)

// notes tell what a reader of the tables has to know.
const notes = `CPU is the user and system time of the process that is measured. Texts are JSON, binary messages noise. This
library and nbio check that a text is UTF-8 (gws and gobwas can, and do not here). Echoes have at most 64 MiB on their way at the
same time: of 1,000 connections with long messages, as many are busy as that allows. Raw servers echo the 4 bytes of
the masking key too. Everything that compresses does so at its default level, gobwas (which has none) at level 1, and
every message, however short, where it can be told to. "in handler" reads inside the HTTP handler; everything else on
net/http reads from a goroutine of its own after the handler has returned. websocket is ReadMessage and WriteMessage,
-append AppendMessage into a kept buffer and WriteMessage, -immediate the same with WriteImmediately, -send AppendMessage
and Send; -group and -events broadcast through a Group. Without WriteImmediately, answers to messages that have arrived together
are written together. gorilla-reader reads NextReader into a kept buffer, as coder and gobwas do here in any case.
gobwas, gobwas-unbuffered, gws-own and nbio do without net/http; nbio (not -blocking) does without a goroutine for each
connection too.
`

// write writes results.md, results.json and the charts.
func write(dir string, cells []*report.Cell, failures []string, o options) error {
	var md bytes.Buffer
	fmt.Fprintf(&md, "# Results\n\n`%s`, %s, %s, %s on %d cores (%s), medians of %d rounds of %v.\n\n%s",
		command(), time.Now().Format(time.DateOnly), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(),
		processor(), o.rounds, o.time, notes)
	fmt.Fprintf(&md, "\nAgainst %s.\n\n", peerVersions())
	for _, f := range failures {
		fmt.Fprintf(&md, "FAILED: %s\n\n", f)
	}
	tables := report.Tables(cells)
	for _, t := range tables {
		t.Markdown(&md)
	}
	md.WriteString("<details><summary>Medians, spread, and ratios</summary>\n\n```\n")
	for _, t := range tables {
		t.Details(&md)
	}
	md.WriteString("```\n\n</details>\n")
	raw, err := json.MarshalIndent(cells, "", "\t")
	if err != nil {
		return err
	}
	files := charts(cells)
	files["results.md"], files["results.json"] = md.Bytes(), append(raw, '\n')
	return writeFiles(dir, files)
}

// charts returns the charts that cells are in, by the names of their files.
func charts(cells []*report.Cell) map[string][]byte {
	files := make(map[string][]byte)
	cells = append(slices.Clip(cells), headlineCells(cells)...)
	for _, name := range report.Charts(cells) {
		var svg bytes.Buffer
		report.Chart(&svg, name, cells)
		files[name+".svg"] = svg.Bytes()
	}
	return files
}

func writeFiles(dir string, files map[string][]byte) error {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// command returns how this program was called.
func command() string {
	return strings.Join(append([]string{"go run ./cmd/bench"}, os.Args[1:]...), " ")
}

var modelLine = regexp.MustCompile(`model name\s*:\s*(.*)`)

// processor returns the name of the processor.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	if m := modelLine.FindSubmatch(info); m != nil {
		return string(m[1])
	}
	return "unknown processor"
}

// peerVersions returns what this program was built with.
func peerVersions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown versions"
	}
	var versions []string
	for _, name := range []string{"gorilla/websocket", "coder/websocket", "gobwas/ws", "lxzan/gws", "lesismal/nbio"} {
		for _, d := range info.Deps {
			if d.Path == "github.com/"+name {
				versions = append(versions, name+" "+d.Version)
			}
		}
	}
	return strings.Join(versions, ", ")
}
