//go:build race

package deflate

// deflateRace: pools drop at random what they are given.
const deflateRace = true
