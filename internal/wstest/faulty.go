package wstest

import "sync/atomic"

// A Fault is an error that calls of Read or Write on a [Faulty] return.
type Fault struct {
	Write bool  // calls of Write fail, otherwise calls of Read
	At    int32 // the number of the first call that fails, counted from 1
	Err   error // what it returns
	Short bool  // that call transfers a part of its bytes before it fails
	Once  bool  // the calls after it do not fail
}

// A Faulty is one end of a [Pipe] with a [Fault].
type Faulty struct {
	*Conn
	fault         Fault
	reads, writes atomic.Int32
	closed        atomic.Bool
}

// NewFaulty returns c with a fault.
func NewFaulty(c *Conn, fault Fault) *Faulty { return &Faulty{Conn: c, fault: fault} }

// Fired reports whether the first call that fails has been made.
func (f *Faulty) Fired() bool {
	if f.fault.Write {
		return f.writes.Load() >= f.fault.At
	}
	return f.reads.Load() >= f.fault.At
}

// Close closes the connection and ends the fault.
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

// call makes the n-th call of Read or Write, or fails it.
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
