package socket

// CanQueue reports whether there are queues on this system.
func CanQueue() bool { return canQueue() }

// A Key is what a socket of a [Queue] goes by. A number that is used again has
// another generation: the one that Wait returns may be that of a socket which was
// removed meanwhile.
type Key struct {
	Index      int32
	Generation uint32
}

// Ready is a socket that has become readable.
type Ready struct {
	Key Key

	// Hangup is set if the peer has closed its side, or the connection has
	// failed. There may be no other event for that.
	Hangup bool
}
