//go:build !race

package deflate

const deflateRace = false
