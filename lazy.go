package websocket

import "sync/atomic"

// A lazyChannel is a channel that is made when it is first asked for: most
// connections never wait for what it stands for.
type lazyChannel struct{ made atomic.Pointer[chan struct{}] }

// get returns the channel, with room for size values if it is not made yet.
func (l *lazyChannel) get(size int) chan struct{} {
	if ch := l.made.Load(); ch != nil {
		return *ch
	}
	ch := make(chan struct{}, size)
	l.made.CompareAndSwap(nil, &ch)
	return *l.made.Load()
}

// close closes the channel, once, also for those who ask for it later.
func (l *lazyChannel) close() {
	if ch := l.made.Swap(&closedChannel); ch != nil && ch != &closedChannel {
		close(*ch)
	}
}

var closedChannel = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()
