package websocket

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
)

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := newEndlessConn(false, opText, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				c.ReadMessage()
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, client := range []bool{false, true} {
		for _, n := range []int{16, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("client=%v/%d", client, n), func(b *testing.B) {
				c := newEndlessConn(client, opText, 1)
				data := []byte(testPayload(n))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					c.WriteMessage(TextMessage, data)
				}
			})
		}
	}
}

// BenchmarkEchoLong echoes a message of 16 MiB over TCP on loopback, and compares with
// io.Copy of the same bytes. The client is the same in all cases: it sends an encoded
// frame and reads as many bytes as the answer has.
func BenchmarkEchoLong(b *testing.B) {
	const n = 16 << 20
	p := &peer{masked: true}
	frame := p.frame(true, opBinary, string(make([]byte, n)))
	for _, test := range []struct {
		name   string
		answer int
		serve  func(conn net.Conn)
	}{
		{"tcp", len(frame), func(conn net.Conn) {
			buf := make([]byte, 64<<10)
			io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, buf)
		}},
		{"ReadMessage", len(frame) - 4, func(conn net.Conn) {
			c := newConn(conn, connConfig{})
			for {
				kind, data, err := c.ReadMessage()
				if err != nil || c.WriteMessage(kind, data) != nil {
					return
				}
			}
		}},
		{"NextReader", len(frame) - 4, func(conn net.Conn) {
			c := newConn(conn, connConfig{writeBufferSize: 64 << 10})
			for {
				kind, r, err := c.NextReader()
				if err != nil {
					return
				}
				w, err := c.NextWriter(kind)
				if err != nil {
					return
				}
				io.Copy(w, r)
				if w.Close() != nil {
					return
				}
			}
		}},
	} {
		b.Run(test.name, func(b *testing.B) {
			server, client := socketPair(b)
			go test.serve(server)
			answer := make([]byte, test.answer)
			b.SetBytes(n)
			for b.Loop() {
				go io.Copy(client, bytes.NewReader(frame))
				if test.name == "NextReader" {
					readMessageBytes(b, client, n)
				} else if _, err := io.ReadFull(client, answer); err != nil {
					b.Fatal(err)
				}
			}
			client.Close()
		})
	}
}

// readMessageBytes reads the frames of a message with a payload of n bytes.
func readMessageBytes(b *testing.B, conn net.Conn, n int) {
	c := newConn(conn, connConfig{client: true, readLimit: -1})
	_, r, err := c.NextReader()
	if err != nil {
		b.Fatal(err)
	}
	if got, err := io.Copy(io.Discard, r); err != nil || int(got) != n {
		b.Fatal(got, err)
	}
}
