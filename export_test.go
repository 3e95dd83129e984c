package websocket

// What tests in package websocket_test need of this package.
const RaceDetector = raceDetector

var NeedsSockets = needsSockets

// IsDrained reports whether Shutdown reads in place of whoever did, or is about to.
func (c *Conn) IsDrained() bool { return c.closing.has(drained) }

// DialWithBrowser makes Dial use the browser where there is one, until the
// function that it returns is called.
func DialWithBrowser() (restore func()) {
	dialInTests = nil
	return func() { dialInTests = (*Dialer).dialHTTP }
}
