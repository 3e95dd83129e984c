module github.com/gorilla/websocket

go 1.26.0

require github.com/seed23105783/websocket v0.0.0

replace github.com/seed23105783/websocket => ../../../..
