package e2e

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

type message struct {
	messageType int
	content     []byte
}

func text(s string) message { return message{websocket.TextMessage, []byte(s)} }

// record is one of a stream of similar messages.
func record(i int) string {
	return fmt.Sprintf(`{"id":%d,"device":"thermometer-%d","temperature":%d.%d,"unit":"°C","time":"2026-03-%02dT%02d:%02d:00Z"}`,
		i, i%7, i%40, i*i%10, 1+i%31, i%24, i*7%60)
}

func records(n int) []message {
	list := make([]message, n)
	for i := range list {
		list[i] = text(record(i))
	}
	return list
}

// mixture returns n messages of many kinds. Every hundred has two of more than
// 100 KB.
func mixture(n int) []message {
	list := records(n)
	for i := range list {
		switch {
		case i%100 == 0:
			list[i] = text("[" + strings.Repeat(record(i)+",", 20) + strings.Repeat(record(i+1)+",\n", 2000) + "{}]")
		case i%100 == 50:
			// What recurs is further away than any window reaches.
			list[i] = recurring(i, 40_000, 3)
		case i%10 == 0:
			list[i] = recurring(i%3, []int{200, 300, 1000, 5000, 20_000}[i/10%5], 2)
		case i%10 == 1:
			list[i] = message{1 + i/10%2, nil}
		case i%10 == 2:
			list[i] = text(strings.Repeat("again and ", i%700))
		case i%10 == 3:
			list[i] = recurring(i, i%600, 1)
		case i%10 == 4:
			list[i] = text(strings.Repeat(fmt.Sprintf("Grüße, 世界 🌍 %d; ", i), 1+i%50))
		}
	}
	return list
}

// recurring is some random bytes several times.
func recurring(seed, size, times int) message {
	return message{websocket.BinaryMessage, bytes.Repeat(randomBytes(uint64(seed), size), times)}
}

func totalSize(messages []message) int {
	size := 0
	for _, m := range messages {
		size += len(m.content)
	}
	return size
}

// A sender sends the ith message.
type sender func(conn *websocket.Conn, i int, m message) error

func sendPlainly(conn *websocket.Conn, _ int, m message) error {
	return conn.WriteMessage(m.messageType, m.content)
}

// sendVariously uses all there is to send a message, in turns.
func sendVariously(conn *websocket.Conn, i int, m message) error {
	if i%25 == 0 {
		levels := []int{flate.BestSpeed, 6, flate.BestCompression, flate.HuffmanOnly}
		if err := conn.SetCompressionLevel(levels[i/25%len(levels)]); err != nil {
			return err
		}
	}
	conn.EnableWriteCompression(i%19 != 5)
	switch i % 7 {
	case 1, 4:
		return sendInPieces(conn, m)
	case 6:
		prepared, err := websocket.NewPreparedMessage(m.messageType, m.content)
		if err != nil {
			return err
		}
		return conn.WritePreparedMessage(prepared)
	}
	return sendPlainly(conn, i, m)
}

func sendInPieces(conn *websocket.Conn, m message) error {
	w, err := conn.NextWriter(m.messageType)
	if err != nil {
		return err
	}
	for piece := range bytes.SplitAfterSeq(m.content, []byte(",")) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return w.Close()
}

// exchange sends the messages to a peer that echoes them, and checks what
// comes back while it sends.
func exchange(t *testing.T, conn *websocket.Conn, messages []message, send sender) {
	t.Helper()
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for i, m := range messages {
			if err := send(conn, i, m); err != nil {
				t.Errorf("sending message %d: %v", i, err)
				return
			}
		}
	})
	for i, m := range messages {
		if err := receive(conn, i, m); err != nil {
			conn.Close() // which ends the sending
			require.FailNow(t, "not echoed", "message %d: %v", i, err)
		}
	}
}

// receive expects the ith message. Every other one is read in pieces.
func receive(conn *websocket.Conn, i int, want message) error {
	messageType, got, err := read(conn, i%2 == 1)
	switch {
	case err != nil:
		return err
	case messageType != want.messageType:
		return fmt.Errorf("got the type %d, want %d", messageType, want.messageType)
	case !bytes.Equal(got, want.content):
		return fmt.Errorf("the contents differ: got %d bytes, want %d", len(got), len(want.content))
	}
	return nil
}

func read(conn *websocket.Conn, inPieces bool) (messageType int, content []byte, err error) {
	if !inPieces {
		return conn.ReadMessage()
	}
	messageType, r, err := conn.NextReader()
	if err == nil {
		content, err = io.ReadAll(r)
	}
	return messageType, content, err
}

// requireCompressed checks that both directions took less than the messages do
// as they are.
func requireCompressed(t *testing.T, messages []message, report deflateReport) {
	t.Helper()
	size := totalSize(messages)
	require.Less(t, report.Read, size*9/10, "what we sent, over the network")
	require.Less(t, report.Written, size*9/10, "what the peer sent, over the network")
}

// testEcho exchanges messages and checks what was agreed.
func testEcho(t *testing.T, role deflateRole, n *peer, wish, options parameters, messages []message) {
	t.Helper()
	conn := role.connect(t, n, wish, options)
	exchange(t, conn, messages, sendVariously)
	report := finish(t, conn)
	requireAgreed(t, wish.and(options), conn, report)
	requireCompressed(t, messages, report)
}

// deflateWishes are ours in the matrix.
var deflateWishes = []parameters{
	{},
	{ServerNoContextTakeover: true, ClientNoContextTakeover: true},
	{ServerMaxWindowBits: 10, ClientMaxWindowBits: 10},
	{ServerNoContextTakeover: true, ClientNoContextTakeover: true, ServerMaxWindowBits: 10, ClientMaxWindowBits: 10},
	{ServerMaxWindowBits: 8, ClientMaxWindowBits: 8},
}

// deflateOptions returns all combinations of takeover and the sizes of windows.
func deflateOptions(windowBits ...int) []parameters {
	var list []parameters
	for _, serverAlone := range []bool{false, true} {
		for _, clientAlone := range []bool{false, true} {
			for _, serverBits := range windowBits {
				for _, clientBits := range windowBits {
					list = append(list, parameters{serverAlone, clientAlone, serverBits, clientBits})
				}
			}
		}
	}
	return list
}

// TestDeflateMatrix combines the options of ws with wishes of ours.
func TestDeflateMatrix(t *testing.T) {
	messages := mixture(100)
	for _, role := range deflateRoles {
		t.Run(role.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "deflate.mjs")
			for _, options := range deflateOptions(0, 8, 9, 12, 15) {
				for _, wish := range deflateWishes {
					t.Run(fmt.Sprintf("ws %v we %v", options, wish), func(t *testing.T) {
						if role.dials && wsDeclines(options, wish) {
							testFallBack(t, n, wish, options, messages)
							return
						}
						testEcho(t, role, n, wish, options, messages)
					})
				}
			}
		})
	}
}

// wsDeclines reports whether ws, as a server with the options, declines our
// first offer: the size that it is given for a window is the only one that it
// takes, and none that is larger than what is offered.
func wsDeclines(options, wish parameters) bool {
	return options.ServerMaxWindowBits > bits(wish.ServerMaxWindowBits) ||
		options.ClientMaxWindowBits > bits(wish.ClientMaxWindowBits)
}

// testFallBack expects that ws takes another of our offers, and refuses the
// handshake if there is only the first.
func testFallBack(t *testing.T, n *peer, wish, options parameters, messages []message) {
	t.Helper()
	conn := dialDeflate(t, n, wish, options)
	exchange(t, conn, messages, sendVariously)
	report := finish(t, conn)
	requireAgreed(t, parseExtensions(t, conn.Extensions()), conn, report)
	requireCompressed(t, messages, report)

	required := wish.compression()
	required.Required = true
	_, response, err := tryDialDeflate(t, n, required, options)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}

// TestDeflateThousand exchanges 1,000 messages with each peer in the ways that
// differ most.
func TestDeflateThousand(t *testing.T) {
	messages := mixture(1000)
	for _, peer := range deflatePeers {
		n := peer.start(t)
		for _, role := range deflateRoles {
			for _, test := range []struct{ wish, options parameters }{
				{},
				{options: parameters{ServerMaxWindowBits: 12, ClientMaxWindowBits: 12}},
				{wish: parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}},
				{wish: parameters{ServerNoContextTakeover: true, ServerMaxWindowBits: 13, ClientMaxWindowBits: 9}},
				{options: parameters{ClientNoContextTakeover: true, ServerMaxWindowBits: 9, ClientMaxWindowBits: 11}},
			} {
				t.Run(fmt.Sprintf("%s/%s/peer %v we %v", peer.name, role.name, test.options, test.wish), func(t *testing.T) {
					testEcho(t, role, n, test.wish, test.options, messages)
				})
			}
		}
	}
}

// TestDeflateTakeover checks that similar messages take less with takeover.
func TestDeflateTakeover(t *testing.T) {
	messages := records(1000)
	for _, peer := range deflatePeers {
		n := peer.start(t)
		for _, role := range deflateRoles {
			t.Run(peer.name+"/"+role.name, func(t *testing.T) {
				measure := func(wish parameters) deflateReport {
					conn := role.connect(t, n, wish, parameters{})
					exchange(t, conn, messages, sendPlainly)
					return finish(t, conn)
				}
				takeover := measure(parameters{})
				alone := measure(parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true})
				require.Less(t, takeover.Read, alone.Read/2, "what we sent, over the network")
				require.Less(t, takeover.Written, alone.Written/2, "what the peer sent, over the network")
			})
		}
	}
}

// TestDeflateClientKeepsWindow connects clients that do not offer to limit
// their window, with a server of ours that would.
func TestDeflateClientKeepsWindow(t *testing.T) {
	messages := mixture(100)
	for _, peer := range deflatePeers {
		t.Run(peer.name, func(t *testing.T) {
			wish := parameters{ServerMaxWindowBits: 9, ClientMaxWindowBits: 9}
			conn := acceptDeflate(t, peer.start(t), wish, parameters{ClientMaxWindowBits: unlimited})
			exchange(t, conn, messages, sendVariously)
			report := finish(t, conn)
			requireAgreed(t, parameters{ServerMaxWindowBits: 9, ClientMaxWindowBits: 15}, conn, report)
			requireCompressed(t, messages, report)
		})
	}
}

// TestDeflateSmallestWindow has windows of 256 bytes, with which zlib cannot
// compress: the matrix shows that ws keeps to them in another way, and
// websockets declines to be the one who has to.
func TestDeflateSmallestWindow(t *testing.T) {
	ours := []parameters{{ServerMaxWindowBits: 8}, {ClientMaxWindowBits: 8}}
	messages := mixture(100)
	n := startPython(t, "deflate.py")
	for i, role := range deflateRoles {
		t.Run(role.name+" keeps to it", func(t *testing.T) {
			testEcho(t, role, n, ours[i], parameters{}, messages)
		})
	}
	t.Run("our server asks for it", func(t *testing.T) {
		conn := acceptDeflate(t, n, ours[1], parameters{})
		require.Contains(t, n.expect(t, "error").Message, "('client_max_window_bits', '8')")
		_, _, err := conn.ReadMessage()
		require.Error(t, err)
	})
	t.Run("our client asks for it", func(t *testing.T) {
		conn := dialDeflate(t, n, ours[0], parameters{})
		exchange(t, conn, messages, sendVariously)
		requireAgreed(t, parameters{}.and(parameters{}), conn, finish(t, conn))

		required := ours[0].compression()
		required.Required = true
		_, response, err := tryDialDeflate(t, n, required, parameters{})
		require.ErrorIs(t, err, websocket.ErrBadHandshake)
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode, "without the extension")
	})
}

// TestDeflateTornado dials a server that ignores all parameters without a value.
func TestDeflateTornado(t *testing.T) {
	n := startPython(t, "echo_tornado.py")
	url := fmt.Sprintf("ws://127.0.0.1:%d/", n.expect(t, "listening").Port)
	messages := mixture(100)
	for name, test := range map[string]struct {
		dialer websocket.Dialer
		agreed parameters
	}{
		"EnableCompression": {websocket.Dialer{EnableCompression: true}, parameters{}},
		"takeover":          {websocket.Dialer{Compression: parameters{}.compression()}, parameters{}},
		"windows": {
			websocket.Dialer{Compression: parameters{true, true, 9, 10}.compression()},
			parameters{ServerMaxWindowBits: 9, ClientMaxWindowBits: 10},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn, _, err := test.dialer.Dial(url, nil)
			require.NoError(t, err)
			exchange(t, prepareDeflate(t, conn), messages, sendVariously)
			require.Equal(t, test.agreed.and(parameters{}), parseExtensions(t, conn.Extensions()))
		})
	}
}
