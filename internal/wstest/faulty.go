package wstest

import "sync/atomic"

// A Fault is what happens to one call of Read or Write on a Faulty, and unless
// it happens once to all of that kind after it.
type Fault struct {
	Write bool  // or else it is a Read
	At    int32 // which of them, the first being 1
	Err   error
	Short bool // some bytes go through all the same
	Once  bool
}

// A Faulty is one end of a Pipe with a Fault.
type Faulty struct {
	*Conn
	fault         Fault
	reads, writes atomic.Int32
	closed        atomic.Bool
}

// NewFaulty puts a fault into c.
func NewFaulty(c *Conn, fault Fault) *Faulty { return &Faulty{Conn: c, fault: fault} }

// Fired reports whether the call that was to fail has been made.
func (f *Faulty) Fired() bool {
	if f.fault.Write {
		return f.writes.Load() >= f.fault.At
	}
	return f.reads.Load() >= f.fault.At
}

// Close ends the fault, too.
func (f *Faulty) Close() error {
	f.closed.Store(true)
	return f.Conn.Close()
}

func (f *Faulty) Read(p []byte) (int, error) {
	return f.call(p, false, f.reads.Add(1), f.Conn.Read)
}

func (f *Faulty) Write(p []byte) (int, error) {
	return f.call(p, true, f.writes.Add(1), f.Conn.Write)
}

// call makes the n-th call of a kind.
func (f *Faulty) call(p []byte, write bool, n int32, call func([]byte) (int, error)) (int, error) {
	switch {
	case f.closed.Load() || write != f.fault.Write || n < f.fault.At || n > f.fault.At && f.fault.Once:
		return call(p)
	case f.fault.Short && n == f.fault.At && len(p) > 1:
		done, err := call(p[:len(p)/2])
		if err == nil {
			err = f.fault.Err
		}
		return done, err
	}
	return 0, f.fault.Err
}
