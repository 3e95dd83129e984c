package websocket

import "sync/atomic"

// A lazyChannel is a channel that is made when it is first asked for: most
// connections never wait for what it stands for.
type lazyChannel struct{ v atomic.Value }

// get returns the channel, with room for size values if it is not made yet.
func (l *lazyChannel) get(size int) chan struct{} {
	if ch, ok := l.v.Load().(chan struct{}); ok {
		return ch
	}
	l.v.CompareAndSwap(nil, make(chan struct{}, size))
	return l.v.Load().(chan struct{})
}

// close closes the channel, once, also for those who ask for it later.
func (l *lazyChannel) close() {
	if ch, ok := l.v.Swap(closedChannel).(chan struct{}); ok {
		close(ch)
	}
}

var closedChannel = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()
