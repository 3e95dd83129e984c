package main

import "github.com/seed23105783/websocket/internal/bench/report"

// oldBatch is a server that results from before WriteMessage batched by default
// have: AppendMessage and WriteMessage with BatchWrites. In these, websocket is
// without batching too. This file and its uses can go when results is newer.
const oldBatch = "websocket-batch"

// isOld reports whether t, nil if the results do not have it, has oldBatch.
func isOld(t *report.Table, row string) bool { return t != nil && t.Cell(row, oldBatch) != nil }

// currentName returns the column whose place in the scenarios a column of the
// results has.
func currentName(column string) string {
	if column == oldBatch {
		return "websocket-append"
	}
	return column
}
