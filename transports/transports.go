// Package transports defines what a chat transport is: a way to read the log of a room from a cursor.
//
// It holds the contract between stores, transports and the load generator, and the native HTTP API
// that the transports share. It keeps no messages, opens no connections and measures nothing; it
// imports only the standard library.
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
	Seq  uint64 // place in the log, see FirstSeq: increasing, not necessarily contiguous, never 0
	Body []byte // UTF-8 text
}

// FirstSeq returns the seq with which a log begins that is made now: the microseconds since the
// Unix epoch, which have 16 digits and stay below 2^53, so JavaScript keeps them exact. It makes the
// places of a log its own. A log that is lost and made again begins after the end of the lost one, as
// no log gets a million messages a second for long; so a reader of the lost log is not at a place of
// the new one. That also holds when the clock was set back, unless it now shows the very microseconds
// at which the lost log was written.
//
// The examples of this project spell places with small numbers, like 7.
func FirstSeq(now time.Time) uint64 { return uint64(max(1, now.UnixMicro())) }

// ErrFull means that a store has no space left for a message. The message is not stored.
var ErrFull = errors.New("the server has no space left for messages")

// A Store keeps the log of every room. It is safe for concurrent use. Processes that share a store
// see the same log. Its errors hold no password, and are fit to be logged; users never see them.
type Store interface {
	// Append adds a copy of body to the end of the log of room and returns its place. The error is
	// ErrFull if there is no space left for the message. After any other error the message may have
	// been added nevertheless.
	//
	// With a key, Append can then be called again, by any process: if the log has a message with that key,
	// Append adds nothing and returns its place, whatever the body. A key is known for KeyTime, unless its
	// message leaves the log earlier; it may be known longer than either.
	Append(ctx context.Context, room string, body []byte, key Key) (seq uint64, err error)

	// After returns the next messages after seq, oldest first: at most limit, and none after the one
	// with which their bodies reach BatchBytes. It returns fewer only if there are no more; none is
	// not an error. A room that was never written to is empty. The places of a log are 0, which is
	// its start, the seqs of the messages in it, and the one before the oldest of them. The error is
	// a *GapError if messages after seq have left the log, or if seq is not a place in it, as after a
	// restart that lost the log or its end, even once the log has grown past seq again: gaps are
	// reported, never skipped. Bodies must not be changed.
	After(ctx context.Context, room string, seq uint64, limit int) ([]Message, error)

	// Watch returns a channel that receives a value soon after each message that After returns
	// from now on, whichever process appended it; several messages may share one value. The
	// channel also receives a value whenever the store may have missed a message, for example while
	// it was unreachable. On each value a watcher calls After. stop ends the watch and must be
	// called; the channel is not closed. Watching costs the store nothing while the room is quiet.
	Watch(room string) (grown <-chan struct{}, stop func())
}

// A Starter is a Store, or a Log on it, that is lost with its process, and whose start is therefore a place of its own
// beside 0. A reader that has read nothing and is at that place gets a *GapError from the next process, which has
// another start, while at 0 it would not be told of the messages that it missed.
type Starter interface {
	Start() uint64 // 0: it has none but 0
}

// StartOf returns the start of a Store or a Log; 0 if that is not a place of its own.
func StartOf(of any) uint64 {
	if s, ok := of.(Starter); ok {
		return s.Start()
	}
	return 0
}

// BatchBytes bounds how much is read from a log at once, and so what one response holds in the
// server's memory: a batch ends with the message with which the bodies reach this size.
const BatchBytes = 1 << 20

// Batch returns the beginning of messages that one read of at most limit messages may return.
func Batch(messages []Message, limit int) []Message {
	size := 0
	for i, m := range messages {
		if size += len(m.Body); i+1 == limit || size >= BatchBytes {
			return messages[: i+1 : i+1]
		}
	}
	return messages
}

// Full reports whether messages are all that one read of at most limit messages may return, so that
// more may follow.
func Full(messages []Message, limit int) bool {
	size := 0
	for _, m := range messages {
		size += len(m.Body)
	}
	return len(messages) >= limit || size >= BatchBytes
}

// A Log gives the server's side of a transport access to the log of every room. Use After to read
// without waiting, Next to wait. It is safe for concurrent use.
type Log interface {
	// Append and After are those of the Store.
	Append(ctx context.Context, room string, body []byte, key Key) (seq uint64, err error)
	After(ctx context.Context, room string, seq uint64, limit int) ([]Message, error)

	// Next waits until there are messages after seq, and returns the first of them, at most as many
	// as After would. The waiting readers of a room in one process share the reads of the store. The errors
	// are those of After, and the cause of ctx if it ends first. Bodies must not be changed.
	Next(ctx context.Context, room string, seq uint64, limit int) ([]Message, error)
}

// A Client is the user's side of a transport. Its options are its fields; its zero value works.
type Client interface {
	Way() Way

	// Join returns the session of a new user of room that reads on from the given place; the zero
	// Cursor is the start of the log. ctx bounds only Join, not the life of the session.
	Join(ctx context.Context, t Target, room string, from Cursor) (Session, error)
}

// An Endpoint is the server's side of a transport. Its options are its fields; its zero value works.
type Endpoint interface {
	Way() Way

	// Handler serves GET /rooms/{room}/{transport}; the room is r.PathValue("room"). When the
	// context of a request ends with the cause ErrStopping, the handler ends the request early,
	// without an error for the client.
	Handler(Log) http.Handler
}

// A Transport delivers the log of a room to its readers. It has both sides, the user's and the
// server's.
type Transport interface {
	Client
	Endpoint
}

// A Receiver is the reading half of a session. It must be used by one goroutine at a time.
type Receiver interface {
	// Messages yields the messages after the cursor as the log grows, and ends after the first
	// error. A Body is valid until the next iteration. When ctx ends or the session is closed, the
	// sequence ends without an error. After a *StatusError whose Step is Repeat, Messages may be
	// called again: the session goes on.
	Messages(ctx context.Context) iter.Seq2[Message, error]

	// Cursor returns the place to read on from: after the last message that Messages yielded, or
	// the place given to Join. After a *GapError it is the place before the oldest message that the
	// log holds.
	Cursor() Cursor
}

// A Session is one user in one room. One goroutine may call Send while another one receives, but
// no two may call Send at the same time. Close may be called at any time.
type Session interface {
	Receiver

	// Send sends body to the server. The messages of a session are stored in the order of the
	// calls. stored is called exactly once, from any goroutine: with nil once the server has
	// acknowledged the message, else with the error. Send may return before that; a transport
	// that can't keep the order with two messages in flight blocks instead. A transport that sends
	// and reads on one connection calls stored only while Messages is being ranged over. An error
	// after which the message may be sent again, however, is always passed to stored before Send
	// returns: ErrUnsent, and a *StatusError whose Step is Repeat.
	Send(ctx context.Context, body []byte, stored func(error))

	// Close leaves the room and releases the session's connections.
	Close() error
}

// An OnceSender is a Session whose server knows a message again by its key.
type OnceSender interface {
	Session

	// SendOnce is Send for a message with a key. After an error that leaves open whether the message is
	// stored, it can be sent again with the same body and key, on any session: the server stores it once,
	// as a Store does.
	SendOnce(ctx context.Context, body []byte, key Key, stored func(error))
}

// A Cursor is a place in the log of a room, in the format of the server under test. On pushpull's
// own server it is the decimal seq of the last message read. The zero Cursor is the start of the
// log. Only transports create and interpret cursors; to the load generator they are opaque.
type Cursor string

// CursorAt returns the place after the message seq as a cursor of pushpull's own server.
func CursorAt(seq uint64) Cursor { return Cursor(strconv.FormatUint(seq, 10)) }

// Seq parses a cursor of pushpull's own server.
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

// A Target is the server under test and one user's connections to it.
type Target struct {
	Base *url.URL
	HTTP http.RoundTripper // the user's own connections; see Within
	Hold time.Duration     // caps the hold time of this user's requests; 0: the transport's own
}

// Held returns the hold time to ask for, given the transport's own.
func (t Target) Held(usual time.Duration) time.Duration {
	if t.Hold > 0 {
		return min(t.Hold, usual)
	}
	return usual
}

// RoomURL returns the URL of a room's messages, for the name "messages", or of the named transport.
func (t Target) RoomURL(room, name string) *url.URL {
	base := *t.Base
	if base.Path == "" {
		base.Path = "/" // else JoinPath makes a relative path
	}
	return base.JoinPath("rooms", url.PathEscape(room), name)
}

// ErrUnsent means that no part of a message was sent, so sending it again can't store it twice.
var ErrUnsent = errors.New("not sent, as there is no connection")

// ErrStopping is the cause with which a stopping server ends the contexts of its requests. On the
// user's side it means that this server can't go on, while another one may.
var ErrStopping = errors.New("the server is stopping, connect to another one")

// A GapError means that the log can't be read from a cursor: messages after it have left the log,
// or it is not a place in the log.
type GapError struct {
	Oldest uint64 // seq of the oldest message in the log; at most that of the next one if there is none, 1 if that isn't known; 0: places of this server are no numbers
}

// Cursor returns the place before the oldest message, from which the log can be read.
func (e *GapError) Cursor() Cursor { return CursorAt(e.Oldest - 1) }

func (e *GapError) Error() string {
	if e.Oldest == 0 {
		return "messages after the user's place have left the log"
	}
	return fmt.Sprintf("the log can't be read from that cursor: its oldest message is %d, read on with after=%d", e.Oldest, e.Oldest-1)
}

// Limits are the limits of a server. The zero value of a field stands for its default.
type Limits struct {
	MessageBytes int           // largest message; 0: 64 KiB
	Batch        int           // most messages in one response or one read of the store; 0: 256
	Hold         time.Duration // longest hold time, even if a user asks for more; 0: 60 s
	MinScan      time.Duration // shortest scan interval of a held poll; a poll that asks for a shorter one is refused; 0: 10 ms
	Frames       int           // most WebSocket frames a second that one connection may send, over a burst of as many; 0: 100

	// WriteTimeout is how long a client may take to read a response to a poll, or a batch of messages
	// on a stream, all of which stays in memory meanwhile; of anything else, like a page, each
	// 64 KiB. It doesn't end held polls. A client that takes longer is disconnected. 0: 10 s
	WriteTimeout time.Duration

	// Heartbeat is the time between two signs of life that a server sends on a stream: a ping on a
	// WebSocket, a comment in a stream of events. Either side ends a connection on which it has missed
	// two in a row. 0: the constant Heartbeat
	Heartbeat time.Duration

	Origins []string // origins whose pages may send, and whose hosts are served over loopback, besides the server's own, like "https://chat.example"
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
	if l.Frames <= 0 {
		l.Frames = 100
	}
	set(&l.Hold, time.Minute)
	set(&l.MinScan, 10*time.Millisecond)
	set(&l.Heartbeat, Heartbeat)
	set(&l.WriteTimeout, 10*time.Second)
	return l
}

// NextWithin returns the messages after seq as soon as there are any. It returns none, and no error, when
// d has passed or ctx ends.
func NextWithin(ctx context.Context, log Log, room string, seq uint64, limit int, d time.Duration) ([]Message, error) {
	if d <= 0 {
		return log.After(ctx, room, seq, limit)
	}
	held, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	messages, err := log.Next(held, room, seq, limit)
	if err != nil && held.Err() != nil && errors.Is(err, context.Cause(held)) {
		return nil, nil
	}
	return messages, err
}
