package wstest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFaulty(t *testing.T) {
	cause := errors.New("cause")
	for _, test := range []struct {
		fault Fault
		want  []int // bytes that each call transfers, less than 4 with an error
	}{
		{Fault{At: 1}, []int{0, 0, 0}},
		{Fault{At: 2}, []int{4, 0, 0}},
		{Fault{At: 2, Once: true}, []int{4, 0, 4}},
		{Fault{At: 2, Short: true}, []int{4, 2, 0}},
		{Fault{At: 2, Short: true, Once: true}, []int{4, 2, 4}},
		{Fault{At: 4}, []int{4, 4, 4}},
	} {
		for _, write := range []bool{false, true} {
			a, b := Pipe(0, Whole)
			test.fault.Write, test.fault.Err = write, cause
			f := NewFaulty(a, test.fault)
			b.Write(make([]byte, 100))
			for _, want := range test.want {
				call := f.Read
				if write {
					call = f.Write
				}
				n, err := call(make([]byte, 4))
				require.Equal(t, want, n, "%+v", test.fault)
				require.Equal(t, want < 4, err == cause, "%+v", test.fault)
			}
			require.Equal(t, test.fault.At <= 3, f.Fired())
		}
	}
}
