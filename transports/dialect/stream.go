package dialect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"sync/atomic"

	"pushpull/transports"
	"pushpull/transports/sse"
)

// A stream is the carrier of users that read an endless answer: an event stream, or one of lines. They send by
// requests of their own.
type stream struct {
	talk

	life    context.CancelCauseFunc // ends the request of the stream, and with it all reads
	why     func() error            // the cause of the first end; nil: it has not ended
	body    atomic.Pointer[io.ReadCloser]
	events  *sse.Reader    // nil: of lines
	lines   *bufio.Scanner // nil: of events
	event   sse.Event      // the last one that was read, or a line
	silence transports.Silence
}

var _ session = (*stream)(nil)

// join makes the handshakes, opens the stream and reads it until the user is ready.
func (s *stream) join(ctx context.Context) error {
	living, end := context.WithCancelCause(context.WithoutCancel(ctx)) // the stream outlives ctx
	s.life, s.why = end, func() error { return context.Cause(living) }
	joined := context.AfterFunc(ctx, func() { s.quit(context.Cause(ctx)) })
	defer joined()
	err := s.open(ctx, living)
	for err == nil && !s.ready && !s.gap {
		if err = s.take(s.read()); err == nil {
			s.keep()
			err = s.reply(ctx, &s.heard)
		}
	}
	if err == nil && !joined() {
		err = context.Cause(ctx)
	}
	return err
}

// open makes requests until the stream is open, which lives as long as living.
func (s *stream) open(ctx, living context.Context) error {
	if err := s.greet(ctx); err != nil {
		return err
	}
	for range mostSteps {
		r, err := s.ask()
		if err != nil {
			return err
		}
		if !r.Before {
			return s.opened(ctx, living, r)
		}
		if err := s.handshake(ctx, r); err != nil {
			return err
		}
	}
	return errNotReady
}

// opened opens the stream.
func (s *stream) opened(ctx, living context.Context, r Request) error {
	asked := transports.For(living, transports.Purpose{Request: transports.Handshake, Once: s.way.Once, Stream: true})
	if !s.way.Lines {
		header := http.Header{"Accept": {"text/event-stream"}}
		maps.Copy(header, r.Header)
		r.Header = header
	}
	resp, err := s.exchange(transports.Within(asked, transports.AnswerTime, "open a stream"), r)
	if err != nil {
		return err
	}
	body := resp.Body // a pointer into resp would keep the headers too
	s.body.Store(&body)
	if s.why() != nil { // quit may have come before the body was known
		resp.Body.Close()
		return s.why()
	}
	if resp.StatusCode != http.StatusOK {
		body, err := answer(resp)
		if err != nil {
			return err
		}
		if err := s.hear(Unit{Kind: Opened, Status: resp.StatusCode, Header: resp.Header, Body: body}, &s.heard); err != nil {
			return err
		}
		if s.gap {
			return nil
		}
		return fmt.Errorf("the stream is not open: the server answered %s", resp.Status)
	}
	from := s.silence.Listen(resp.Body)
	if s.way.Lines {
		s.lines = bufio.NewScanner(from)
		s.lines.Buffer(make([]byte, 0, lineBuffer), mostLine)
	} else if err := sse.CheckAnswer(resp); err != nil {
		return err
	} else {
		s.events = sse.NewReader(from)
	}
	if beat := s.way.Way.Heartbeat; beat > 0 {
		s.silence.ExpectEvery(beat, s.quit)
	}
	if err := s.hear(Unit{Kind: Opened, Status: resp.StatusCode, Header: resp.Header}, &s.heard); err != nil {
		return err
	}
	s.ready = s.ready || !s.way.Greets
	s.keep()
	return s.reply(ctx, &s.heard)
}

// read reads one event or line. A user waits here most of the time, in a small frame of the stack: a kilobyte more
// of it would make the stack twice as large.
func (s *stream) read() error {
	if s.lines == nil {
		var err error
		s.event, err = s.events.Next()
		return err
	}
	if s.lines.Scan() {
		s.event.Data = s.lines.Bytes()
		return nil
	}
	switch err := s.lines.Err(); {
	case err == nil:
		return io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("a line has not ended after %d MiB", mostLine>>20)
	default:
		return err
	}
}

// take hears what was read with err.
func (s *stream) take(err error) error {
	s.heard.Reset()
	switch {
	case err == io.EOF:
		if err := s.hear(Unit{Kind: Closed}, &s.heard); err != nil {
			return err
		}
		if s.gap {
			return nil
		}
		return errEnded
	case err != nil:
		return err
	}
	u := Unit{Kind: Event, Body: s.event.Data, Event: s.event.Type}
	if s.events != nil {
		u.ID = string(s.events.LastID())
	}
	return s.hear(u, &s.heard)
}

// errEnded means that the server has ended a stream in order: joining again may help.
var errEnded = fmt.Errorf("the server ended the stream (%w)", transports.ErrStopping)

// Messages reads events until ctx or the stream ends, or the server is silent for longer than it may.
func (s *stream) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		stop := context.AfterFunc(ctx, func() { s.quit(errClosed) })
		defer stop()
		if !s.yieldQueue(yield) {
			return
		}
		for {
			err := s.missed()
			if err == nil {
				err = s.take(s.read())
				if !s.yield(yield) {
					return
				}
			}
			if err == nil && len(s.heard.Replies) > 0 {
				err = s.respond(ctx)
			}
			if !s.yieldQueue(yield) {
				return
			}
			if err == nil {
				continue
			}
			s.quit(err)
			if err = s.end(s.why()); err != errClosed && ctx.Err() == nil {
				yield(transports.Message{}, fmt.Errorf("reading the stream: %w", err))
			}
			return
		}
	}
}

// respond sends the replies to what was heard.
func (s *stream) respond(ctx context.Context) error {
	ctx, cancel := s.Reading(ctx)
	defer cancel(nil)
	return s.reply(transports.Within(ctx, transports.AnswerTime, "answer a reply"), &s.heard)
}

// quit ends all reads, and gives the connection of the stream up.
func (s *stream) quit(why error) {
	if s.life == nil {
		return // not joined
	}
	s.life(why)
	s.silence.Stop()
	if body := s.body.Load(); body != nil {
		(*body).Close()
	}
}

// cut implements session.
func (s *stream) cut(why error) {
	_ = s.end(why)
	s.quit(why)
	_ = s.Life.Close()
}

// Close implements transports.Session.
func (s *stream) Close() error {
	s.cut(errClosed)
	return nil
}
