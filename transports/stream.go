package transports

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrUnwritable means that the connection of a Stream is broken, or was not read for the write timeout.
var ErrUnwritable = errors.New("the connection can't be written to")

// A Stream writes the messages of a room to a connection as they come, for a transport whose server
// writes. The room's own reader writes them while the connection takes all of each batch. A reader
// that is slow or stuck has one batch in memory and reads on by itself, in order, in a goroutine that
// lasts until it has caught up; if it takes nothing for the write timeout, the connection is broken.
//
// The exported fields must be set before Serve. Write may be called by several goroutines.
type Stream struct {
	Log      Log
	Room     string
	Conn     net.Conn // if it is a TryWriter, the room's reader writes to it
	Spelling *Spelling
	Limits   Limits // with its defaults

	// Last returns what is written last, given the reason for the end: the error of the log, the cause of
	// the context of Serve, or that which reading gave. It is not called when nothing can be written.
	Last func(why error) []byte

	// Answered says that the user answers what is written last, and so closes the connection. Else it is
	// closed at once.
	Answered bool

	ended func(error) // called at most once, with mu held

	try TryWriter // nil: Conn can't be written to without waiting

	reading context.Context //nolint:containedctx // of the goroutine that reads on
	readers sync.WaitGroup  // the goroutine that reads on, which there is none of at most times

	mu     sync.Mutex // held while the connection is tried, which doesn't wait
	freed  sync.Cond  // stuck has become false
	stuck  bool       // a goroutine writes, and may wait
	fell   bool       // the room's reader has ended, and Next knows why; else a new one may end likewise, again and again
	behind bool       // the stream no longer follows: the goroutine that is stuck starts readOn afterwards
	over   bool       // no more messages are written
	closed bool       // nothing is written any more
	place  uint64     // seq of the last message that was taken for writing
	stop   func()     // ends following; nil: nothing was followed yet
	turn   int        // how many times it has followed: stop is that of the latest
}

var _ Follower = (*Stream)(nil)

// closeTimeout is how long a connection stays open at most once a stream has ended, for what is written
// last and its answer.
const closeTimeout = 2 * time.Second

// Serve writes the messages of the room after seq, while read reads what the user sends, until either ends,
// or ctx does. It returns when the connection is closed and nothing runs for it any more.
//
// read must return when the connection is closed. It may end the stream with a reason, and read on for the
// user's answer. life ends with the connection, and so outlives ctx, by closeTimeout at most: a user that
// reads nothing must not keep a server from stopping.
func (s *Stream) Serve(ctx context.Context, seq uint64, read func(life context.Context, end func(error))) {
	ctx, end := context.WithCancelCause(ctx)
	life, die := context.WithCancel(context.WithoutCancel(ctx))
	s.prepare(ctx, seq, end) // first, as ctx may have ended already
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(ended)
		late := time.AfterFunc(closeTimeout, func() {
			die()
			s.Conn.Close()
		})
		context.AfterFunc(life, func() { late.Stop() })
		if why := context.Cause(ctx); !errors.Is(why, ErrUnwritable) {
			_, _ = s.write(s.Last(why), true) // if this fails, the user still sees the connection close
		}
		if !s.Answered {
			s.Conn.Close()
		}
	})
	s.start()
	read(life, end)
	end(ErrUnwritable) // unless it has ended for another reason
	<-ended
	die()
	s.Conn.Close()
	s.close()
}

// prepare sets what is not exported. The log is read after seq, until ctx ends.
func (s *Stream) prepare(ctx context.Context, seq uint64, ended func(error)) {
	s.try, _ = CanTry(s.Conn)
	s.reading, s.place, s.ended = ctx, seq, ended
	s.freed.L = &s.mu
}

// start begins to write messages.
func (s *Stream) start() {
	if !s.follow() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.readOn()
	}
}

// follow makes the room's reader write from now on. It returns false if the reader is not at s.place.
func (s *Stream) follow() bool {
	if s.try == nil {
		return false
	}
	s.mu.Lock()
	s.turn++
	turn := s.turn
	s.mu.Unlock()
	stop, ok := Follow(s.Log, s.Room, s.place, s)
	if !ok {
		return false
	}
	s.mu.Lock()
	over := s.over
	if turn == s.turn { // else this one has ended, and the stream follows again
		s.stop = stop
	}
	s.mu.Unlock()
	if over {
		stop()
	}
	return true
}

// Deliver implements Follower.
func (s *Stream) Deliver(b *Bundle) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return false
	case s.stuck:
		s.behind = true
		return false
	}
	text := b.Spelled(s.Spelling)
	n, err := s.try.TryWrite(text)
	switch {
	case err != nil:
		s.end(unwritable(err))
		return false
	case n == len(text):
		s.place = b.Messages[len(b.Messages)-1].Seq
		return true
	}
	s.place = b.Messages[len(b.Messages)-1].Seq
	s.stuck, s.behind = true, true
	s.readers.Go(func() {
		_, err := s.wait(text[n:])
		s.unstick(err)
	})
	return false
}

// Fall implements Follower.
func (s *Stream) Fall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fell = true
	if s.stuck {
		s.behind = true
		return
	}
	s.readOn()
}

// unstick ends a write that has waited.
func (s *Stream) unstick(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = false
	s.freed.Broadcast()
	if err != nil {
		s.end(unwritable(err))
		return
	}
	if s.behind {
		s.behind = false
		s.readOn()
	}
}

// wait writes data within the write timeout. It must be called by the goroutine that is stuck.
func (s *Stream) wait(data []byte) (int, error) {
	_ = s.Conn.SetWriteDeadline(time.Now().Add(s.Limits.WriteTimeout))
	defer func() { _ = s.Conn.SetWriteDeadline(time.Time{}) }()
	return s.Conn.Write(data)
}

func unwritable(err error) error { return fmt.Errorf("%w: %w", ErrUnwritable, err) }

// end stops writing messages for a reason. It must be called with mu held.
func (s *Stream) end(why error) {
	if !s.over {
		s.over = true
		s.ended(why)
	}
}

// readOn starts to read the messages after place from the log. It must be called with mu held.
func (s *Stream) readOn() {
	if s.over {
		return
	}
	fell := s.fell
	s.fell = false
	s.readers.Go(func() {
		for ; fell || !s.follow(); fell = false {
			messages, err := s.Log.Next(s.reading, s.Room, s.place, s.Limits.Batch) // nobody else changes place now
			if err == nil {
				err = s.batch(messages)
			}
			if err != nil {
				s.mu.Lock()
				s.end(err)
				s.mu.Unlock()
				return
			}
		}
	})
}

// pieceBytes is how much of a batch is encoded at a time, give or take a message.
const pieceBytes = 16 << 10

// batch writes messages, and waits for the connection to take them. One deadline covers the whole
// batch, which stays in memory until it is written.
func (s *Stream) batch(messages []Message) error {
	if !s.stick() {
		return net.ErrClosed
	}
	var err error
	_ = s.Conn.SetWriteDeadline(time.Now().Add(s.Limits.WriteTimeout))
	var buf []byte
	for from := 0; from < len(messages) && err == nil; {
		to, size := from+1, len(messages[from].Body)
		for to < len(messages) && size+len(messages[to].Body) <= pieceBytes {
			size += len(messages[to].Body)
			to++
		}
		buf = s.Spelling.Append(buf[:0], messages[from:to])
		_, err = s.Conn.Write(buf)
		from = to
	}
	_ = s.Conn.SetWriteDeadline(time.Time{})
	s.mu.Lock()
	s.place = messages[len(messages)-1].Seq
	s.mu.Unlock()
	s.unstick(err)
	return err
}

// stick waits for its turn to write. It returns false if nothing is written any more.
func (s *Stream) stick() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.stuck && !s.closed {
		s.freed.Wait()
	}
	if s.closed {
		return false
	}
	s.stuck = true
	return true
}

// Write writes something else than a message, like an acknowledgement, between two batches. It waits
// until the connection has taken it. The error is net.ErrClosed once what is last was written.
func (s *Stream) Write(data []byte) (int, error) { return s.write(data, false) }

func (s *Stream) write(data []byte, last bool) (n int, err error) {
	s.mu.Lock()
	for s.stuck && !s.closed {
		s.freed.Wait()
	}
	if s.closed {
		s.mu.Unlock()
		return 0, net.ErrClosed
	}
	if last {
		s.over, s.closed = true, true
	}
	if s.try != nil {
		n, err = s.try.TryWrite(data)
	}
	if err != nil || n == len(data) {
		s.mu.Unlock()
		return n, err
	}
	s.stuck = true
	s.mu.Unlock()
	more, err := s.wait(data[n:])
	s.unstick(err)
	return n + more, err
}

// close stops writing, and waits until nothing of the stream runs any more. The context of prepare must
// have ended, and the connection must be closed.
func (s *Stream) close() {
	s.mu.Lock()
	s.over, s.closed = true, true
	stop := s.stop
	s.freed.Broadcast()
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.readers.Wait()
}
