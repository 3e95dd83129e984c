module github.com/seed23105783/websocket

go 1.26
