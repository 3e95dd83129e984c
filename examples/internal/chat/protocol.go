package chat

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of what clients send, in characters.
const (
	maxName = 32
	maxText = 2000
)

// A request is what a client sends.
type request struct {
	Type string `json:"type"` // join, say or typing

	// Of join, which is the first, and changes the room later. A client that comes
	// back says what it has: it gets the messages after Since.
	Room  string `json:"room"`
	Name  string `json:"name"`
	Since uint64 `json:"since"`

	// Of say. The answer has the same ID.
	ID   string `json:"id"`
	Text string `json:"text"`
}

// A reply is what the server sends.
type reply struct {
	Type string `json:"type"` // joined, message, members, typing, ack or error

	Room    string    `json:"room,omitempty"`
	Name    string    `json:"name,omitempty"`
	Members []string  `json:"members,omitempty"`
	History []Message `json:"history,omitempty"` // of joined

	Message *Message `json:"message,omitempty"`

	// Of ack, when a message has been stored, and of error.
	ID   string `json:"id,omitempty"`
	Seq  uint64 `json:"seq,omitempty"`
	Text string `json:"text,omitempty"`
}

// roomName is what rooms may be called: it can be part of a URL and of a subject.
var roomName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// check returns what is wrong with a request, "" if nothing is.
func (r *request) check() string {
	switch r.Type {
	case "join":
		r.Name = strings.Join(strings.Fields(r.Name), " ")
		switch {
		case !roomName.MatchString(r.Room):
			return "a room has a name of a to z, 0 to 9 and -, 32 characters at most"
		case r.Name == "" || utf8.RuneCountInString(r.Name) > maxName || !isPrintable(r.Name):
			return "a name has 1 to 32 characters"
		}
	case "say":
		r.Text = strings.TrimSpace(r.Text)
		switch {
		case r.Text == "" || utf8.RuneCountInString(r.Text) > maxText:
			return "a message has 1 to 2,000 characters"
		case len(r.ID) > 64:
			return "an id has 64 bytes at most"
		}
	case "typing":
	default:
		return "the type is none of join, say and typing"
	}
	return ""
}

func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
