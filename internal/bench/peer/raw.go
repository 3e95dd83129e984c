package peer

import (
	"io"
	"net"
	"net/http"

	"github.com/seed23105783/websocket/internal/bench/load"
)

// rawServers are the limits.
func rawServers() []*Server {
	return []*Server{
		{Name: "rawtcp", Limit: true, Raw: true, Takes: plain, serve: overTCP(rawEcho), broadcast: rawBroadcast},
		{Name: "rawbatch", Limit: true, Raw: true, Takes: plain, serve: overTCP(rawBatch)},
		{Name: "rawhttp", Limit: true, HTTP: true, Takes: func(o Options) bool { return o.Compression == "" },
			serve: overHTTP(func(Options) upgrade { return rawUpgrade })},
	}
}

// readSize is how much the raw servers take from a socket at once if it is
// more than one frame.
const readSize = 64 << 10

// rawEcho echoes the same bytes: it reads what is there, and does one Write
// per message. A long message is read as a whole first, as any echo of
// messages has to.
func rawEcho(conn net.Conn, o Options, h *Hub) {
	defer conn.Close()
	h.add(conn)
	buf := make([]byte, o.Frame*max(1, min(o.Depth, readSize/o.Frame)))
	for n := 0; ; {
		m, err := conn.Read(buf[n:])
		if err != nil {
			return
		}
		n += m
		done := 0
		for ; n-done >= o.Frame; done += o.Frame {
			if _, err := conn.Write(buf[done : done+o.Frame]); err != nil {
				return
			}
		}
		n = copy(buf, buf[done:n])
	}
}

// rawBatch does one Write per Read.
func rawBatch(conn net.Conn, o Options, _ *Hub) {
	defer conn.Close()
	buf := make([]byte, min(readSize, o.Frame*o.Depth))
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

// rawBroadcast writes the message in the frame that a WebSocket server sends.
func rawBroadcast(conns []any, payload []byte) error {
	frame := load.ServerFrame(load.Text, payload)
	for _, c := range conns {
		if _, err := c.(net.Conn).Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// fixedAnswer is right for the one key that the generator sends.
const fixedAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// rawUpgrade answers any request with a fixed 101, and then waits.
func rawUpgrade(w http.ResponseWriter, _ *http.Request) (any, func(), error) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(conn, fixedAnswer); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, func() {
		defer conn.Close()
		var b [1]byte
		conn.Read(b[:])
	}, nil
}
