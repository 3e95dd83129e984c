//go:build race

package deflate

// inflateRace changes what is allocated.
const inflateRace = true
