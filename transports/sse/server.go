package sse

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"pushpull/transports"
)

// Handler streams the messages after the cursor as they come. What is wrong from the start has a status
// of its own: 400 for a bad cursor, 410 for a gap, 503 if the store can't be reached. To know, it reads the
// store once for each stream that begins.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := place(w, r)
		if !ok {
			return
		}
		room := r.PathValue("room")
		messages, err := log.After(r.Context(), room, after, limits.Batch)
		switch {
		case r.Context().Err() != nil:
			transports.Error(w, http.StatusServiceUnavailable, "%v", transports.ErrStopping)
			return
		case err != nil:
			transports.StoreError(w, err)
			return
		}
		setHead(w.Header())
		if r.Method == http.MethodHead {
			return
		}
		s := stream{w: w, control: http.NewResponseController(w), timeout: limits.WriteTimeout}
		// What net/http writes after the handler must not meet the deadline of the last batch.
		defer func() { _ = s.control.SetWriteDeadline(time.Time{}) }()
		if s.begin(messages) != nil {
			return
		}
		if n := len(messages); n > 0 {
			after = messages[n-1].Seq
		}
		s.follow(r.Context(), log, room, after, limits.Batch)
	})
}

// place returns the place to read on from. A browser that reconnects repeats the URL, whose parameter after
// is then that of its first connection, so Last-Event-ID comes first.
func place(w http.ResponseWriter, r *http.Request) (after uint64, ok bool) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		return transports.Place(w, r)
	}
	after, err := transports.Cursor(id).Seq()
	if err != nil {
		transports.Error(w, http.StatusBadRequest, "bad Last-Event-ID %.40q: it must be the id of the last event read", id)
	}
	return after, err == nil
}

// setHead sets the headers of a stream. X-Accel-Buffering keeps nginx from holding events back.
func setHead(h http.Header) {
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
}

// A stream is the response to one user. Between two writes it holds no buffer.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // for the user to read a batch
	silent  time.Time     // since when nothing has been written
}

// follow writes the messages after seq after, and heartbeats, until ctx ends, the log can't be read or writing
// fails.
func (s *stream) follow(ctx context.Context, log transports.Log, room string, after uint64, batch int) {
	for {
		var err error
		if after, err = s.pass(ctx, log, room, after, batch); err != nil {
			return
		}
		if time.Since(s.silent) >= transports.Heartbeat && s.write([]byte(heartbeat), nil) != nil {
			return
		}
	}
}

// pass is follow until a heartbeat may be due, and returns the place then. A context that ends at that time
// takes the place of a timer that every message would reset.
func (s *stream) pass(ctx context.Context, log transports.Log, room string, after uint64, batch int) (uint64, error) {
	quiet, cancel := context.WithDeadline(ctx, s.silent.Add(transports.Heartbeat))
	defer cancel()
	for {
		messages, err := log.Next(quiet, room, after, batch)
		switch {
		case err == nil:
			if err := s.write(nil, messages); err != nil {
				return after, err // the user is gone, or reads nothing
			}
			after = messages[len(messages)-1].Seq
		case ctx.Err() != nil || errors.Is(err, transports.ErrStopping):
			return after, err // the response ends in order: the user may read on elsewhere
		case quiet.Err() != nil:
			return after, nil
		default:
			_ = s.write(appendEnd(nil, err), nil) // the stream ends in any case
			return after, err
		}
	}
}

// begin writes the beginning of the stream, with the messages that are there already. It then takes the
// stream for silent for up to a heartbeat already, so that users that join together don't get their
// heartbeats together.
func (s *stream) begin(messages []transports.Message) error {
	err := s.write([]byte(beginning), messages)
	s.silent = s.silent.Add(-rand.N(transports.Heartbeat))
	return err
}

// pieceSize is how much of a large batch is encoded at once, as all of it stays in memory until the user has
// read it. A message that is larger is a piece of its own.
const pieceSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// write writes text and a batch of messages, and flushes once. The user must read all of it within the
// timeout.
func (s *stream) write(text []byte, messages []transports.Message) error {
	pooled := buffers.Get().(*[]byte)
	buf := append((*pooled)[:0], text...)
	defer func() {
		if cap(buf) <= 2*pieceSize { // else one large message would cost its size from then on
			*pooled = buf
			buffers.Put(pooled)
		}
	}()
	s.silent = time.Now()
	_ = s.control.SetWriteDeadline(s.silent.Add(s.timeout)) // a recorder has none
	for _, m := range messages {
		if buf = appendEvent(buf, m); len(buf) < pieceSize {
			continue
		}
		if _, err := s.w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	if _, err := s.w.Write(buf); err != nil {
		return err
	}
	return s.control.Flush()
}

// beginning is the first thing on a stream.
const beginning = "retry: " + retry + "\n\n"

// heartbeat is a comment, which readers ignore.
const heartbeat = ":\n\n"

// appendEvent appends the event of a message.
func appendEvent(buf []byte, m transports.Message) []byte {
	buf = append(buf, "id: "...)
	buf = strconv.AppendUint(buf, m.Seq, 10)
	buf = append(buf, "\ndata: "...)
	buf = transports.AppendJSON(buf, m)
	return append(buf, "\n\n"...)
}

// appendEnd appends the last event of a stream: why the log can't be read any further.
func appendEnd(buf []byte, err error) []byte {
	kind, data := kindError, any(failure{transports.StoreText(err)})
	if gap, ok := errors.AsType[*transports.GapError](err); ok {
		kind, data = kindGap, gapData{gap.Oldest}
	}
	line, _ := json.Marshal(data) // strings and numbers always marshal, into one line
	buf = append(buf, "event: "...)
	buf = append(buf, kind...)
	buf = append(buf, "\ndata: "...)
	buf = append(buf, line...)
	return append(buf, "\n\n"...)
}
