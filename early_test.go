package websocket

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/wstest"
)

// earlyMessages are what a peer may send right behind its half of the
// handshake.
var earlyMessages = map[string][]string{
	"nothing":               {""},
	"a frame":               {"hello"},
	"frames":                {"hello", "", "world"},
	"3 KiB of frames":       slices.Repeat([]string{long[:60]}, 50),
	"a frame of 3 KiB":      {long[:3000]},
	"nearly 4 KiB":          {long[:3700]},
	"4 KiB and more":        {long[:4096], long[:100]},
	"many KiB":              slices.Repeat([]string{long[:1000]}, 30),
	"a frame of many KiB":   {long},
	"one byte, then 20 KiB": {"x", long[:20000]},
}

// eachEarly runs a test for what came early: the messages, how many bytes of
// them are cut off to come later, and the size of the read buffer.
func eachEarly(t *testing.T, test func(t *testing.T, messages []string, late, buffer int)) {
	for name, messages := range earlyMessages {
		for _, late := range []int{0, 1, 3, 1000} {
			for _, buffer := range []int{0, 1, 1 << 20} {
				t.Run(fmt.Sprintf("%s/%d late/buffer %d", name, late, buffer), func(t *testing.T) {
					if runtime.GOOS == "js" && name == "a frame of many KiB" {
						t.Skip("its network in memory takes no more than 64 KiB before somebody reads")
					}
					test(t, messages, late, buffer)
				})
			}
		}
	}
}

// earlyFrames encodes messages and cuts the last bytes off.
func earlyFrames(messages []string, masked bool, late int) (early, rest []byte) {
	var frames []byte
	for _, m := range messages {
		frames = append(frames, (&peer{masked: masked}).text(m)...)
	}
	late = min(late, len(frames))
	return frames[:len(frames)-late], frames[len(frames)-late:]
}

// expectMessages reads messages, of which none may be missing.
func expectMessages(t *testing.T, c *Conn, messages []string) {
	t.Helper()
	for i, want := range messages {
		kind, p, err := c.ReadMessage()
		require.NoError(t, err, "message %d", i)
		require.Equal(t, TextMessage, kind)
		require.Equal(t, want, string(p), "message %d", i)
	}
}

// TestEarlyBytesOnServer sends frames in one piece with the request.
func TestEarlyBytesOnServer(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testEarlyBytesOnServer(t, (*httptest.Server).Start) })
	t.Run("TLS", func(t *testing.T) { testEarlyBytesOnServer(t, (*httptest.Server).StartTLS) })
}

func testEarlyBytesOnServer(t *testing.T, start func(*httptest.Server)) {
	s, conns := newConveyor(t)
	start(s)
	t.Cleanup(s.Close)
	var config *tls.Config
	if s.TLS != nil {
		config = trusting(s)
	}
	eachEarly(t, func(t *testing.T, messages []string, late, buffer int) {
		early, rest := earlyFrames(messages, true, late)
		request := strings.Replace(sampleRequest, "room=1", fmt.Sprint("buffer=", buffer), 1)
		conn := dialAndSend(t, s.Listener.Addr(), config, request+string(early))
		_, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		c := <-conns
		defer c.Close()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(testTimeout)))
		_, err = conn.Write(rest)
		require.NoError(t, err)
		expectMessages(t, c, messages)
	})
}

// newConveyor returns a server that hands over its connections, with read
// buffers of the size that the request asks for.
func newConveyor(t *testing.T) (*httptest.Server, <-chan *Conn) {
	conns := make(chan *Conn, 1)
	return httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u Upgrader
		fmt.Sscan(r.FormValue("buffer"), &u.ReadBufferSize)
		c, err := u.Upgrade(w, r, nil)
		assert.NoError(t, err)
		conns <- c
	})), conns
}

// TestEarlyBytesFromForeignHijacker: a server other than net/http's may have
// read ahead more than any buffer of this package holds.
func TestEarlyBytesFromForeignHijacker(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 257, 4096, 4097, maxBuffer - 1, maxBuffer, maxBuffer + 1, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := strings.Repeat("x", size)
			early := (&peer{masked: true}).text(want)
			w, remote := newPipeHijacker(0, early)
			c, err := new(Upgrader).Upgrade(w, parseRequest(t, sampleRequest), nil)
			require.NoError(t, err)
			remote.Write((&peer{masked: true}).text("next"))
			expectMessages(t, c, []string{want, "next"})
			require.NoError(t, c.Close())
			_, _, err = c.ReadMessage()
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

// A pipeHijacker is a ResponseWriter over a connection in memory.
type pipeHijacker struct {
	*httptest.ResponseRecorder
	conn  net.Conn
	early []byte
}

// newPipeHijacker returns a pipeHijacker whose connection takes size bytes,
// any number if size is zero, until the remote end reads.
func newPipeHijacker(size int, early []byte) (*pipeHijacker, *wstest.Conn) {
	local, remote := wstest.Pipe(size, wstest.Whole)
	return &pipeHijacker{httptest.NewRecorder(), local, early}, remote
}
