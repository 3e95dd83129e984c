module github.com/seed23105783/websocket/internal/bench

go 1.26

require (
	github.com/klauspost/compress v1.20.3
	github.com/seed23105783/websocket v0.0.0
)

replace github.com/seed23105783/websocket => ../..
