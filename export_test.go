package websocket

// What tests in package websocket_test need of this package.
const RaceDetector = raceDetector
