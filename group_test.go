package websocket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
	"github.com/seed23105783/websocket/internal/wstest"
)

func newPrepared(t *testing.T, text string) *PreparedMessage {
	pm, err := NewPreparedMessage(TextMessage, []byte(text))
	require.NoError(t, err)
	return pm
}

func TestGroupZeroValue(t *testing.T) {
	var g Group
	require.Zero(t, g.Len())
	require.Empty(t, slices.Collect(g.All()))
	require.Zero(t, g.BroadcastText("nobody is here"))
	g.Remove(newEndlessConn(false, opText, 1))
	require.NoError(t, g.Shutdown(t.Context(), 1001, ""))
}

// TestGroupMembers come by Add, once, and leave by themselves, whoever ends
// the connection.
func TestGroupMembers(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		var g, other Group
		c, p := m.connect(t)
		g.Add(c)
		g.Add(c)
		other.Add(c)
		require.Equal(t, 1, g.Len())
		require.Equal(t, []*Conn{c}, slices.Collect(g.All()))
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastBinary([]byte{1}))
		p.expect(true, opBinary, "\x01")
		other.Remove(c)
		require.Zero(t, other.Len())

		p.conn.Close()
		_, _, err := c.ReadMessage()
		require.Error(t, err)
		require.Zero(t, g.Len(), "whoever reads has noticed")
		g.Add(c)
		require.Zero(t, g.Len(), "it is closed")
		require.Zero(t, g.BroadcastText("nobody is here"))

		c, _ = m.connect(t)
		g.Add(c)
		for range g.All() {
			c.Close()
		}
		require.Zero(t, g.Len())
	})
}

// TestGroupRemoveReleasesConn: a connection that goes from room to room does not
// keep what it has left, and keeps what it has not.
func TestGroupRemoveReleasesConn(t *testing.T) {
	c := newEndlessConn(false, opText, 1)
	var home Group
	closed := 0
	c.closing.atEnd(func() { closed++ })
	home.Add(c)
	home.Add(c)
	for range 10 {
		var room Group
		for range 10 {
			room.Add(c)
			room.Remove(c)
		}
	}
	n := 0
	for h := c.closing.hooks.last.Load(); h != nil; h = h.before {
		n++
	}
	require.Equal(t, 2, n)
	c.Close()
	require.Zero(t, home.Len())
	require.Equal(t, 1, closed)
}

// memberKinds are all kinds of connection that a group can have.
func memberKinds() []connConfig {
	kinds := []connConfig{{}, {batchWrites: true}, {writeTimeout: time.Hour}}
	for _, bits := range []int{9, 12, 15} {
		for _, alone := range []bool{false, true} {
			side := deflate.Side{NoContextTakeover: alone, WindowBits: bits}
			params := deflate.Params{Server: side, Client: side}
			kinds = append(kinds, connConfig{agreement: agreement{wish: &Compression{}, params: params}})
		}
	}
	return kinds
}

// eachMember calls f with connections of all kinds and roles, over sockets and
// over what cannot be written without waiting, like TLS.
func eachMember(t *testing.T, f func(c, peer *Conn)) {
	for _, config := range memberKinds() {
		for _, client := range []bool{false, true} {
			config, theirs := config, connConfig{client: !client, agreement: config.agreement}
			config.client = client
			a, b := socketPair(t)
			f(newConn(a, config), newConn(b, theirs))
			x, y := wstest.Pipe(0, wstest.Whole)
			f(newConn(x, config), newConn(y, theirs))
		}
	}
}

// TestBroadcastToAllKinds: everyone gets the message among those of his own,
// and it is compressed once for each size of window.
func TestBroadcastToAllKinds(t *testing.T) {
	var g Group
	var members, peers []*Conn
	eachMember(t, func(c, peer *Conn) {
		g.Add(c)
		members, peers = append(members, c), append(peers, peer)
	})
	news := newPrepared(t, strings.Repeat("news for all, ", 100))
	var first map[preparedKind]preparedFrame
	for round := range 5 {
		for _, c := range members {
			require.NoError(t, c.WriteMessage(TextMessage, []byte(strings.Repeat("your own, ", 100))))
			require.NoError(t, c.Send(TextMessage, fmt.Append(nil, round)))
		}
		require.Equal(t, BroadcastResult{Sent: len(members)}, g.Broadcast(news))
		for i, p := range peers {
			for _, want := range []string{strings.Repeat("your own, ", 100), fmt.Sprint(round), strings.Repeat("news for all, ", 100)} {
				_, data, err := p.ReadMessage()
				require.NoError(t, err, i)
				require.Equal(t, want, string(data), i)
			}
		}
		require.Len(t, news.deflated, 3)
		if round == 0 {
			first = make(map[preparedKind]preparedFrame)
			for kind, f := range news.deflated {
				first[kind] = f
			}
		}
		for kind, f := range news.deflated {
			require.Same(t, &first[kind].frame[0], &f.frame[0], "not compressed again")
		}
	}
	for i := range peers {
		members[i].Close()
		peers[i].Close()
	}
}

// TestBroadcastOrder: a member gets the messages of one goroutine in the order
// of the calls, of whatever kind they are and however slowly it reads.
func TestBroadcastOrder(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		var g Group
		c, p := m.connectSmallPipe(t, connConfig{sendQueueLimit: -1})
		g.Add(c)
		const senders, rounds = 4, 30
		for sender := range senders {
			go func() {
				for i := range rounds {
					text := fmt.Sprintf("%d %d", sender, i)
					switch i % 3 {
					case 0:
						assert.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(text))
					case 1:
						assert.NoError(t, c.Send(TextMessage, []byte(text)))
					case 2:
						assert.NoError(t, c.WriteMessage(TextMessage, []byte(text)))
					}
				}
			}()
		}
		var next [senders]int
		for range senders * rounds {
			f, err := p.next()
			require.NoError(t, err)
			var sender, i int
			fmt.Sscan(f.payload, &sender, &i)
			require.Equal(t, next[sender], i)
			next[sender]++
		}
	})
}

// TestBroadcastAfterBatchedAnswers: what WriteMessage has left to the reader
// comes first.
func TestBroadcastAfterBatchedAnswers(t *testing.T) {
	server, remote := socketPair(t)
	c, peer := newConn(server, connConfig{batchWrites: true}), &peer{masked: true}
	client := newConn(remote, connConfig{client: true})
	var g Group
	g.Add(c)
	_, err := remote.Write(slices.Concat(peer.text("1"), peer.text("2")))
	require.NoError(t, err)
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(TextMessage, []byte("answer")))
	g.BroadcastText("news")
	for _, want := range []string{"answer", "news"} {
		_, data, err := client.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
	c.Close()
}

// TestBroadcastOfOtherMessages: a group's messages are messages of data.
func TestBroadcastOfOtherMessages(t *testing.T) {
	var g Group
	eachMember(t, func(c, peer *Conn) {
		g.Add(c)
		t.Cleanup(func() {
			c.Close()
			peer.Close()
		})
	})
	messages := []*PreparedMessage{{}}
	for _, kind := range []int{CloseMessage, PingMessage, PongMessage} {
		pm, err := NewPreparedMessage(kind, nil)
		require.NoError(t, err)
		messages = append(messages, pm)
	}
	for _, pm := range messages {
		require.Equal(t, BroadcastResult{Missed: g.Len()}, g.Broadcast(pm))
	}
}

// TestBroadcastToAFullSocket: what a socket did not take counts as queued until
// it has.
func TestBroadcastToAFullSocket(t *testing.T) {
	c, remote := newBlockedPair(t)
	c.write.queueLimit = 10
	var g Group
	g.Add(c)
	require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("news"))
	require.EqualValues(t, 4, c.BufferedAmount())
	require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("seven.."))
	require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("more"))
	got := make([]byte, 0, 64)
	for buf := make([]byte, 1<<16); !bytes.HasSuffix(got, []byte("more")); {
		n, err := remote.Read(buf)
		require.NoError(t, err)
		got = append(got, bytes.TrimLeft(buf[:n], "\x00")...)
	}
	require.Equal(t, "\x81\x04news\x81\x04more", string(got))
	require.NoError(t, c.WriteMessage(TextMessage, nil)) // behind all that
	require.Zero(t, c.BufferedAmount())
}

// TestBroadcastToBlockedSocket: the rest of a message that a socket has taken a
// part of comes before all else, control frames too.
func TestBroadcastToBlockedSocket(t *testing.T) {
	for _, client := range []bool{false, true} {
		server, remote := socketPair(t)
		c, peer := newConn(server, connConfig{client: client}), newConn(remote, connConfig{client: !client})
		g := Group{Slow: SlowWait}
		g.Add(c)
		sent := 0
		for ; c.BufferedAmount() == 0; sent++ {
			require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(longText))
		}
		go c.WriteControl(PingMessage, nil, time.Time{})
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("behind"))
		for range sent {
			_, data, err := peer.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, longText, string(data))
		}
		_, data, err := peer.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "behind", string(data))
		c.Close()
		peer.Close()
	}
}

// TestBroadcastToMany: one of 5,000 does not read. The others have every
// message without delay.
func TestBroadcastToMany(t *testing.T) {
	const members, rounds = 5000, 4
	for _, policy := range []SlowPolicy{SlowDrop, SlowClose, SlowWait} {
		synctest.Test(t, func(t *testing.T) {
			g := Group{Slow: policy}
			m := mode{chunking: func() wstest.Chunking { return wstest.Whole }, buffer: defaultBuffer}
			stuck, _ := m.connectSmallPipe(t, connConfig{sendQueueLimit: 100})
			g.Add(stuck)
			var peers []*peer
			for range members - 1 {
				c, p := m.connect(t)
				g.Add(c)
				peers = append(peers, p)
			}
			var results []BroadcastResult
			go func() {
				for i := range rounds {
					results = append(results, g.BroadcastText(fmt.Sprintf("%-60d", i)))
				}
			}()
			synctest.Wait() // and no time passes
			full := BroadcastResult{Sent: members}
			missing := BroadcastResult{Sent: members - 1, Missed: 1}
			want := rounds
			if policy == SlowWait {
				want = 2 // the second is what it waits with
				require.Equal(t, []BroadcastResult{full}, results)
			} else if policy == SlowClose { // it is no member any more
				rest := BroadcastResult{Sent: members - 1}
				require.Equal(t, []BroadcastResult{full, missing, rest, rest}, results)
			} else {
				require.Equal(t, []BroadcastResult{full, missing, missing, missing}, results)
			}
			for _, p := range peers {
				for i := range want {
					p.expect(true, opText, fmt.Sprintf("%-60d", i))
				}
			}
			stuck.Close()
			synctest.Wait()
			require.Equal(t, members-1, g.Len())
			require.Len(t, results, rounds)
		})
	}
}

// blockingText is more than a narrow pipe takes.
var blockingText = longText[:3*smallPipe]

// TestSlowDrop: a slow member misses messages, and gets those after.
func TestSlowDrop(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		var g Group
		c, p := m.connectSmallPipe(t, connConfig{sendQueueLimit: int64(len(blockingText))})
		g.Add(c)
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(blockingText))
		for range 3 {
			require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("missed"))
		}
		c.SetWriteDeadline(time.Unix(1, 0)) // does not concern what is broadcast
		for _, text := range []string{blockingText, "after"} {
			p.expect(true, opText, text)
			synctest.Wait()
			require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("after"))
		}
		require.Equal(t, StateOpen, c.State())
	})
}

// TestSlowWait: a slow member is waited for, until it is closed.
func TestSlowWait(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		g := Group{Slow: SlowWait}
		c, p := m.connectSmallPipe(t, connConfig{sendQueueLimit: int64(len(blockingText)), writeTimeout: settleTime})
		c.SetWriteDeadline(time.Unix(1, 0))
		g.Add(c)
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(blockingText))
		go func() {
			time.Sleep(settleTime / 2)
			p.expect(true, opText, blockingText)
			p.expect(true, opText, "behind")
		}()
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("behind"))
		start := time.Now()
		require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText(longText))
		require.Equal(t, settleTime, time.Since(start))
	})
}

// TestSlowClose: a slow member gets a close frame if it can, hardly any time,
// and no message after the one that it missed.
func TestSlowClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) { // it reads no more
		g := Group{Slow: SlowClose}
		c, _ := m.connectSmallPipe(t, connConfig{sendQueueLimit: int64(len(blockingText))})
		g.Add(c)
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(blockingText))
		start := time.Now()
		require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("missed"))
		require.Zero(t, g.Len(), "it has left at once")
		require.Zero(t, g.BroadcastText("missed too"))
		<-c.Done()
		require.Equal(t, lingerTime, time.Since(start))
	})
	eachMode(t, func(t *testing.T, m mode) { // it has a message under way for long
		g := Group{Slow: SlowClose}
		c, p := m.connect(t)
		c.write.queueLimit = int64(len(blockingText))
		g.Add(c)
		w, err := c.NextWriter(TextMessage)
		require.NoError(t, err)
		io.WriteString(w, longText)
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(blockingText))
		require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("missed"))
		for closing := false; !closing; {
			f, err := p.next()
			require.NoError(t, err)
			closing = f.opcode == opClose
		}
		require.Zero(t, g.BroadcastText("too late"))
		p.send(p.close(CloseTryAgainLater, ""))
		p.conn.CloseWrite()
		<-c.Done()
		require.Equal(t, CloseInfo{CloseTryAgainLater, "", true}, c.CloseInfo())
	})
}

// TestSlowCloseDuringRead: the application's reader goes on where it was,
// and is the only one who reads.
func TestSlowCloseDuringRead(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		g := Group{Slow: SlowClose}
		c, p := m.connect(t)
		c.write.queueLimit = 1
		g.Add(c)
		ctx, cancel := context.WithCancel(t.Context())
		read := make(chan string)
		go func() {
			defer close(read)
			_, data, err := c.ReadMessageContext(ctx)
			assert.NoError(t, err)
			read <- string(data)
			_, _, err = c.ReadMessageContext(ctx)
			assert.ErrorIs(t, err, net.ErrClosed)
		}()
		synctest.Wait()
		require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("too long"))
		p.expectClose(CloseTryAgainLater)
		synctest.Wait()
		p.send(p.text(longText), p.close(CloseTryAgainLater, ""))
		p.conn.CloseWrite()
		require.Equal(t, longText, <-read)
		<-read
		require.True(t, c.CloseInfo().WasClean)
		cancel()
	})
}

// TestBroadcastAllocations: a message costs a member on a socket nothing.
func TestBroadcastAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
	var g Group
	for _, config := range memberKinds() {
		for _, client := range []bool{false, true} {
			server, remote := socketPair(t)
			go io.Copy(io.Discard, remote)
			config.client = client
			c := newConn(server, config)
			g.Add(c)
			t.Cleanup(func() {
				c.Close()
				remote.Close()
			})
		}
	}
	pm := newPrepared(t, testPayload(600))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if g.Broadcast(pm).Missed > 0 {
			t.Fatal("missed")
		}
	}))
}
