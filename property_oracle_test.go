package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/wstest"
)

// TestOracle makes valid and invalid streams from seeds, and compares what Conn makes
// of each with the model of RFC 6455 and RFC 7692 in property_oracle_model_test.go.
// ORACLE_STREAMS is the number of streams, ORACLE_FIRST the first seed.
func TestOracle(t *testing.T) {
	first, n := oracleNumber(t, "ORACLE_FIRST", 0), oracleNumber(t, "ORACLE_STREAMS", 3000)
	if (raceDetector || testing.Short()) && os.Getenv("ORACLE_STREAMS") == "" {
		n = 600
	}
	ends := map[string]int{}
	for seed := first; seed < first+n; seed++ {
		o := newOracle(seed)
		want := (&model{server: !o.client, deflate: o.bits, takeover: o.takeover, limit: o.limit}).run(o.stream)
		if got := o.run(t); !sameResult(want, got) {
			t.Fatalf("ORACLE_FIRST=%d ORACLE_STREAMS=1: %s\n\nthe model: %+v\n\nthe library: %+v", seed, o, want, got)
		}
		ends[fmt.Sprint(want.end, " ", want.code)]++
		ends["messages"] += len(want.messages)
	}
	if n >= 500 {
		for _, end := range oracleEnds {
			require.GreaterOrEqual(t, ends[end], n/200, "some streams have to end in every way: %v", ends)
		}
		require.Greater(t, ends["messages"], n)
	}
}

// oracleEnds are the ends that have to be among those of the streams.
var oracleEnds = []string{
	fmt.Sprint(modelClosed, " 1000"), fmt.Sprint(modelClosed, " 1005"), fmt.Sprint(modelLost, " 0"), fmt.Sprint(modelTooLong, " 1009"),
	fmt.Sprint(modelViolated, " 1002"), fmt.Sprint(modelViolated, " 1007"), fmt.Sprint(modelViolated, " 1008"),
}

// oracleNumber returns the number in an environment variable.
func oracleNumber(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// sameResult reports whether two results are the same.
func sameResult(want, got modelResult) bool {
	return slices.Equal(want.messages, got.messages) && slices.Equal(want.sent, got.sent) &&
		want.end == got.end && want.code == got.code && want.reason == got.reason
}

// An oracle is a connection and the stream that it receives.
type oracle struct {
	*rand.Rand
	seed     int
	client   bool // the role of the receiver
	bits     int  // of the window, 0 without compression
	takeover bool
	limit    int // of a message, -1 for none
	stream   []byte
	log      []string // the steps that have made it

	compressor *flate.Writer
	output     bytes.Buffer
}

// newOracle returns the oracle for a seed.
func newOracle(seed int) *oracle {
	o := &oracle{Rand: rand.New(rand.NewPCG(uint64(seed), 13)), seed: seed}
	o.client = o.IntN(2) == 0
	o.limit = []int{-1, 40, 300, 3000, 20_000}[o.IntN(5)]
	if o.IntN(2) == 0 {
		o.bits = []int{8, 10, 15, 15}[o.IntN(4)]
		o.takeover = o.IntN(2) == 0
		level := []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9}[o.IntN(5)]
		if o.bits < 15 && o.IntN(3) > 0 {
			level = flate.HuffmanOnly // compress/flate may go beyond the window otherwise
		}
		o.compressor = oracleCompressors[level]
		o.compressor.Reset(&o.output)
	}
	for range o.IntN(10) {
		o.add(oracleSteps)
	}
	if o.IntN(4) > 0 {
		o.add(oracleEndings)
		o.add(oracleSteps) // has to be ignored
	}
	o.corrupt()
	return o
}

// oracleCompressors are allocated once, since each needs a megabyte.
var oracleCompressors = func() map[int]*flate.Writer {
	all := make(map[int]*flate.Writer)
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		all[level], _ = flate.NewWriter(nil, level)
	}
	return all
}()

func (o *oracle) String() string {
	return fmt.Sprintf("client=%v bits=%d takeover=%v limit=%d %s\n%.2000x", o.client, o.bits, o.takeover, o.limit, strings.Join(o.log, ", "), o.stream)
}

// An oracleStep adds frames to a stream. Steps are chosen in proportion to their
// weights.
type oracleStep struct {
	name   string
	weight int
	add    func(o *oracle)
}

// add adds the frames of a step.
func (o *oracle) add(steps []oracleStep) {
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := o.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			o.log = append(o.log, s.name)
			s.add(o)
			return
		}
	}
}

// corrupt cuts the stream, changes a byte of it, or does nothing.
func (o *oracle) corrupt() {
	if len(o.stream) == 0 {
		return
	}
	switch at := o.IntN(len(o.stream)); o.IntN(8) {
	case 0:
		o.log = append(o.log, fmt.Sprint("cut at ", at))
		o.stream = o.stream[:at]
	case 1:
		o.log = append(o.log, fmt.Sprint("changed at ", at))
		o.stream[at] ^= 1 << o.IntN(8)
	}
}

// frame adds a frame, which need not be valid. lengthForm is the number of bits of the
// length, 0 for the shortest form.
func (o *oracle) frame(first byte, masked bool, lengthForm int, payload []byte) {
	second := byte(0)
	if masked {
		second = 128
	}
	if lengthForm == 0 {
		lengthForm = map[bool]int{true: 7, false: 16}[len(payload) < 126]
		if len(payload) > 65535 {
			lengthForm = 64
		}
	}
	switch lengthForm {
	case 7:
		o.stream = append(o.stream, first, second|byte(len(payload)))
	case 16:
		o.stream = binary.BigEndian.AppendUint16(append(o.stream, first, second|126), uint16(len(payload)))
	case 64:
		o.stream = binary.BigEndian.AppendUint64(append(o.stream, first, second|127), uint64(len(payload)))
	}
	var key [4]byte
	if masked {
		binary.BigEndian.PutUint32(key[:], o.Uint32())
		o.stream = append(o.stream, key[:]...)
	}
	for i, b := range payload {
		o.stream = append(o.stream, b^key[i%4])
	}
}

// validFrame adds a frame with the right masking and the shortest length.
func (o *oracle) validFrame(first byte, payload string) {
	o.frame(first, !o.client, 0, []byte(payload))
}

// run reads the stream with a Conn, in pieces and by a method that the seed determines.
func (o *oracle) run(t *testing.T) (v modelResult) {
	s := &scriptedStream{in: o.stream, chunking: []wstest.Chunking{wstest.Whole, wstest.Byte, wstest.Random(uint64(o.seed))}[o.IntN(3)]}
	s.timeout = o.IntN(4) == 0 && len(o.stream) < 5000 // each of them may cost a copy
	config := connConfig{client: o.client, readLimit: int64(o.limit), readBufferSize: []int{minBuffer, defaultBuffer}[o.IntN(2)]}
	if o.bits > 0 {
		side := deflate.Side{NoContextTakeover: !o.takeover, WindowBits: o.bits}
		config.agreement = agreement{wish: &Compression{}, params: deflate.Params{Server: side, Client: side}}
	}
	r := readMethods[o.IntN(len(readMethods))]
	var c *Conn
	switch {
	case r.name == "Start":
		a, b := wstest.Pipe(0, s.chunking)
		b.Write(o.stream)
		b.CloseWrite()
		defer b.Close()
		c = newConn(a, config)
		defer func() {
			<-c.transport.whenReleased()
			sent, err := io.ReadAll(b)
			require.NoError(t, err, o)
			o.checkSent(t, sent, &v)
		}()
	default:
		c = newConn(s, config)
	}
	if s.timeout && r.name == "NextReader" {
		r.read = resumingReader()
	}
	for {
		kind, data, err := r.read(c)
		if err == nil {
			v.messages = append(v.messages, message{kind, string(data)})
		} else if !isTimeout(err) {
			v.end, v.reason = oracleEnd(err)
			break
		}
	}
	require.Equal(t, StateClosed, c.State(), o)
	if r.name != "Start" {
		o.checkSent(t, s.out.Bytes(), &v)
	}
	return v
}

// oracleEnd returns the kind of end that an error stands for.
func oracleEnd(err error) (modelEnd, string) {
	if err == ErrReadLimit {
		return modelTooLong, ""
	}
	if _, ok := errors.AsType[*ProtocolError](err); ok {
		return modelViolated, ""
	}
	closed, ok := errors.AsType[*CloseError](err)
	switch {
	case !ok:
		return modelOpen, err.Error()
	case closed.Code == CloseAbnormalClosure:
		return modelLost, ""
	}
	return modelClosed, closed.Text
}

// checkSent parses the frames that were sent: pongs, and at most one close frame after
// them.
func (o *oracle) checkSent(t *testing.T, sent []byte, v *modelResult) {
	for len(sent) > 0 {
		h, size, bad := modelParse(sent)
		require.False(t, bad || size == 0 || v.code != 0, o)
		require.True(t, h.fin && h.rsv == 0 && h.masked == o.client, o)
		payload := sent[size : size+int(h.length)]
		for i := range payload {
			if h.masked {
				payload[i] ^= h.key[i%4]
			}
		}
		sent = sent[size+int(h.length):]
		switch {
		case h.op == 10:
			v.sent = append(v.sent, string(payload))
			continue
		case len(payload) >= 2:
			v.code = int(binary.BigEndian.Uint16(payload))
		default:
			v.code = 1005
		}
		require.EqualValues(t, 8, h.op, o)
	}
}
