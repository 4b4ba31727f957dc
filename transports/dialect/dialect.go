// Package dialect lets simulated users speak to servers other than pushpull's own.
//
// A Dialect says how a server spells publish and subscribe. It is a codec between what a user wants, to join a
// room from a place and to send messages, and what comes: an answer, an event, a frame. It does no I/O. Three
// carriers do that, each of which turns any dialect into an ordinary transports.Client: one polls, one reads a
// stream, one opens a WebSocket.
//
//	          Ask, Say                    requests, frames
//	┌─────────┐ ───────────▶ ┌─────────┐ ─────────────────▶ ┌────────┐
//	│ dialect │              │ carrier │                    │ server │
//	└─────────┘ ◀─────────── └─────────┘ ◀───────────────── └────────┘
//	              Hear                    answers, events, frames
//
// The package knows no server: package rules reads dialects from files, and package servers is the list of those
// that come with pushpull. It counts and measures nothing.
package dialect

import (
	"net/http"
	"net/url"

	"pushpull/transports"
)

// A Dialect says how a server spells publish and subscribe. It is safe for concurrent use.
type Dialect interface {
	// About says which server speaks the dialect.
	About() About

	// Ways returns how users can get the next message from the server, each on another transport, in the order in
	// which they are to be shown.
	Ways() []Way

	// Speak begins the conversation of one user of room that reads on from a place; the zero Cursor is where the
	// server begins by itself. way is one of Ways. The error says that the cursor isn't one of this dialect.
	Speak(way Way, room string, from transports.Cursor) (Speech, error)
}

// About says which server speaks a dialect.
type About struct {
	Name    string // as on the command line, like "nchan"
	Title   string // in running text, like "nchan" or "API Gateway (emulated)"
	Text    string // what the server is, and how it must be set up, in a sentence or two
	Untried string // why the dialect was never tried on the real server; "": it was
	Health  string // path of a small answer that costs the server little, for round trips; "": none is known
}

// A Way is how users get the next message on one transport.
type Way struct {
	Transport string         // its name on the command line, like "long-poll"
	Way       transports.Way // Every is the interval of a timer that the command line doesn't name
	Socket    bool           // with Stream: a WebSocket carries it
	Lines     bool           // with Stream, but not Socket: a line holds a message, instead of an event of an event stream
	Greets    bool           // Hear says when the user is Ready; else a user that polls is at once, and others are once the stream or WebSocket is open
	Once      bool           // a poll must never be sent twice, as that ends the conversation
}

// A Speech is one user's conversation with the server. It is not safe for concurrent use: a carrier makes one
// call at a time. What a method returns is valid until the next call of the same method.
type Speech interface {
	// Ask returns the next question: a poll, or the request that opens the stream or the WebSocket. Until the
	// user is ready, it may be any request of a handshake.
	Ask() Request

	// Say returns what sends a message. number is 1 for the first message of the conversation, and one more for each
	// later one; on the same conversation the server may acknowledge messages by it.
	Say(number uint64, body []byte) Request

	// Hear takes what came and adds to what was heard. The error ends the conversation. It may be a
	// *transports.StatusError, or have a method Step(transports.Request) transports.Step, to say whether the user
	// may join again.
	Hear(u Unit, h *Heard) error

	// Cursor returns the place where a new conversation would read on; the zero Cursor if the server has no places.
	Cursor() transports.Cursor
}

// A Request is what a user sends: an HTTP request, or a frame on its WebSocket. The zero Request is nothing.
type Request struct {
	Method string      // "": it is a frame
	Path   string      // after the server's address, with the query, in the escaped form
	Header http.Header // not to be changed; of an upgrade, without what RFC 6455 asks for
	Body   []byte
	Binary bool // of a frame
	Before bool // of a question: it does not open the stream or the WebSocket yet

	// Sign, if it isn't nil, returns a copy of the headers that also holds the signature of the request to an address.
	Sign func(to *url.URL, h http.Header) (http.Header, error)
}

// header returns the headers of r to an address.
func (r Request) header(to *url.URL) (http.Header, error) {
	if r.Sign == nil {
		return r.Header, nil
	}
	return r.Sign(to, r.Header)
}

// Frame reports whether r is a frame.
func (r Request) Frame() bool { return r.Method == "" && r.Body != nil }

// A Unit is what came from the server.
type Unit struct {
	Kind   Kind
	Status int         // of Answered, Replied, Opened and Taken
	Header http.Header // of the same
	Body   []byte      // of Answered, Replied and Taken, the data of an Event, the payload of a Frame, the reason of Closed; valid during the call
	Event  string      // type of an Event; "" for the default, and of lines
	ID     string      // of an Event, as far as one was given
	Binary bool        // of a Frame
	Number uint64      // of Taken: that of Say
	Code   int         // of Closed: the close code of a WebSocket; 0: there was none
}

// A Kind is a kind of Unit.
type Kind int8

const (
	Begun    Kind = iota // nothing came yet: the conversation begins
	Answered             // the answer to a question
	Replied              // the answer to a reply
	Opened               // the head of the answer that opened the stream or the WebSocket
	Event                // an event of an event stream, or a line
	Frame                // a message of a WebSocket, its fragments put together
	Taken                // the answer to a request of Say
	Closed               // the server closed the stream or the WebSocket in order
)

// String returns the name of the kind in dialect files.
func (k Kind) String() string {
	return [...]string{"begun", "answer", "replied", "opened", "event", "frame", "taken", "closed"}[k]
}

// Heard is what a Unit meant. A carrier empties and reuses it; a Speech keeps no part of it.
type Heard struct {
	Messages [][]byte  // bodies of messages of the room, in order: parts of the Unit's body, or of memory that is not used again
	Stored   []uint64  // numbers of messages that the server has acknowledged
	Oldest   int       // so many of the oldest messages that are not acknowledged yet are now
	Refused  []Refusal // messages that the server has refused
	Kept     bool      // of Taken: the message is neither acknowledged nor refused yet
	Replies  []Request // to be sent now, in order
	Ready    bool      // the user is a member of the room: messages from now on will come
	More     bool      // ask again at once, whatever the timer says
	Gap      bool      // messages are lost to the user, and the server said so
}

// A Refusal is a message that the server has refused.
type Refusal struct {
	Number uint64
	Why    error
}

// Reset empties h and keeps its memory.
func (h *Heard) Reset() {
	*h = Heard{Messages: h.Messages[:0], Stored: h.Stored[:0], Refused: h.Refused[:0], Replies: h.Replies[:0]}
}
