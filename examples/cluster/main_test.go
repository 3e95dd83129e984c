package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
)

const patience = 30 * time.Second

// A node is this program in a process.
type node struct {
	command *exec.Cmd
	address string
}

// startNodes starts a NATS server here, and nodes in processes.
func startNodes(t *testing.T, n int) []*node {
	b, err := startBroker(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(b.stop)
	program := filepath.Join(t.TempDir(), "cluster")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	var nodes []*node
	for range n {
		p := &node{command: exec.Command(program, "-nats", b.ClientURL(), "-addr", "127.0.0.1:0")}
		p.command.Stderr = os.Stderr
		stdout, err := p.command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, p.command.Start())
		t.Cleanup(func() {
			p.command.Process.Kill()
			p.command.Wait()
		})
		line, err := bufio.NewReader(stdout).ReadString('\n')
		require.NoError(t, err)
		_, p.address, _ = strings.Cut(strings.TrimSpace(line), "http://")
		nodes = append(nodes, p)
	}
	return nodes
}

// A user is a client that has joined the lobby.
type user struct {
	t *testing.T
	*websocket.Conn
	name string
	got  []message // in the order in which they came
	acks map[string]bool
}

type message struct {
	Seq      uint64
	ID, Text string
}

type reply struct {
	Type    string
	ID      string
	Members []string
	History []message
	Message *message
}

func join(t *testing.T, n *node, name string) *user {
	u := &user{t: t, name: name, acks: map[string]bool{}}
	u.connect(n)
	return u
}

// connect joins the lobby, for another time perhaps.
func (u *user) connect(n *node) {
	u.t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+n.address+"chat", nil)
	require.NoError(u.t, err)
	u.t.Cleanup(func() { c.Close() })
	u.Conn = c
	since := uint64(0)
	if len(u.got) > 0 {
		since = u.got[len(u.got)-1].Seq
	}
	require.NoError(u.t, c.WriteJSON(map[string]any{"type": "join", "room": "lobby", "name": u.name, "since": since}))
	u.until(func(r reply) bool { return r.Type == "joined" })
}

func (u *user) say(text string) {
	require.NoError(u.t, u.WriteJSON(map[string]string{"type": "say", "id": text, "text": text}))
}

// read reads a reply.
func (u *user) read() (r reply, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := u.ReadJSONContext(ctx, &r); err != nil {
		return r, err
	}
	u.got = append(u.got, r.History...)
	switch r.Type {
	case "message":
		u.got = append(u.got, *r.Message)
	case "ack":
		u.acks[r.ID] = true
	}
	return r, nil
}

// until reads until there is a certain reply.
func (u *user) until(found func(reply) bool) {
	u.t.Helper()
	for {
		r, err := u.read()
		require.NoError(u.t, err)
		if found(r) {
			return
		}
	}
}

// hasAll reads until the user has n messages.
func (u *user) hasAll(n int) {
	u.t.Helper()
	for len(u.got) < n {
		_, err := u.read()
		require.NoError(u.t, err, "%d of %d", len(u.got), n)
	}
}

// TestCluster sends messages between clients of three nodes, stops one of them in an
// orderly way and one by force, and has the clients go to the third: all that was
// acknowledged is there, once, and in the same order for everybody.
func TestCluster(t *testing.T) {
	nodes := startNodes(t, 3)
	ann, bob, eve := join(t, nodes[0], "Ann"), join(t, nodes[1], "Bob"), join(t, nodes[2], "Eve")
	isComplete := func(r reply) bool { return fmt.Sprint(r.Members) == "[Ann Bob Eve]" }
	bob.until(isComplete)

	const each = 15 // within the rate limit
	for i := range each {
		ann.say(fmt.Sprint("ann ", i))
		bob.say(fmt.Sprint("bob ", i))
	}
	for _, u := range []*user{ann, bob, eve} {
		u.hasAll(2 * each)
	}

	require.NoError(t, nodes[1].command.Process.Signal(syscall.SIGTERM))
	var err error
	for err == nil {
		_, err = bob.read()
	}
	require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
	require.NoError(t, nodes[1].command.Wait())
	ann.say("while Bob was away")
	eve.hasAll(2*each + 1)
	bob.connect(nodes[2])
	bob.hasAll(2*each + 1)

	// Ann does not know which of her messages the node has stored.
	time.Sleep(2 * time.Second) // for the rate limit
	var last []string
	for i := range 10 {
		last = append(last, fmt.Sprint("last ", i))
		ann.say(last[i])
	}
	nodes[0].command.Process.Kill()
	for err = nil; err == nil; {
		_, err = ann.read()
	}
	ann.connect(nodes[2])
	for _, text := range last {
		if !ann.acks[text] {
			ann.say(text)
		}
	}
	const all = 2*each + 1 + 10
	for _, u := range []*user{ann, bob, eve} {
		u.hasAll(all)
	}
	for _, u := range []*user{ann, bob, eve} {
		require.Len(t, u.got, all)
		require.Equal(t, eve.got, u.got)
		seen := map[string]bool{}
		for _, m := range u.got {
			require.False(t, seen[m.ID], m.ID)
			seen[m.ID] = true
		}
		for _, text := range last {
			require.True(t, seen[text], text)
		}
	}
}

// TestOneCommand runs what go run . does, and ends it when its three nodes are there.
func TestOneCommand(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	opened := make(chan string, 3)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "", "", 1, "127.0.0.1:0", func(url string) { opened <- url }) }()
	for range 3 {
		response, err := http.Get(<-opened)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		response.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	require.NoError(t, <-ended)
}

// TestPresenceIsJSON keeps nodes of different versions compatible.
func TestPresenceIsJSON(t *testing.T) {
	text, err := json.Marshal(presence{Node: "a", Names: []string{"Ann"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"node":"a","names":["Ann"]}`, string(text))
}
