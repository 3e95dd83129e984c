//go:build race

package deflate

// deflateRace reports that the race detector is enabled. Pools then drop some of
// what they are given.
const deflateRace = true
