// Package websocket has the API of github.com/gorilla/websocket v1.5.3 in
// terms of this module, for dependencies that import that path:
//
//	replace github.com/gorilla/websocket => ./gorilla
//
// A program needs that only where such a dependency is not its own to change.
package websocket

//lint:file-ignore SA1019 the deprecated functions belong to the API

import "github.com/seed23105783/websocket"

type (
	BufferPool      = websocket.BufferPool
	CloseError      = websocket.CloseError
	Conn            = websocket.Conn
	Dialer          = websocket.Dialer
	HandshakeError  = websocket.HandshakeError
	PreparedMessage = websocket.PreparedMessage
	Upgrader        = websocket.Upgrader
)

const (
	CloseNormalClosure           = websocket.CloseNormalClosure
	CloseGoingAway               = websocket.CloseGoingAway
	CloseProtocolError           = websocket.CloseProtocolError
	CloseUnsupportedData         = websocket.CloseUnsupportedData
	CloseNoStatusReceived        = websocket.CloseNoStatusReceived
	CloseAbnormalClosure         = websocket.CloseAbnormalClosure
	CloseInvalidFramePayloadData = websocket.CloseInvalidFramePayloadData
	ClosePolicyViolation         = websocket.ClosePolicyViolation
	CloseMessageTooBig           = websocket.CloseMessageTooBig
	CloseMandatoryExtension      = websocket.CloseMandatoryExtension
	CloseInternalServerErr       = websocket.CloseInternalServerErr
	CloseServiceRestart          = websocket.CloseServiceRestart
	CloseTryAgainLater           = websocket.CloseTryAgainLater
	CloseTLSHandshake            = websocket.CloseTLSHandshake
)

const (
	TextMessage   = websocket.TextMessage
	BinaryMessage = websocket.BinaryMessage
	CloseMessage  = websocket.CloseMessage
	PingMessage   = websocket.PingMessage
	PongMessage   = websocket.PongMessage
)

var (
	DefaultDialer = websocket.DefaultDialer

	ErrBadHandshake = websocket.ErrBadHandshake
	ErrCloseSent    = websocket.ErrCloseSent
	ErrReadLimit    = websocket.ErrReadLimit
)

var (
	FormatCloseMessage     = websocket.FormatCloseMessage
	IsCloseError           = websocket.IsCloseError
	IsUnexpectedCloseError = websocket.IsUnexpectedCloseError
	IsWebSocketUpgrade     = websocket.IsWebSocketUpgrade
	JoinMessages           = websocket.JoinMessages
	NewClient              = websocket.NewClient
	NewPreparedMessage     = websocket.NewPreparedMessage
	ReadJSON               = websocket.ReadJSON
	Subprotocols           = websocket.Subprotocols
	Upgrade                = websocket.Upgrade
	WriteJSON              = websocket.WriteJSON
)
