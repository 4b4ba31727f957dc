package sse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"unicode/utf8"

	"pushpull/transports"
)

// Join opens the stream and waits for the head of the response. A gap is not an error of Join: it is the
// first that Messages yields, as on all transports.
func (t Transport) Join(ctx context.Context, target transports.Target, room string, from transports.Cursor) (transports.Session, error) {
	living, end := context.WithCancelCause(context.WithoutCancel(ctx)) // the stream outlives ctx
	joined := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	defer joined()
	u := target.RoomURL(room, Name)
	if from != "" {
		u.RawQuery = "after=" + string(from)
	}
	resp, err := target.HTTP.RoundTrip(transports.NewRequest(living, http.MethodGet, u, http.Header{"Accept": {mediaType}}, nil))
	if err != nil {
		end(err)
		return nil, fmt.Errorf("opening an event stream: %w", err)
	}
	err = CheckAnswer(resp)
	if !joined() {
		err = context.Cause(ctx)
	}
	s := &session{
		Sender: transports.Sender{Target: target, Room: room}, cursor: from,
		end: end, why: func() error { return context.Cause(living) },
	}
	s.body = resp.Body
	switch gap, ok := errors.AsType[*transports.GapError](err); {
	case ok:
		s.broken = s.miss(gap)
		s.body.Close()
	case err != nil:
		s.quit(err)
		return nil, fmt.Errorf("opening an event stream: %w", err)
	default:
		if from == "" {
			s.cursor = transports.Cursor(resp.Header.Get(transports.NextCursor)) // the start of this log
		}
		s.events = NewReader(s.silence.Listen(resp.Body))
		s.silence.Expect(resp.Header, end)
	}
	return s, nil
}

// CheckAnswer returns an error unless resp is an event stream: that of transports.AnswerError, or what the content is instead.
func CheckAnswer(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return transports.AnswerError(resp)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == mediaType {
		return nil
	}
	return &transports.StatusError{
		Code: resp.StatusCode, Status: resp.Status,
		Advice: fmt.Sprintf("with the Content-Type %.60q instead of %s: does something on the way, or another server, answer in its place?",
			resp.Header.Get("Content-Type"), mediaType),
	}
}

// A session is one user's stream. Messages are sent by POST.
type session struct {
	transports.Sender

	body   io.Closer
	events *Reader           // nil: there was no stream
	cursor transports.Cursor // the place of Join or of a gap; events have a newer one
	broken error             // why the stream can't be read any further; nil: it can

	end context.CancelCauseFunc // ends the request and with it all reads
	why func() error            // the cause of the first end; nil: it has not ended

	silence transports.Silence // of the server
}

var _ transports.OnceSender = (*session)(nil)

var errClosed = errors.New("the event stream is closed")

// Messages reads events until ctx or the stream ends, or the server is silent for longer than it may.
func (s *session) Messages(ctx context.Context) iter.Seq2[transports.Message, error] {
	return func(yield func(transports.Message, error) bool) {
		stop := context.AfterFunc(ctx, func() { s.end(errClosed) })
		defer stop()
		for {
			m, err := s.next()
			if err == nil {
				if !yield(m, nil) {
					return
				}
				continue
			}
			s.quit(err)
			s.broken = s.why() // err, or what ended the read
			if s.broken != errClosed && ctx.Err() == nil {
				yield(transports.Message{}, fmt.Errorf("reading an event stream: %w", s.broken))
			}
			return
		}
	}
}

// next reads one message.
func (s *session) next() (transports.Message, error) {
	for {
		if s.broken != nil {
			return transports.Message{}, s.broken
		}
		e, err := s.events.Next()
		switch {
		case err == io.EOF:
			return transports.Message{}, &endedError{}
		case err != nil:
			return transports.Message{}, err
		case e.Type == "":
			return parse(e.Data)
		case e.Type == kindGap:
			var said gapData
			if err := json.Unmarshal(e.Data, &said); err != nil || said.Oldest == 0 {
				return transports.Message{}, fmt.Errorf(`the event gap has the data %.100q, want {"oldest":9}`, e.Data)
			}
			return transports.Message{}, s.miss(&transports.GapError{Oldest: said.Oldest})
		case e.Type == kindError:
			var said failure
			if err := json.Unmarshal(e.Data, &said); err != nil || said.Error == "" {
				said.Error = fmt.Sprintf("%.200q", e.Data)
			}
			return transports.Message{}, &endedError{said.Error}
		} // events of other types are for readers that know them
	}
}

// parse returns the message of an event.
func parse(data []byte) (transports.Message, error) {
	if m, rest, ok := transports.ParseMessage(data); ok && len(rest) == 0 && m.Seq > 0 {
		return m, nil
	}
	var said struct {
		Seq  uint64 `json:"seq"`
		Body string `json:"body"`
	}
	if !utf8.Valid(data) { // json would replace it by U+FFFD
		return transports.Message{}, fmt.Errorf("got an event that is not UTF-8: %.100q", data)
	}
	if err := json.Unmarshal(data, &said); err != nil || said.Seq == 0 {
		return transports.Message{}, fmt.Errorf("%.100q is no message: is it the event stream of another server?", data)
	}
	return transports.Message{Seq: said.Seq, Body: []byte(said.Body)}, nil
}

// miss goes on to the place after a gap.
func (s *session) miss(gap *transports.GapError) error {
	s.cursor = gap.Cursor()
	if s.events != nil {
		s.events.lastID = nil
	}
	return gap
}

// Cursor implements transports.Receiver. The id of an event is the cursor after it.
func (s *session) Cursor() transports.Cursor {
	if s.events != nil && len(s.events.lastID) > 0 {
		return transports.Cursor(s.events.lastID)
	}
	return s.cursor
}

// Close implements transports.Session.
func (s *session) Close() error {
	s.quit(errClosed)
	return s.Sender.Close()
}

// quit ends all reads, and gives the connection of the stream up.
func (s *session) quit(why error) {
	s.end(why)
	s.silence.Stop()
	s.body.Close()
}

// An endedError means that the server has ended the stream in order.
type endedError struct {
	text string // why; empty: it didn't say
}

func (e *endedError) Error() string {
	if e.text == "" {
		return "the server ended the event stream"
	}
	return "the server ended the event stream: " + e.text
}

// Is makes it match transports.ErrStopping: joining again may help.
func (e *endedError) Is(target error) bool { return target == transports.ErrStopping }
