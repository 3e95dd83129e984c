//go:build race

package websocket

// raceDetector changes what is allocated: pools drop at random what they are
// given, so that nobody relies on them.
const raceDetector = true
