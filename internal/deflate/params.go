package deflate

import (
	"strconv"

	"github.com/seed23105783/websocket/internal/httphead"
)

// Name is the extension's name in the Sec-WebSocket-Extensions header.
const Name = "permessage-deflate"

// MinWindowBits and MaxWindowBits are the bounds of a window's size: the base
// two logarithm of its bytes (RFC 7692, Section 7.1.2).
const (
	MinWindowBits = 8
	MaxWindowBits = 15
)

const (
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

// Side is how one side compresses.
type Side struct {
	// NoContextTakeover: every message is compressed on its own.
	NoContextTakeover bool

	// WindowBits is the size of the window; zero stands for MaxWindowBits.
	WindowBits int
}

func (s Side) bits() int {
	if s.WindowBits == 0 {
		return MaxWindowBits
	}
	return s.WindowBits
}

// Params is what a server and a client agree on, and what one of them wishes
// for.
type Params struct{ Server, Client Side }

// An offer is one element of a Sec-WebSocket-Extensions header, read as
// permessage-deflate. Zero bits stand for a parameter that is not there.
type offer struct {
	Params
	clientBitsHint bool // client_max_window_bits is there without a value
}

// parse reads an element's parameters. It reports false for every reason that
// RFC 7692, Section 7.1, has to decline an offer or to fail a connection: a
// parameter that is unknown, there twice, or has a value that it may not have.
func parse(params []httphead.Param, response bool) (o offer, ok bool) {
	for i, p := range params {
		for _, before := range params[:i] {
			if before.Name == p.Name {
				return offer{}, false
			}
		}
		switch p.Name {
		case serverNoContextTakeover:
			o.Server.NoContextTakeover, ok = true, !p.HasValue
		case clientNoContextTakeover:
			o.Client.NoContextTakeover, ok = true, !p.HasValue
		case serverMaxWindowBits:
			o.Server.WindowBits, ok = parseBits(p)
		case clientMaxWindowBits:
			if !p.HasValue && !response {
				o.clientBitsHint, ok = true, true
				break
			}
			o.Client.WindowBits, ok = parseBits(p)
		default:
			ok = false
		}
		if !ok {
			return offer{}, false
		}
	}
	return o, true
}

// parseBits reads a number from 8 to 15 without leading zeros.
func parseBits(p httphead.Param) (int, bool) {
	n, err := strconv.Atoi(p.Value)
	ok := err == nil && MinWindowBits <= n && n <= MaxWindowBits && strconv.Itoa(n) == p.Value
	return n, ok
}

// Accept goes through a client's offers in their order, most wanted first, and
// takes the first that can be met. wish is the server's. It returns what is
// agreed and the element for the answer, or false if there is no such offer.
func Accept(offers []httphead.Extension, wish Params) (agreed Params, answer string, ok bool) {
	for _, element := range offers {
		if element.Name != Name {
			continue
		}
		if o, ok := parse(element.Params, false); ok {
			agreed, answer := o.accept(wish)
			return agreed, answer, true
		}
	}
	return Params{}, "", false
}

// accept meets the offer: every one can be, since there is no window that the
// codec cannot keep to.
func (o offer) accept(wish Params) (agreed Params, answer string) {
	agreed = Params{
		Server: Side{
			NoContextTakeover: o.Server.NoContextTakeover || wish.Server.NoContextTakeover,
			WindowBits:        min(o.Server.bits(), wish.Server.bits()),
		},
		Client: Side{
			NoContextTakeover: o.Client.NoContextTakeover || wish.Client.NoContextTakeover,
			WindowBits:        MaxWindowBits,
		},
	}
	// RFC 7692, Section 7.1.2.2: the client's window is the server's to limit
	// only where the client says that it can be.
	canLimit := o.clientBitsHint || o.Client.WindowBits != 0
	if canLimit {
		agreed.Client.WindowBits = min(o.Client.bits(), wish.Client.bits())
	}
	answer = Name
	if agreed.Server.NoContextTakeover {
		answer += "; " + serverNoContextTakeover
	}
	if agreed.Client.NoContextTakeover {
		answer += "; " + clientNoContextTakeover
	}
	if o.Server.WindowBits != 0 || agreed.Server.WindowBits < MaxWindowBits {
		answer += "; " + serverMaxWindowBits + "=" + strconv.Itoa(agreed.Server.WindowBits)
	}
	if o.Client.WindowBits != 0 || agreed.Client.WindowBits < MaxWindowBits {
		answer += "; " + clientMaxWindowBits + "=" + strconv.Itoa(agreed.Client.WindowBits)
	}
	return agreed, answer
}

// Offer returns the element for a client's request. It says that the client's
// window can be limited, which it always can.
func Offer(wish Params) string {
	offer := Name
	if wish.Server.NoContextTakeover {
		offer += "; " + serverNoContextTakeover
	}
	if wish.Client.NoContextTakeover {
		offer += "; " + clientNoContextTakeover
	}
	if bits := wish.Server.bits(); bits < MaxWindowBits {
		offer += "; " + serverMaxWindowBits + "=" + strconv.Itoa(bits)
	}
	offer += "; " + clientMaxWindowBits
	if bits := wish.Client.bits(); bits < MaxWindowBits {
		offer += "=" + strconv.Itoa(bits)
	}
	return offer
}

// Agree checks a server's answer to what Offer returned for the same wish
// (RFC 7692, Section 7.1), and returns what is agreed.
func Agree(answer httphead.Extension, wish Params) (Params, bool) {
	o, ok := parse(answer.Params, true)
	switch {
	case answer.Name != Name || !ok:
		return Params{}, false
	case wish.Server.NoContextTakeover && !o.Server.NoContextTakeover,
		o.Server.bits() > wish.Server.bits():
		return Params{}, false // the server would compress in another way than was asked for
	}
	return Params{
		Server: Side{o.Server.NoContextTakeover, o.Server.bits()},
		Client: Side{
			// The client may do without takeover, and with a smaller window,
			// whether the server asks for it or not.
			NoContextTakeover: o.Client.NoContextTakeover || wish.Client.NoContextTakeover,
			WindowBits:        min(o.Client.bits(), wish.Client.bits()),
		},
	}, true
}
