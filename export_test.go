package websocket

// What tests in package websocket_test need of this package.
const RaceDetector = raceDetector

var NeedsSockets = needsSockets

// DialWithBrowser makes Dial use the browser where there is one, until the
// function that it returns is called.
func DialWithBrowser() (restore func()) {
	dialInTests = nil
	return func() { dialInTests = (*Dialer).dialHTTP }
}
