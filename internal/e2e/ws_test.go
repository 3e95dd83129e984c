package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

// randomBytes returns the same bytes for the same seed.
func randomBytes(seed uint64, size int) []byte {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b)
	return b
}

func expectMessage(t *testing.T, conn *websocket.Conn, wantType int, want []byte) {
	t.Helper()
	messageType, message, err := conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, wantType, messageType)
	requireSameBytes(t, want, message)
}

// requireSameBytes spares the log a megabyte of differences.
func requireSameBytes(t *testing.T, want, got []byte) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if got[i] != want[i] {
			require.FailNow(t, "the contents differ", "byte %d is %#x, want %#x", i, got[i], want[i])
		}
	}
}

// expectClose reads the close frame of ws, after which the connection is closed.
func expectClose(t *testing.T, conn *websocket.Conn, code int, reason string) {
	t.Helper()
	_, _, err := conn.ReadMessage()
	var closed *websocket.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, code, closed.Code)
	require.Equal(t, reason, closed.Text)
	require.Equal(t, websocket.StateClosed, conn.State())
}

func writeControl(t *testing.T, conn *websocket.Conn, messageType int, payload []byte) {
	t.Helper()
	require.NoError(t, conn.WriteControl(messageType, payload, time.Now().Add(patience)))
}

func TestMessages(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		for _, message := range []struct {
			messageType int
			content     []byte
		}{
			{websocket.TextMessage, []byte("Grüße, 世界 🌍")},
			{websocket.BinaryMessage, []byte{0, 0xff, 0xfe}},
			{websocket.TextMessage, []byte{}},
			{websocket.BinaryMessage, []byte{}},
			// The sizes at which the length's encoding changes (RFC 6455, Section 5.2).
			{websocket.BinaryMessage, randomBytes(1, 125)},
			{websocket.BinaryMessage, randomBytes(2, 126)},
			{websocket.BinaryMessage, randomBytes(3, 65535)},
			{websocket.BinaryMessage, randomBytes(4, 65536)},
			{websocket.BinaryMessage, randomBytes(5, 1<<20)},
			{websocket.TextMessage, []byte(strings.Repeat("Ж🌍x\n", 1<<17))},
		} {
			binary := message.messageType == websocket.BinaryMessage
			n.do(t, command{Command: "send", Binary: binary, Data: message.content})
			expectMessage(t, conn, message.messageType, message.content)

			require.NoError(t, conn.WriteMessage(message.messageType, message.content))
			got := n.expect(t, "message")
			require.Equal(t, binary, got.Binary)
			requireSameBytes(t, message.content, got.Data)
		}
	})
}

func TestFragmentsFromPeer(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		text := "Grüße, 世界"
		split := strings.Index(text, "ü") + 1 // inside the character
		n.do(t, command{Command: "send", Data: []byte(text[:split]), More: true})
		n.do(t, command{Command: "ping", Data: []byte("between fragments")})
		n.do(t, command{Command: "send", More: true})
		n.do(t, command{Command: "send", Data: []byte(text[split:])})
		expectMessage(t, conn, websocket.TextMessage, []byte(text))
		require.Equal(t, "between fragments", string(n.expect(t, "pong").Data))

		content := randomBytes(6, 300_000)
		for i := range 3 {
			part := content[i*100_000 : (i+1)*100_000]
			n.do(t, command{Command: "send", Binary: true, Data: part, More: i < 2})
		}
		expectMessage(t, conn, websocket.BinaryMessage, content)
	})
}

func TestFragmentsToPeer(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		content := randomBytes(7, 300_000)
		w, err := conn.NextWriter(websocket.BinaryMessage)
		require.NoError(t, err)
		for rest := content; len(rest) > 0; {
			size := min(len(rest), 1+len(rest)/3)
			_, err := w.Write(rest[:size])
			require.NoError(t, err)
			rest = rest[size:]
			// Control frames may come between fragments (Section 5.4).
			writeControl(t, conn, websocket.PongMessage, []byte("unsolicited"))
		}
		require.NoError(t, w.Close())

		for {
			e := n.next(t)
			if e.Event == "message" {
				require.True(t, e.Binary)
				requireSameBytes(t, content, e.Data)
				return
			}
			require.Equal(t, "pong", e.Event)
			require.Equal(t, "unsolicited", string(e.Data))
		}
	})
}

func TestPing(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		pongs := make(chan string, 1)
		conn.SetPongHandler(func(payload string) error {
			pongs <- payload
			return nil
		})
		writeControl(t, conn, websocket.PingMessage, []byte("are you there?"))
		require.Equal(t, "are you there?", string(n.expect(t, "ping").Data))
		n.do(t, command{Command: "ping", Data: []byte("and you?")})
		n.do(t, command{Command: "send", Data: []byte("done")})
		// Reading a message handles the control frames before it.
		expectMessage(t, conn, websocket.TextMessage, []byte("done"))
		require.Equal(t, "are you there?", <-pongs)
		require.Equal(t, "and you?", string(n.expect(t, "pong").Data))
	})
}

func TestPeerCloses(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		n.do(t, command{Command: "close", Code: 4001, Reason: "schöner Grund"})
		expectClose(t, conn, 4001, "schöner Grund")
		require.NoError(t, conn.Close())
		require.Equal(t, 4001, n.expect(t, "close").Code)
	})
}

func TestPeerClosesWithoutCode(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		n.do(t, command{Command: "close"})
		expectClose(t, conn, websocket.CloseNoStatusReceived, "")
		require.NoError(t, conn.Close())
		require.Equal(t, websocket.CloseNoStatusReceived, n.expect(t, "close").Code)
	})
}

func TestPeerDisappears(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		n.do(t, command{Command: "terminate"})
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, websocket.CloseAbnormalClosure, closed.Code)
	})
}

func TestWeClose(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		payload := websocket.FormatCloseMessage(4002, "schöner Grund")
		writeControl(t, conn, websocket.CloseMessage, payload)
		require.Equal(t, websocket.StateClosing, conn.State())
		require.ErrorIs(t, conn.WriteMessage(websocket.TextMessage, []byte("too late")), websocket.ErrCloseSent)
		expectClose(t, conn, 4002, "schöner Grund") // ws repeats it
		require.NoError(t, conn.Close())
		got := n.expect(t, "close")
		require.Equal(t, 4002, got.Code)
		require.Equal(t, "schöner Grund", got.Reason)
	})
}

func TestWeCloseWithoutCode(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		writeControl(t, conn, websocket.CloseMessage, nil)
		expectClose(t, conn, websocket.CloseNoStatusReceived, "")
		require.NoError(t, conn.Close())
		require.Equal(t, websocket.CloseNoStatusReceived, n.expect(t, "close").Code)
	})
}

func TestSubprotocol(t *testing.T) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			conn, _ := role.connect(t, []string{"chat.v3", "chat.v2"}, []string{"chat.v2", "chat.v1"})
			require.Equal(t, "chat.v2", conn.Subprotocol())
		})
	}
	// A client of ours takes no subprotocol for an answer. One of ws does not.
	conn, _ := dial(t, []string{"chat.v3"}, []string{"chat.v1"})
	require.Empty(t, conn.Subprotocol())
}

// TestManyMessages sends messages in both directions at once, ours from several
// goroutines.
func TestManyMessages(t *testing.T) {
	const writers, each = 4, 250
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		content := func(writer, i int) []byte {
			seed := uint64(writer*each + i)
			// The first byte names the writer, whose messages keep their order.
			return append([]byte{byte(writer)}, randomBytes(seed, int(seed*seed%5000))...)
		}
		var sending sync.WaitGroup
		for writer := range writers {
			sending.Go(func() {
				for i := range each {
					if err := conn.WriteMessage(websocket.BinaryMessage, content(writer, i)); err != nil {
						t.Errorf("writer %d: %v", writer, err)
						return
					}
				}
			})
		}
		sending.Go(func() {
			for i := range writers * each {
				err := n.commands.Encode(command{Command: "send", Binary: true, Data: content(writers, i)})
				if err != nil {
					t.Errorf("node: %v", err)
					return
				}
			}
		})
		for i := range writers * each {
			expectMessage(t, conn, websocket.BinaryMessage, content(writers, i))
		}
		sending.Wait()
		var next [writers]int
		for range writers * each {
			got := n.expect(t, "message").Data
			require.NotEmpty(t, got)
			writer := got[0]
			require.Less(t, writer, byte(writers))
			requireSameBytes(t, content(int(writer), next[writer]), got)
			next[writer]++
		}
	})
}

// frame returns a frame with a payload of up to 125 bytes. A masking key of
// zeros leaves the payload as it is.
func frame(masked bool, first byte, payload string) []byte {
	f := []byte{first, byte(len(payload))}
	if masked {
		f[1] |= 0x80
		f = append(f, 0, 0, 0, 0)
	}
	return append(f, payload...)
}

func TestFailsConnectionOverInvalidFrames(t *testing.T) {
	for _, role := range roles {
		send := func(first byte, payload string) []byte { return frame(role.masks, first, payload) }
		for _, test := range []struct {
			name string
			raw  []byte
			code int
		}{
			{"reserved opcode", send(0x83, ""), websocket.CloseProtocolError},
			{"reserved control opcode", send(0x8b, ""), websocket.CloseProtocolError},
			{"reserved bit", send(0xc1, ""), websocket.CloseProtocolError},
			{"fragmented ping", send(0x09, ""), websocket.CloseProtocolError},
			{"long ping", append([]byte{0x89, send(0, "")[1] | 126, 0, 126}, make([]byte, 130)...), websocket.CloseProtocolError},
			{"continuation of nothing", send(0x80, ""), websocket.CloseProtocolError},
			{"message within a message", append(send(0x01, ""), send(0x81, "")...), websocket.CloseProtocolError},
			{"wrong masking", frame(!role.masks, 0x81, "text"), websocket.CloseProtocolError},
			{"close payload of one byte", send(0x88, "\x03"), websocket.CloseProtocolError},
			{"close code never sent", send(0x88, "\x03\xed"), websocket.CloseProtocolError}, // 1005
			{"text of invalid UTF-8", send(0x81, "\xc0\xaf"), websocket.CloseInvalidFramePayloadData},
			{"text ending within a character", send(0x81, "\xe4\xb8"), websocket.CloseInvalidFramePayloadData},
		} {
			t.Run(role.name+"/"+test.name, func(t *testing.T) {
				conn, n := role.connect(t, nil, nil)
				n.do(t, command{Command: "raw", Data: test.raw})
				_, _, err := conn.ReadMessage()
				require.Error(t, err)
				require.NotErrorIs(t, err, io.EOF)
				require.NoError(t, conn.Close())
				require.Equal(t, test.code, n.expect(t, "close").Code)
			})
		}
	}
}

func TestFailsConnectionOverHugeMessage(t *testing.T) {
	inBothRoles(t, func(t *testing.T, conn *websocket.Conn, n *peer) {
		conn.SetReadLimit(1000)
		n.do(t, command{Command: "send", Data: make([]byte, 1001)})
		_, _, err := conn.ReadMessage()
		require.ErrorIs(t, err, websocket.ErrReadLimit)
		require.NoError(t, conn.Close())
		require.Equal(t, websocket.CloseMessageTooBig, n.expect(t, "close").Code)
	})
}

// TestReportsWhyPeerFailsConnection lets ws find fault with what we send.
func TestReportsWhyPeerFailsConnection(t *testing.T) {
	for _, role := range roles {
		weMask := !role.masks
		for name, test := range map[string]struct {
			raw  []byte
			code int
		}{
			"invalid UTF-8": {frame(weMask, 0x81, "\xff"), websocket.CloseInvalidFramePayloadData},
			"reserved bit":  {frame(weMask, 0xc1, ""), websocket.CloseProtocolError},
			"wrong masking": {frame(!weMask, 0x81, ""), websocket.CloseProtocolError},
		} {
			t.Run(fmt.Sprintf("%s/%s", role.name, name), func(t *testing.T) {
				conn, n := role.connect(t, nil, nil)
				_, err := conn.NetConn().Write(test.raw)
				require.NoError(t, err)
				_, _, err = conn.ReadMessage()
				var closed *websocket.CloseError
				require.True(t, errors.As(err, &closed), "got %v", err)
				require.Equal(t, test.code, closed.Code)
				n.expect(t, "error")
			})
		}
	}
}
