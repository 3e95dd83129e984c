package browser

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
	"unicode/utf8"
)

// Available reports whether this is GOOS=js.
const Available = true

// The values of readyState that matter here.
const (
	stateOpen   = 1
	stateClosed = 3
)

// A Socket is a WebSocket of JavaScript. Before Open has returned nil it has no
// other methods. These are safe for concurrent use: there is one thread, and none
// of them waits.
type Socket struct {
	object   js.Value
	receiver Receiver
	handlers map[string]js.Func // nil after Detach
	opening  chan error         // has room for the result of Open
	opened   bool
}

// Open opens a connection. It is called once. If ctx ends before the connection is
// open, Open returns ctx.Err(). Other errors say what the browser has told, which
// is little.
func (s *Socket) Open(ctx context.Context, url string, subprotocols []string, receiver Receiver) error {
	constructor := js.Global().Get("WebSocket")
	if constructor.Type() != js.TypeFunction {
		return errors.New("this JavaScript environment has no WebSocket: Node.js has one since version 22, and since version 20.10 with --experimental-websocket")
	}
	offered := make([]any, len(subprotocols))
	for i, subprotocol := range subprotocols {
		offered[i] = subprotocol
	}
	s.receiver, s.opening = receiver, make(chan error, 1)
	err := try(func() { s.object = constructor.New(url, offered) })
	if err != nil {
		return err
	}
	s.object.Set("binaryType", "arraybuffer")
	s.attach()
	select {
	case err = <-s.opening:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.Detach()
		s.Close(0, "")
	}
	return err
}

// attach sets the functions that are called with events.
func (s *Socket) attach() {
	s.handlers = make(map[string]js.Func)
	for name, handle := range map[string]func(event js.Value){
		"onopen":    func(js.Value) { s.opened = true; s.opening <- nil },
		"onerror":   s.onError,
		"onmessage": s.onMessage,
		"onclose":   s.onClose,
	} {
		f := js.FuncOf(func(_ js.Value, arguments []js.Value) any {
			handle(arguments[0])
			return nil
		})
		s.handlers[name] = f
		s.object.Set(name, f)
	}
}

// Detach ends the calls of the Receiver's methods, and frees what they need.
func (s *Socket) Detach() {
	for name, f := range s.handlers {
		s.object.Set(name, js.Null())
		f.Release()
	}
	s.handlers = nil
}

// onError ends the opening. In Node.js there is no close event if that fails.
// After the opening there always is one, and this one says nothing.
func (s *Socket) onError(event js.Value) {
	if s.opened {
		return
	}
	message := "its console says why, and a program is not told"
	if m := event.Get("message"); m.Type() == js.TypeString && m.String() != "" {
		message = m.String() // Node.js has one
	}
	s.Detach()
	s.opening <- errors.New("the browser could not open the connection: " + message)
}

func (s *Socket) onMessage(event js.Value) {
	data := event.Get("data")
	text := data.Type() == js.TypeString
	if text {
		data = encoder.Call("encode", data)
	} else {
		data = bytesType.New(data)
	}
	s.receiver.Message(text, payload{data, data.Length()})
}

func (s *Socket) onClose(event js.Value) {
	if !s.opened {
		s.onError(event)
		return
	}
	s.Detach()
	s.receiver.End(event.Get("code").Int(), event.Get("reason").String(), event.Get("wasClean").Bool())
}

// Subprotocol returns the negotiated subprotocol: protocol in JavaScript.
func (s *Socket) Subprotocol() string { return s.object.Get("protocol").String() }

// Extensions returns the negotiated extensions.
func (s *Socket) Extensions() string { return s.object.Get("extensions").String() }

// BufferedAmount returns the number of bytes of messages that have not been
// sent.
func (s *Socket) BufferedAmount() int { return s.object.Get("bufferedAmount").Int() }

// IsOpen reports whether the connection is open. It is not any more when the
// peer's close frame has come, of which the Receiver hears later.
func (s *Socket) IsOpen() bool { return s.object.Get("readyState").Int() == stateOpen }

// Send sends a message. It copies p. The errors are ErrNotOpen, ErrNotUTF8 and
// what JavaScript throws.
func (s *Socket) Send(text bool, p []byte) error {
	if !s.IsOpen() {
		return ErrNotOpen // JavaScript would drop the message
	}
	if text && !utf8.Valid(p) {
		return ErrNotUTF8
	}
	data := bytesType.New(len(p))
	js.CopyBytesToJS(data, p)
	if text {
		data = decoder.Call("decode", data)
	}
	return try(func() { s.object.Call("send", data) })
}

// Close begins the closing handshake, if nothing else has, with a code that
// JavaScript allows: 1000 and 3000–4999. Any other stands for a close frame
// without a code and a reason.
func (s *Socket) Close(code int, reason string) {
	if s.object.Get("readyState").Int() == stateClosed {
		return
	}
	if code == 1000 || 3000 <= code && code <= 4999 {
		if try(func() { s.object.Call("close", code, reason) }) == nil {
			return
		}
	}
	s.object.Call("close")
}

// The classes of JavaScript that convert messages.
var (
	bytesType = js.Global().Get("Uint8Array")
	encoder   = js.Global().Get("TextEncoder").New()

	// Without ignoreBOM the decoder would remove a byte order mark.
	decoder = js.Global().Get("TextDecoder").New("utf-8", map[string]any{"ignoreBOM": true})
)

// A payload is a Uint8Array.
type payload struct {
	bytes  js.Value
	length int
}

func (p payload) Len() int { return p.length }

func (p payload) CopyTo(dst []byte, from int) {
	js.CopyBytesToGo(dst, p.bytes.Call("subarray", from, min(from+len(dst), p.length)))
}

// try calls f and returns what JavaScript throws.
func try(f func()) (err error) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case js.Error:
			err = fmt.Errorf("%s: %s", thrown.Value.Get("name"), thrown.Value.Get("message"))
		default:
			panic(thrown)
		}
	}()
	f()
	return nil
}
