//go:build race

package deflate

// inflateRace reports that the race detector is enabled, which changes what is
// allocated.
const inflateRace = true
