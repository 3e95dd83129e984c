package chat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// A user is a client of a chat under test.
type user struct {
	t *testing.T
	*websocket.Conn
}

// connect returns a client that has not joined yet.
func connect(t *testing.T, s *Server) user {
	server, client := websocket.Pipe()
	go func() {
		s.serve(server, nil)
		server.Close()
	}()
	t.Cleanup(func() { client.Close() })
	return user{t, client}
}

// join returns a client that has joined a room, and what it was told.
func join(t *testing.T, s *Server, room, name string, since uint64) (user, reply) {
	u := connect(t, s)
	u.send(request{Type: "join", Room: room, Name: name, Since: since})
	joined := u.next("joined")
	return u, joined
}

func (u user) send(q request) { require.NoError(u.t, u.WriteJSON(q)) }

// next returns the next reply of a type. Others are passed over.
func (u user) next(kind string) reply {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		var m reply
		require.NoError(u.t, u.ReadJSONContext(ctx, &m), "waiting for %s", kind)
		if m.Type == kind {
			return m
		}
	}
}

// members waits until these are the members.
func (u user) members(want ...string) {
	u.t.Helper()
	for {
		if got := u.next("members").Members; fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
	}
}

func (u user) say(id, text string) uint64 {
	u.t.Helper()
	u.send(request{Type: "say", ID: id, Text: text})
	ack := u.next("ack")
	require.Equal(u.t, id, ack.ID)
	return ack.Seq
}

func inBubble(t *testing.T, test func(t *testing.T, s *Server)) {
	synctest.Test(t, func(t *testing.T) { test(t, NewServer(new(Memory))) })
}

func TestConversation(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		ann, joined := join(t, s, "lobby", "  Ann\tLee ", 0)
		require.Equal(t, "Ann Lee", joined.Name)
		ann.members("Ann Lee")
		bob, _ := join(t, s, "lobby", "Bob", 0)
		ann.members("Ann Lee", "Bob")
		eve, _ := join(t, s, "other", "Eve", 0)

		bob.send(request{Type: "typing"})
		require.Equal(t, "Bob", ann.next("typing").Name)
		seq := bob.say("1", " hello ")
		got := ann.next("message").Message
		require.Equal(t, Message{Seq: seq, ID: "1", Name: "Bob", Text: "hello", Time: got.Time}, *got)
		require.Equal(t, seq, bob.say("1", "hello"), "a repetition is not stored again")
		ann.say("2", "second")
		require.Equal(t, "second", bob.next("message").Message.Text)

		late, joined := join(t, s, "lobby", "Late", 0)
		require.Len(t, joined.History, 2)
		late.Close()
		ann.members("Ann Lee", "Bob")
		_, joined = join(t, s, "lobby", "Late", seq)
		require.Len(t, joined.History, 1)
		require.Equal(t, "second", joined.History[0].Text)

		eve.send(request{Type: "join", Room: "lobby", Name: "Eve"}) // from the other room
		require.Len(t, eve.next("joined").History, 2)
		ann.members("Ann Lee", "Bob", "Eve", "Late")
	})
}

func TestRoomsKeepTheirMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		ann, _ := join(t, s, "lobby", "Ann", 0)
		for i := range HistoryLimit + 10 {
			ann.say(fmt.Sprint(i), "text")
			time.Sleep(requestInterval)
		}
		ann.Close()
		synctest.Wait()
		require.Empty(t, s.rooms)
		_, joined := join(t, s, "lobby", "Bob", 0)
		require.Len(t, joined.History, HistoryLimit)
		require.Equal(t, uint64(HistoryLimit-1), joined.History[HistoryLimit-1].Seq-joined.History[0].Seq)
		require.Equal(t, "10", joined.History[0].ID)
	})
}

func TestBadRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		u := connect(t, s)
		for _, test := range []struct {
			request request
			want    string
		}{
			{request{Type: "say", Text: "x"}, "join"},
			{request{Type: "typing"}, "join"},
			{request{Type: "dance"}, "type"},
			{request{Type: "join", Room: "Lobby", Name: "x"}, "room"},
			{request{Type: "join", Room: "", Name: "x"}, "room"},
			{request{Type: "join", Room: "lobby", Name: " \t"}, "name"},
			{request{Type: "join", Room: "lobby", Name: "a\x00b"}, "name"},
			{request{Type: "join", Room: "lobby", Name: strings.Repeat("ä", maxName+1)}, "name"},
		} {
			u.send(test.request)
			require.Contains(t, u.next("error").Text, test.want, "%+v", test.request)
		}
		u.send(request{Type: "join", Room: "lobby", Name: strings.Repeat("ä", maxName)})
		u.next("joined")
		for _, text := range []string{"", " \n", strings.Repeat("ä", maxText+1)} {
			u.send(request{Type: "say", ID: "7", Text: text})
			require.Equal(t, "7", u.next("error").ID)
		}
		u.say("8", strings.Repeat("ä", maxText))
	})
}

func TestRateLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		u, _ := join(t, s, "lobby", "Ann", 0)
		for i := range maxBurst - 1 {
			u.say(fmt.Sprint(i), "text")
		}
		u.send(request{Type: "say", ID: "too many", Text: "text"})
		require.Contains(t, u.next("error").Text, "too fast")
		time.Sleep(requestInterval)
		u.say("later", "text")
	})
}

func TestEndsOfClients(t *testing.T) {
	for name, test := range map[string]struct {
		send func(user)
		code int
	}{
		"says nothing":  {func(user) {}, websocket.ClosePolicyViolation},
		"never joins":   {func(u user) { u.send(request{Type: "typing"}) }, websocket.ClosePolicyViolation},
		"no JSON":       {func(u user) { u.WriteMessage(websocket.TextMessage, []byte("{")) }, websocket.CloseInvalidFramePayloadData},
		"other JSON":    {func(u user) { u.WriteMessage(websocket.TextMessage, []byte("[1]")) }, websocket.CloseInvalidFramePayloadData},
		"closes itself": {func(u user) { u.Shutdown(context.Background(), websocket.CloseNormalClosure, "") }, websocket.CloseNormalClosure},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Server) {
				u := connect(t, s)
				test.send(u)
				var err error
				for err == nil {
					_, _, err = u.ReadMessage()
				}
				if test.code != websocket.CloseNormalClosure {
					require.True(t, websocket.IsCloseError(err, test.code), "%v", err)
				}
				require.Equal(t, test.code, u.CloseInfo().Code)
				synctest.Wait()
				require.Empty(t, s.rooms)
			})
		})
	}
}

// TestSlowClient: one that does not read is closed, and does not hold up the others.
func TestSlowClient(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		slow, _ := join(t, s, "lobby", "Slow", 0)
		ann, _ := join(t, s, "lobby", "Ann", 0)
		text := strings.Repeat("x", maxText)
		for i := range 800 {
			ann.say(fmt.Sprint(i), text)
			time.Sleep(requestInterval)
		}
		synctest.Wait()
		require.Equal(t, []string{"Ann"}, s.rooms["lobby"].members)
		require.ErrorIs(t, slow.closedWith(), net.ErrClosed)
	})
}

// closedWith reads until the end and returns the error.
func (u user) closedWith() (err error) {
	for err == nil {
		_, _, err = u.ReadMessage()
	}
	return err
}

// A brokenBackend fails.
type brokenBackend struct{ Memory }

var errBroken = errors.New("broken")

func (b *brokenBackend) Open(ctx context.Context, room string, deliver func(Event)) (Channel, []Message, error) {
	if room == "closed" {
		return nil, nil, errBroken
	}
	c, history, err := b.Memory.Open(ctx, room, deliver)
	return brokenChannel{c}, history, err
}

type brokenChannel struct{ Channel }

func (brokenChannel) Say(context.Context, Message) (uint64, error) { return 0, errBroken }

// TestBrokenBackend: what was not stored is not acknowledged.
func TestBrokenBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(new(brokenBackend))
		u := connect(t, s)
		u.send(request{Type: "join", Room: "closed", Name: "Ann"})
		require.Contains(t, u.next("error").Text, "cannot be opened")
		u.send(request{Type: "join", Room: "lobby", Name: "Ann"})
		u.next("joined")
		u.send(request{Type: "say", ID: "1", Text: "lost"})
		e := u.next("error")
		require.Equal(t, "1", e.ID)
		require.Contains(t, e.Text, "send it again")
	})
}

func TestMemoryHasALimit(t *testing.T) {
	var b Memory
	for i := range maxRooms {
		_, _, err := b.Open(t.Context(), fmt.Sprint(i), func(Event) {})
		require.NoError(t, err)
	}
	_, _, err := b.Open(t.Context(), "another", func(Event) {})
	require.Equal(t, errTooManyRooms, err)
	_, _, err = b.Open(t.Context(), "1", func(Event) {})
	require.NoError(t, err)
}
