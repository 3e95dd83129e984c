package websocket

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
)

// WriteJSON sends the JSON encoding of v, with a newline at the end, as a text
// message. If v cannot be encoded nothing is sent.
func (c *Conn) WriteJSON(v any) error {
	text, err := encodeJSON(v)
	if err != nil {
		return err
	}
	return c.WriteMessage(TextMessage, text)
}

// WriteJSONContext is [Conn.WriteJSON] until ctx ends, like
// [Conn.WriteMessageContext].
func (c *Conn) WriteJSONContext(ctx context.Context, v any) error {
	text, err := encodeJSON(v)
	if err != nil {
		return err
	}
	return c.WriteMessageContext(ctx, TextMessage, text)
}

func encodeJSON(v any) ([]byte, error) {
	var text bytes.Buffer
	err := json.NewEncoder(&text).Encode(v)
	return text.Bytes(), err
}

// ReadJSON receives the next message and decodes the JSON value at its
// beginning into v. For an empty message it returns io.ErrUnexpectedEOF.
func (c *Conn) ReadJSON(v any) error { return c.ReadJSONContext(context.Background(), v) }

// ReadJSONContext is [Conn.ReadJSON] until ctx ends, like
// [Conn.ReadMessageContext].
func (c *Conn) ReadJSONContext(ctx context.Context, v any) error {
	_, p, err := c.ReadMessageContext(ctx) // and not NextReader: a deadline must not lose anything
	if err != nil {
		return err
	}
	err = json.NewDecoder(bytes.NewReader(p)).Decode(v)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a message holds a value
	}
	return err
}

// WriteJSON sends the JSON encoding of v as a text message.
//
// Deprecated: Use [Conn.WriteJSON].
func WriteJSON(c *Conn, v any) error { return c.WriteJSON(v) }

// ReadJSON decodes the next message into v.
//
// Deprecated: Use [Conn.ReadJSON].
func ReadJSON(c *Conn, v any) error { return c.ReadJSON(v) }

// JoinMessages returns a reader of the messages to come, one after the other,
// with term after each. Its error is the one that ends the reading of c, which
// is not io.EOF.
func JoinMessages(c *Conn, term string) io.Reader { return &joinedReader{c: c, term: term} }

type joinedReader struct {
	c       *Conn
	term    string
	message io.Reader // nil between messages
}

// Read reads from the message under way, or begins the next.
func (j *joinedReader) Read(p []byte) (int, error) {
	if j.message == nil {
		_, r, err := j.c.NextReader()
		if err != nil {
			return 0, err
		}
		j.message = io.MultiReader(r, strings.NewReader(j.term))
	}
	n, err := j.message.Read(p)
	if err == io.EOF {
		j.message, err = nil, nil
	}
	return n, err
}
