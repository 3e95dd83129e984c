//go:build !unix

package websocket

// unreadBytes returns nil: one cannot know.
func unreadBytes(stream) func() bool { return nil }
