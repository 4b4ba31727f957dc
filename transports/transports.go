// Package transports states what a chat transport is: a cursor on the log of a room.
//
// It holds the contract between stores, transports and the load generator, and the native HTTP
// spelling that the transports share. It keeps no messages, opens no connections and measures
// nothing; it imports the standard library alone.
package transports

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Message is one entry in the log of a room.
type Message struct {
	Seq  uint64 // place in the log: grows, need not be contiguous, never 0
	Body []byte // UTF-8 text
}

// A Store keeps the log of every room. It is safe for concurrent use, and so is its log by
// several processes, where it is one that they can share.
type Store interface {
	// Append adds body to the end of the log of room and returns its place. The store keeps a
	// copy. After an error it may have been added all the same.
	Append(ctx context.Context, room string, body []byte) (seq uint64, err error)

	// After returns at most limit messages that follow seq, oldest first, and fewer only if there
	// are no more; none is not an error. A room that nobody has written to is empty. The error is
	// a *GapError when messages after seq have left the log, or when seq lies beyond its end, as
	// after a restart that lost it: a gap is told, never jumped. Bodies must not be changed.
	After(ctx context.Context, room string, seq uint64, limit int) ([]Message, error)

	// Watch returns a channel from which something can be received some time after each message
	// that After shows from now on, whichever process has appended it; several messages may
	// share one. Something comes, too, whenever the store can't tell, as when it was out of
	// reach: who watches asks After. stop ends it and must be called; the channel is not closed.
	// Watching asks nothing of the store for a room in which nothing happens.
	Watch(room string) (grown <-chan struct{}, stop func())
}

// A Log is the log of every room as the server's side of a transport reads it: After is for whom
// nobody wakes, Next for who waits. It is safe for concurrent use.
type Log interface {
	// Append and After are those of the Store.
	Append(ctx context.Context, room string, body []byte) (seq uint64, err error)
	After(ctx context.Context, room string, seq uint64, limit int) ([]Message, error)

	// Next waits until messages follow seq, and returns at most limit of them, oldest first. All
	// who wait in one room of a process share what is read of the store. The errors are those of
	// After, and the cause of ctx when that ends first. Bodies must not be changed.
	Next(ctx context.Context, room string, seq uint64, limit int) ([]Message, error)
}

// A Transport carries the log of a room to its readers. It has two sides, the server's and the
// user's. Its options are its fields; its zero value works.
type Transport interface {
	// Handler serves GET /rooms/{room}/{transport}; the room is r.PathValue("room"). Requests
	// end early, and politely, when their context ends with the cause ErrStopping.
	Handler(Log) http.Handler

	// Join makes a user of room who reads on from the given place; the zero Cursor is the
	// start of the log. ctx covers joining alone, not the life of the session.
	Join(ctx context.Context, t Target, room string, from Cursor) (Session, error)
}

// A Periodic transport asks on a timer. Whoever simulates many of its users starts them at
// random phases of the period: a herd would measure itself.
type Periodic interface {
	Period() time.Duration
}

// A Scanning transport holds a question on the server, which asks the store for it on a timer:
// nobody wakes it, and a message waits for up to the time between two scans.
type Scanning interface {
	ScanInterval() time.Duration
}

// A Holding transport holds a question until there is something to answer, up to a time.
type Holding interface {
	// WithHold returns a transport that is the same but for that time.
	WithHold(hold time.Duration) Transport
}

// A Session is one user in one room. One goroutine may call Send while another ranges over
// Messages; neither may be called twice at the same time. Close may be called at any time.
type Session interface {
	// Send hands body to the server. The messages of a session are stored in the order of the
	// calls. stored is called exactly once, from any goroutine: with nil once the server has
	// stored the message, else with what went wrong. Send may return before that; a transport
	// that can't keep two messages in flight in order blocks instead. When one connection
	// carries both directions, stored is called only while Messages is being ranged over; but
	// with an error that is ErrUnsent it is always called before Send returns.
	Send(ctx context.Context, body []byte, stored func(error))

	// Messages yields the log as it grows, from the cursor on, and ends after the first error.
	// A Body is valid until the next message is asked for. When ctx ends or the session is
	// closed the sequence ends without an error.
	Messages(ctx context.Context) iter.Seq2[Message, error]

	// Close leaves the room and frees the session's connections.
	Close() error
}

// A Cursor is a place in the log of a room as the server under test spells it. On pushpull's own
// server it is the decimal seq of the last message read; the zero Cursor is the start of the log.
type Cursor string

// CursorAt spells the place of seq as pushpull's own server does.
func CursorAt(seq uint64) Cursor { return Cursor(strconv.FormatUint(seq, 10)) }

// Seq reads a cursor of pushpull's own server.
func (c Cursor) Seq() (uint64, error) {
	if c == "" {
		return 0, nil
	}
	seq, err := strconv.ParseUint(string(c), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bad cursor %.40q: after must be the seq of the last message read, 0 for the start", string(c))
	}
	return seq, nil
}

// A Target is the server under test as one user reaches it.
type Target struct {
	Base *url.URL
	Wire http.RoundTripper // the user's own connections; counts what they carry
}

// RoomURL returns the address of a room's messages or of one of its transports.
func (t Target) RoomURL(room, name string) *url.URL {
	base := *t.Base
	if base.Path == "" {
		base.Path = "/" // else the path is joined as a relative one
	}
	return base.JoinPath("rooms", url.PathEscape(room), name)
}

// ErrUnsent says of a message that nothing of it has left the user: it can be sent again without
// being there twice.
var ErrUnsent = errors.New("not sent, as there is no connection")

// ErrStopping is the cause with which a server ends the contexts of its requests when it stops. On
// the user's side it says that the server can't go on, and that another one may.
var ErrStopping = errors.New("the server is stopping, ask again elsewhere")

// A GapError says that a log can't be read on from a cursor: messages after it have left the
// log, or the log ends before it.
type GapError struct {
	Oldest uint64 // seq of the oldest message that the log holds, or of its first one to come
}

func (e *GapError) Error() string {
	return fmt.Sprintf("the log does not reach back to that place: its oldest message is %d, read on with after=%d", e.Oldest, e.Oldest-1)
}

// Limits are what a server lets its users do. The zero value of a field is its default.
type Limits struct {
	MessageBytes int           // largest message; 0: 64 KiB
	Batch        int           // most messages in one answer or one read of the store; 0: 256
	Hold         time.Duration // longest time a poll is held, whatever its user asks for; 0: 60 s
	WriteTimeout time.Duration // a user who takes nothing for so long is cut off, by the serving process and on every transport; 0: 10 s
	Origins      []string      // origins beside the server's own whose pages may send, like "https://chat.example"
}

// WithDefaults returns l with every zero field set to its default.
func (l Limits) WithDefaults() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if l.MessageBytes <= 0 {
		l.MessageBytes = 64 << 10
	}
	if l.Batch <= 0 {
		l.Batch = 256
	}
	set(&l.Hold, time.Minute)
	set(&l.WriteTimeout, 10*time.Second)
	return l
}

// A Duplex transport sends on the connection that it reads from: its users need one connection,
// those of others two.
type Duplex interface {
	Duplex()
}
