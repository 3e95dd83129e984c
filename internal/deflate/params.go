package deflate

import (
	"slices"
	"strconv"
	"strings"

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

// An element is an offer or an answer of permessage-deflate in a
// Sec-WebSocket-Extensions header. Zero bits stand for a parameter that is not
// there.
type element struct {
	Params
	clientBits bool // client_max_window_bits is there, with a value or without
}

// parse reads an element's parameters. It reports false for every reason that
// RFC 7692, Section 7.1, has to decline an offer or to fail a connection: a
// parameter that is unknown, there twice, or has a value that it may not have.
func parse(params []httphead.Param, answer bool) (e element, ok bool) {
	for i, p := range params {
		for _, before := range params[:i] {
			if before.Name == p.Name {
				return element{}, false
			}
		}
		switch p.Name {
		case serverNoContextTakeover:
			e.Server.NoContextTakeover, ok = true, !p.HasValue
		case clientNoContextTakeover:
			e.Client.NoContextTakeover, ok = true, !p.HasValue
		case serverMaxWindowBits:
			e.Server.WindowBits, ok = parseBits(p)
		case clientMaxWindowBits:
			e.clientBits = true
			if ok = !p.HasValue && !answer; !ok {
				e.Client.WindowBits, ok = parseBits(p)
			}
		default:
			ok = false
		}
		if !ok {
			return element{}, false
		}
	}
	return e, true
}

// String returns the element as it is written into the header.
func (e element) String() string {
	s := Name
	if e.Server.NoContextTakeover {
		s += "; " + serverNoContextTakeover
	}
	if e.Client.NoContextTakeover {
		s += "; " + clientNoContextTakeover
	}
	if bits := e.Server.WindowBits; bits != 0 {
		s += "; " + serverMaxWindowBits + "=" + strconv.Itoa(bits)
	}
	if e.clientBits {
		s += "; " + clientMaxWindowBits
		if bits := e.Client.WindowBits; bits != 0 {
			s += "=" + strconv.Itoa(bits)
		}
	}
	return s
}

// parseBits reads a number from 8 to 15 without leading zeros.
func parseBits(p httphead.Param) (int, bool) {
	n, err := strconv.Atoi(p.Value)
	ok := err == nil && MinWindowBits <= n && n <= MaxWindowBits && strconv.Itoa(n) == p.Value
	return n, ok
}

// Accept goes through a client's offers in their order, most wanted first, and
// takes the first that can be met. wish is the server's; if it is required, an
// offer that does not let the server limit the client's window as it wishes is
// declined. Accept returns what is agreed and the element for the answer, or
// false if there is no such offer.
func Accept(offers []httphead.Extension, wish Params, required bool) (agreed Params, answer string, ok bool) {
	for _, offered := range offers {
		if offered.Name != Name {
			continue
		}
		o, ok := parse(offered.Params, false)
		if !ok {
			continue
		}
		agreed, answer := o.accept(wish)
		if required && agreed.Client.bits() > wish.Client.bits() {
			continue
		}
		return agreed, answer.String(), true
	}
	return Params{}, "", false
}

// accept meets an offer: every one can be, since there is no window that the
// codec cannot keep to.
func (e element) accept(wish Params) (agreed Params, answer element) {
	agreed = Params{
		Server: Side{
			NoContextTakeover: e.Server.NoContextTakeover || wish.Server.NoContextTakeover,
			WindowBits:        min(e.Server.bits(), wish.Server.bits()),
		},
		Client: Side{
			NoContextTakeover: e.Client.NoContextTakeover || wish.Client.NoContextTakeover,
			WindowBits:        MaxWindowBits,
		},
	}
	// RFC 7692, Section 7.1.2.2: the client's window is the server's to limit
	// only where the client says that it can be.
	if e.clientBits {
		agreed.Client.WindowBits = min(e.Client.bits(), wish.Client.bits())
	}
	answer = element{agreed, true}
	if e.Server.WindowBits == 0 && agreed.Server.WindowBits == MaxWindowBits {
		answer.Server.WindowBits = 0
	}
	if e.Client.WindowBits == 0 && agreed.Client.WindowBits == MaxWindowBits {
		answer.Client.WindowBits, answer.clientBits = 0, false
	}
	return agreed, answer
}

// offers returns what a client offers for a wish, most wanted first: RFC 7692,
// Section 5.1. Unless the wish is required, offers follow that ask less of the
// server: without a limit for its window, without anything about how it
// compresses, and without any parameter. All but the last say that the client's
// window can be limited, which it always can. What the client wishes for its own
// messages it can do whatever the answer is.
func offers(wish Params, required bool) []element {
	for _, side := range []*Side{&wish.Server, &wish.Client} {
		if side.WindowBits == MaxWindowBits {
			side.WindowBits = 0 // which needs no parameter
		}
	}
	list := []element{{wish, true}}
	if required {
		return list
	}
	if wish.Server.WindowBits != 0 {
		wish.Server.WindowBits = 0
		list = append(list, element{wish, true})
	}
	if wish.Server.NoContextTakeover || wish.Client.WindowBits != 0 {
		wish.Server.NoContextTakeover, wish.Client.WindowBits = false, 0
		list = append(list, element{wish, true})
	}
	return append(list, element{})
}

// Offer returns the elements for a client's request.
func Offer(wish Params, required bool) string {
	var list []string
	for _, o := range offers(wish, required) {
		list = append(list, o.String())
	}
	return strings.Join(list, ", ")
}

// Agree checks a server's answer to what Offer returned for the same wish
// (RFC 7692, Section 7.1), and returns what is agreed.
func Agree(answer httphead.Extension, wish Params, required bool) (Params, bool) {
	a, ok := parse(answer.Params, true)
	if answer.Name != Name || !ok || !slices.ContainsFunc(offers(wish, required), a.answers) {
		return Params{}, false
	}
	return Params{
		Server: Side{a.Server.NoContextTakeover, a.Server.bits()},
		Client: Side{
			// The client may do without takeover, and with a smaller window,
			// whether the server asks for it or not.
			NoContextTakeover: a.Client.NoContextTakeover || wish.Client.NoContextTakeover,
			WindowBits:        min(a.Client.bits(), wish.Client.bits()),
		},
	}, true
}

// Agreed returns what the element of a server's answer says: for a connection
// whose handshake was done elsewhere.
func Agreed(answer httphead.Extension) (Params, bool) {
	a, ok := parse(answer.Params, true)
	if answer.Name != Name || !ok {
		return Params{}, false
	}
	return Params{
		Server: Side{a.Server.NoContextTakeover, a.Server.bits()},
		Client: Side{a.Client.NoContextTakeover, a.Client.bits()},
	}, true
}

// answers reports whether a server that has accepted the offer may answer with
// e: it has to do what was asked of it, and may limit the client's window only
// if that was offered.
func (e element) answers(offer element) bool {
	return (e.Server.NoContextTakeover || !offer.Server.NoContextTakeover) &&
		e.Server.bits() <= offer.Server.bits() &&
		(offer.clientBits || !e.clientBits)
}
