package lock

import "sync/atomic"

// A Chan is a channel that is made when it is first asked for: most
// connections never wait for what it stands for. Its zero value is ready to use.
type Chan struct{ made atomic.Pointer[chan struct{}] }

// Get returns the channel, with room for size values if it has to be made.
func (c *Chan) Get(size int) chan struct{} {
	if ch := c.made.Load(); ch != nil {
		return *ch
	}
	ch := make(chan struct{}, size)
	c.made.CompareAndSwap(nil, &ch)
	return *c.made.Load()
}

// Close closes the channel, also for those who ask for it later. Only the
// first call has an effect.
func (c *Chan) Close() {
	if ch := c.made.Swap(&closed); ch != nil && ch != &closed {
		close(*ch)
	}
}

// IsClosed reports whether Close has been called.
func (c *Chan) IsClosed() bool { return c.made.Load() == &closed }

var closed = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()
