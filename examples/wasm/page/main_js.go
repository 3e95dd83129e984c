// Command page is the program of the page "Go". page.js does the same.
package main

import (
	"context"
	"fmt"
	"syscall/js"

	"github.com/seed23105783/websocket"
)

var document = js.Global().Get("document")

func main() {
	url := js.Global().Get("location").Get("origin").String() + "/chat"
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		show("state", err.Error())
		return
	}
	listen("send", "submit", func() {
		text := element("text")
		conn.Send(websocket.TextMessage, []byte(text.Get("value").String()))
		text.Set("value", "")
	})
	listen("leave", "click", func() {
		// An event handler must not wait: the event loop waits for it.
		go conn.Shutdown(context.Background(), websocket.CloseNormalClosure, "bye")
	})
	conn.Serve(websocket.Events{
		Open: func(*websocket.Conn) { show("state", "open") },
		Message: func(_ *websocket.Conn, m websocket.Message) {
			line := document.Call("createElement", "li")
			line.Set("textContent", string(m.Data))
			element("log").Call("append", line)
		},
		Close: func(_ *websocket.Conn, info websocket.CloseInfo) {
			show("state", fmt.Sprintf("closed: %d %s %t", info.Code, info.Reason, info.WasClean))
		},
	})
}

func element(id string) js.Value { return document.Call("getElementById", id) }

func show(id, text string) { element(id).Set("textContent", text) }

// listen has f called when the event happens to the element.
func listen(id, event string, f func()) {
	element(id).Call("addEventListener", event, js.FuncOf(func(_ js.Value, arguments []js.Value) any {
		arguments[0].Call("preventDefault")
		f()
		return nil
	}))
}
