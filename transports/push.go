package transports

// A Follower is a reader of a room to whose connection the room's own reader writes each message as it
// comes. No goroutine of the reader has to wake up for that.
type Follower interface {
	// Deliver writes messages that follow directly on those before. It must not wait. If it returns
	// false, the follower gets no more: it has taken the messages and needs no others, or it has not
	// taken them, or not all, and reads on with Next. Calls come one after another.
	Deliver(*Bundle) bool

	// Fall says that no more messages come, as the room's reader has ended, with or without an error:
	// the follower reads on with Next. It must not wait.
	Fall()
}

// A Pusher is a Log that writes to followers.
type Pusher interface {
	// Follow delivers the messages of room after seq to f, from any goroutine, even before Follow
	// returns. It refuses, so ok is false, if the room's reader is not at seq: then Next knows more.
	// stop ends it, and may be called more than once; a call of f that is under way goes on. It must
	// be called unless f has ended it by itself.
	Follow(room string, seq uint64, f Follower) (stop func(), ok bool)
}

// Follow calls the Follow of log, and refuses if log has none.
func Follow(log Log, room string, seq uint64, f Follower) (stop func(), ok bool) {
	if p, pushes := log.(Pusher); pushes {
		return p.Follow(room, seq, f)
	}
	return nil, false
}

// A Bundle is messages that several readers of a room get at once. It makes each spelling of them once.
// It must be used by one goroutine at a time.
type Bundle struct {
	Messages []Message // at least one; must not be changed

	spelled []spelled // one for each kind of reader in the room, so few
}

type spelled struct {
	as   *Spelling
	text []byte
}

// A Spelling is how a transport writes messages to a connection, like a frame or an event for each. Its
// address identifies it, so every reader of a transport must use the same one.
type Spelling struct {
	// Append appends messages, of which there is at least one, to buf.
	Append func(buf []byte, messages []Message) []byte
}

// Spelled returns the messages in a spelling. The result is shared and must not be changed.
func (b *Bundle) Spelled(as *Spelling) []byte {
	for _, s := range b.spelled {
		if s.as == as {
			return s.text
		}
	}
	text := as.Append(nil, b.Messages)
	b.spelled = append(b.spelled, spelled{as, text})
	return text
}

// A TryWriter is a connection that can be written to without waiting, as far as the system's buffer has
// space. It is used by one goroutine at a time, and not during a Write.
type TryWriter interface {
	// TryWrite writes the beginning of data, which may be nothing or all of it. It doesn't wait.
	TryWrite(data []byte) (n int, err error)
}

// CanTry reports whether the connection that w stands for has a TryWrite that works: on some systems
// there is none.
func CanTry(w any) (TryWriter, bool) {
	t, ok := w.(TryWriter)
	if !ok {
		return nil, false
	}
	if _, err := t.TryWrite(nil); err != nil {
		return nil, false
	}
	return t, true
}
