package websocket

import (
	"bytes"
	"fmt"
	"io"
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

// newPrepared returns a PreparedMessage.
func newPrepared(t *testing.T, text string) *PreparedMessage {
	pm, err := NewPreparedMessage(TextMessage, []byte(text))
	require.NoError(t, err)
	return pm
}

func TestGroupZeroValue(t *testing.T) {
	var g Group
	require.Zero(t, g.Len())
	require.Empty(t, slices.Collect(g.All()))
	require.Zero(t, g.BroadcastText("no members"))
	g.Remove(newEndlessConn(false, opText, 1))
	require.NoError(t, g.Shutdown(t.Context(), 1001, ""))
}

// TestGroupMembers checks that a connection is a member once, and is none any more
// when it has ended, whichever side has ended it.
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
		require.Zero(t, g.Len(), "the read has ended the connection")
		g.Add(c)
		require.Zero(t, g.Len(), "the connection is closed")
		require.Zero(t, g.BroadcastText("no members"))

		c, _ = m.connect(t)
		g.Add(c)
		for range g.All() {
			c.Close()
		}
		require.Zero(t, g.Len())
	})
}

// TestGroupRemoveReleasesConn checks that a connection does not refer to groups that
// it is no member of any more.
func TestGroupRemoveReleasesConn(t *testing.T) {
	c := newEndlessConn(false, opText, 1)
	var first Group
	closed := 0
	c.closing.atEnd(func() { closed++ })
	first.Add(c)
	first.Add(c)
	for range 10 {
		var other Group
		for range 10 {
			other.Add(c)
			other.Remove(c)
		}
	}
	n := 0
	for h := c.closing.hooks.last.Load(); h != nil; h = h.before {
		n++
	}
	require.Equal(t, 2, n)
	c.Close()
	require.Zero(t, first.Len())
	require.Equal(t, 1, closed)
}

// memberKinds returns the settings of all kinds of connections that differ for a
// group.
func memberKinds() []connConfig {
	kinds := []connConfig{{}, {writeImmediately: true}, {writeTimeout: time.Hour}}
	for _, bits := range []int{9, 12, 15} {
		for _, noTakeover := range []bool{false, true} {
			side := deflate.Side{NoContextTakeover: noTakeover, WindowBits: bits}
			params := deflate.Params{Server: side, Client: side}
			kinds = append(kinds, connConfig{agreement: agreement{wish: &Compression{}, params: params}})
		}
	}
	return kinds
}

// eachMember calls f with connections of all kinds and roles, over sockets and over
// transports that cannot be written to without waiting, as with TLS.
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

// TestBroadcastToAllKinds checks that each member gets a message between those that
// are sent to it alone, and that the message is compressed once for each size of
// window.
func TestBroadcastToAllKinds(t *testing.T) {
	var g Group
	var members, peers []*Conn
	eachMember(t, func(c, peer *Conn) {
		g.Add(c)
		members, peers = append(members, c), append(peers, peer)
	})
	prepared := newPrepared(t, strings.Repeat("for all, ", 100))
	var first map[preparedKind]preparedFrame
	for round := range 5 {
		for _, c := range members {
			require.NoError(t, c.WriteMessage(TextMessage, []byte(strings.Repeat("for one, ", 100))))
			require.NoError(t, c.Send(TextMessage, fmt.Append(nil, round)))
		}
		require.Equal(t, BroadcastResult{Sent: len(members)}, g.Broadcast(prepared))
		for i, p := range peers {
			for _, want := range []string{strings.Repeat("for one, ", 100), fmt.Sprint(round), strings.Repeat("for all, ", 100)} {
				_, data, err := p.ReadMessage()
				require.NoError(t, err, i)
				require.Equal(t, want, string(data), i)
			}
		}
		require.Len(t, prepared.deflated, 3)
		if round == 0 {
			first = make(map[preparedKind]preparedFrame)
			for kind, f := range prepared.deflated {
				first[kind] = f
			}
		}
		for kind, f := range prepared.deflated {
			require.Same(t, &first[kind].frame[0], &f.frame[0], "not compressed again")
		}
	}
	for i := range peers {
		members[i].Close()
		peers[i].Close()
	}
}

// TestBroadcastOrder checks that a member gets the messages of a goroutine in the
// order of the calls, in whatever way they are sent, even if it reads slowly.
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

// TestBroadcastAfterBatchedAnswers checks that an answer that waits for the next read
// is sent before what is broadcast.
func TestBroadcastAfterBatchedAnswers(t *testing.T) {
	server, remote := socketPair(t)
	c, peer := newConn(server, connConfig{}), &peer{masked: true}
	client := newConn(remote, connConfig{client: true})
	var g Group
	g.Add(c)
	_, err := remote.Write(slices.Concat(peer.text("1"), peer.text("2")))
	require.NoError(t, err)
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(TextMessage, []byte("answer")))
	g.BroadcastText("broadcast")
	for _, want := range []string{"answer", "broadcast"} {
		_, data, err := client.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
	c.Close()
}

// TestBroadcastOfOtherMessages checks that nothing but data messages is sent.
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

// TestBroadcastToAFullSocket checks that what a socket had no room for counts as
// queued.
func TestBroadcastToAFullSocket(t *testing.T) {
	c, remote := newBlockedPair(t)
	c.write.queueLimit = 10
	g := Group{Slow: SlowDrop}
	g.Add(c)
	require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("four"))
	require.EqualValues(t, 4, c.BufferedAmount())
	require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("seven.."))
	require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("more"))
	got := make([]byte, 0, 64)
	for buf := make([]byte, 1<<16); !bytes.HasSuffix(got, []byte("more")); {
		n, err := remote.Read(buf)
		require.NoError(t, err)
		got = append(got, bytes.TrimLeft(buf[:n], "\x00")...)
	}
	require.Equal(t, "\x81\x04four\x81\x04more", string(got))
	require.NoError(t, c.WriteMessage(TextMessage, nil)) // written after the others
	require.Zero(t, c.BufferedAmount())
}

// TestBroadcastToBlockedSocket checks that the rest of a message of which a socket
// has taken a part is written before anything else, control frames included.
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

// TestBroadcastToMany has one of 5,000 members that does not read. The others get
// every message without delay.
func TestBroadcastToMany(t *testing.T) {
	const rounds = 4
	members := fullOrShort(5000, 500)
	for _, policy := range []SlowPolicy{SlowDrop, SlowClose, SlowWait} {
		synctest.Test(t, func(t *testing.T) {
			g := Group{Slow: policy}
			m := mode{chunking: func() wstest.Chunking { return wstest.Whole }, buffer: defaultBuffer}
			blocked, _ := m.connectSmallPipe(t, connConfig{sendQueueLimit: 100})
			g.Add(blocked)
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
			synctest.Wait() // without any time passing
			full := BroadcastResult{Sent: members}
			missing := BroadcastResult{Sent: members - 1, Missed: 1}
			want := rounds
			if policy == SlowWait {
				want = 2 // the call with the second one waits
				require.Equal(t, []BroadcastResult{full}, results)
			} else if policy == SlowClose { // the member is removed
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
			blocked.Close()
			synctest.Wait()
			require.Equal(t, members-1, g.Len())
			require.Len(t, results, rounds)
		})
	}
}

// blockingText is more than a small pipe holds.
var blockingText = longText[:3*smallPipe]

// TestSlowDrop checks that a slow member misses messages, and gets later ones.
func TestSlowDrop(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		g := Group{Slow: SlowDrop}
		c, p := m.connectSmallPipe(t, connConfig{sendQueueLimit: int64(len(blockingText))})
		g.Add(c)
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(blockingText))
		for range 3 {
			require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("missed"))
		}
		c.SetWriteDeadline(time.Unix(1, 0)) // has no effect on what is broadcast
		for _, text := range []string{blockingText, "after"} {
			p.expect(true, opText, text)
			synctest.Wait()
			require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText("after"))
		}
		require.Equal(t, StateOpen, c.State())
	})
}

// TestSlowWait checks that Broadcast waits for a slow member, until WriteTimeout ends
// its connection.
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

// TestSlowClose checks that a slow member gets a close frame if that can be sent, no
// message after the one that it missed, and lingerTime to read what was sent before.
func TestSlowClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) { // the peer does not read
		g := Group{Slow: SlowClose}
		c, _ := m.connectSmallPipe(t, connConfig{sendQueueLimit: int64(len(blockingText))})
		g.Add(c)
		require.Equal(t, BroadcastResult{Sent: 1}, g.BroadcastText(blockingText))
		start := time.Now()
		require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("missed"))
		require.Zero(t, g.Len(), "it is removed at once")
		require.Zero(t, g.BroadcastText("missed too"))
		<-c.Done()
		require.LessOrEqual(t, time.Since(start), lingerTime)
	})
	eachMode(t, func(t *testing.T, m mode) { // another message is being written
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
		require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
		_, _, err = c.ReadMessage()
		require.Equal(t, ErrSlowPeer, err)
	})
}

// TestSlowCloseDuringRead checks that a read under way returns ErrSlowPeer, and so
// does everything else.
func TestSlowCloseDuringRead(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		g := Group{Slow: SlowClose}
		c, p := m.connect(t)
		c.write.queueLimit = 1
		g.Add(c)
		read := readUntilError(c)
		synctest.Wait()
		require.Equal(t, BroadcastResult{Missed: 1}, g.BroadcastText("too long"))
		p.expectClose(CloseTryAgainLater)
		p.send(p.text(longText), p.close(CloseTryAgainLater, ""))
		p.conn.CloseWrite()
		require.Equal(t, ErrSlowPeer, <-read)
		<-c.Done()
		require.Equal(t, CloseInfo{Code: CloseAbnormalClosure}, c.CloseInfo())
		require.Equal(t, ErrSlowPeer, c.WriteMessage(TextMessage, nil))
	})
}

// TestBroadcastAllocations checks that Broadcast to sockets allocates nothing.
func TestBroadcastAllocations(t *testing.T) {
	skipUnlessAllocationsCount(t)
	needsRawSockets(t)
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
