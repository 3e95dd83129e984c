package load_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed23105783/websocket/internal/bench/load"
)

// serveBytes echoes bytes, after changing what it is told to.
func serveBytes(t *testing.T, change func(p []byte)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					change(buf[:n])
					if _, err := conn.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestBytesThatComeBackAreAccepted(t *testing.T) {
	addr := serveBytes(t, func([]byte) {})
	for _, test := range []struct{ size, depth, conns, window int }{
		{16, 1, 1, 1}, {125, 16, 5, 5}, {126, 1, 5, 2}, {1 << 16, 1, 3, 3}, {1 << 20, 4, 3, 1}, {1 << 20, 16, 1, 1},
	} {
		traffic := load.NewEcho(load.Binary, test.size, test.depth, true)
		g, err := load.New(load.Target{Addr: addr, Raw: true}, test.conns, test.window, traffic)
		if err != nil {
			t.Fatal(err)
		}
		n, err := g.Run(20 * time.Millisecond)
		g.Close()
		if err != nil {
			t.Errorf("%+v: %v", test, err)
		}
		if n.Messages < test.depth || n.Messages%test.depth != 0 || n.Bytes != n.Messages*load.FrameSize(test.size) {
			t.Errorf("%+v: %+v", test, n)
		}
	}
}

func TestWrongBytesAreNoticed(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"header": func(p []byte) { p[0] ^= 0x80 },
		"middle": func(p []byte) { p[len(p)/2] ^= 1 },
		"last":   func(p []byte) { p[len(p)-1] ^= 1 },
	} {
		g, err := load.New(load.Target{Addr: serveBytes(t, change), Raw: true}, 1, 1, load.NewEcho(load.Text, 100, 1, true))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := g.Run(20 * time.Millisecond); err == nil {
			t.Errorf("%s: %+v", name, n)
		}
		g.Close()
	}
}

// TestAnotherMessageIsNoticed has the right messages come back late by one.
func TestAnotherMessageIsNoticed(t *testing.T) {
	var before []byte
	addr := serveBytes(t, func(p []byte) {
		now := bytes.Clone(p)
		copy(p, before)
		before = now
	})
	g, err := load.New(load.Target{Addr: addr, Raw: true}, 1, 1, load.NewEcho(load.Text, 100, 1, true))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if n, err := g.Run(20 * time.Millisecond); err == nil {
		t.Error(n)
	}
}

func TestCompressedAnswersThatAreOthersAreNoticed(t *testing.T) {
	d, other := load.NewDeflated(1024, false, false), load.NewDeflated(2048, false, false)
	for _, test := range []struct {
		name string
		sent *load.Deflated
		ok   bool
	}{{"the same", d, true}, {"others", other, false}} {
		t.Run(test.name, func(t *testing.T) {
			traffic := load.NewDeflated(1024, false, false)
			answers := test.sent.Unmasked()
			if err := traffic.ReceiveAll(bytes.NewReader(answers)); err != nil {
				t.Fatal(err)
			}
			if err := traffic.Verify(); (err == nil) != test.ok {
				t.Error(err)
			}
		})
	}
	if load.NewDeflated(1024, false, false).Verify() == nil {
		t.Error("no answers are right")
	}
}

func TestEchoTargetNoticesWrongMessages(t *testing.T) {
	message := bytes.Repeat([]byte("message "), 100)
	target := load.NewEchoTarget(load.Text, message)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go target.Serve(l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := load.Handshake(conn, ""); err != nil {
		t.Fatal(err)
	}
	// In two fragments, as some clients send what is long.
	frames := load.AppendFrame(nil, load.Text, true, message[:300])
	frames = load.AppendFrame(frames, 0x80, true, message[300:])
	conn.Write(frames)
	answer := make([]byte, len(load.ServerFrame(load.Text, message)))
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(answer, load.ServerFrame(load.Text, message)) {
		t.Fatal(err)
	}
	wrong := bytes.Clone(message)
	wrong[400] ^= 1
	conn.Write(load.AppendFrame(nil, 0x80|load.Text, true, wrong))
	if err := <-target.Failed; err == nil {
		t.Error("no error")
	}
}
