package main

import (
	"runtime"
	"syscall"
	"time"
)

// usage returns what this process has used: its user and system time, which
// other processes disturb far less than the time on the clock, and how often
// it has allocated.
func usage() (cpu time.Duration, mallocs uint64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // there is nothing to measure with
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), m.Mallocs
}

// raiseFileLimit allows as many open files as the system lets us have.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}
