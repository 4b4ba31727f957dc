package sse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"pushpull/transports"
)

// Handler streams the messages after the cursor as they come. What is wrong from the start has a status
// of its own: 400 for a bad cursor, 410 for a gap, 503 if the store can't be reached, 505 for a client that
// knows no chunks. To know, it reads the store once for each stream that begins.
func (t Transport) Handler(log transports.Log) http.Handler {
	limits := t.Limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := place(w, r, log)
		if !ok {
			return
		}
		room := strings.Clone(r.PathValue("room"))
		_, err := log.After(r.Context(), room, after, 1)
		switch {
		case r.Context().Err() != nil:
			transports.Error(w, http.StatusServiceUnavailable, "%v", transports.ErrStopping)
			return
		case err != nil:
			transports.StoreError(w, err)
			return
		case r.ProtoMajor == 1 && r.ProtoMinor == 0:
			transports.Error(w, http.StatusHTTPVersionNotSupported, "a stream of events needs HTTP/1.1, not %s", r.Proto)
			return
		}
		setHead(w.Header(), limits)
		framing := chunked
		if r.ProtoMajor > 1 {
			framing = bare
		} else {
			w.Header().Set("Transfer-Encoding", "chunked")
			w.Header().Set("Connection", "close")
		}
		if r.Method == http.MethodHead {
			return
		}
		w.WriteHeader(http.StatusOK)
		conn, err := framing.open(w, r)
		if err != nil {
			return // the client has gone, or the server can't stream
		}
		p := &peer{limits: limits, framing: framing}
		p.stream = transports.Stream{Log: log, Room: room, Conn: conn, Spelling: framing.events, Limits: limits, Last: framing.farewell}
		ctx := r.Context()
		transports.Detach(w, func() { p.stream.Serve(ctx, after, p.listen) })
	})
}

// place returns the place to read on from. A browser that reconnects repeats the URL, whose parameter after
// is then that of its first connection, so Last-Event-ID comes first.
func place(w http.ResponseWriter, r *http.Request, log transports.Log) (after uint64, ok bool) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		return transports.Place(w, r, log)
	}
	after, err := transports.Cursor(id).Seq()
	if err != nil {
		transports.Error(w, http.StatusBadRequest, "bad Last-Event-ID %.40q: it must be the id of the last event read", id)
	}
	return after, err == nil
}

// setHead sets the headers of a stream. X-Accel-Buffering keeps nginx from holding events back.
func setHead(h http.Header, limits transports.Limits) {
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	transports.PromiseHeartbeat(h, limits)
}

// A peer is the server's side of one user's stream. One goroutine waits for its end.
type peer struct {
	stream  transports.Stream
	limits  transports.Limits
	framing *framing
}

// listen writes the first lines, and heartbeats, until the user has gone. What it sends is dropped: it has no
// say on this connection any more.
func (p *peer) listen(_ context.Context, end func(error)) {
	_, err := p.stream.Write(p.framing.piece(nil, beginning))
	beat := transports.FirstBeat(time.Now(), p.limits.Heartbeat)
	_ = p.stream.Conn.SetReadDeadline(beat)
	var drop [64]byte
	for err == nil {
		if _, err = p.stream.Conn.Read(drop[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		_, err = p.stream.Write(p.framing.heartbeat)
		beat = transports.NextBeat(beat, time.Now(), p.limits.Heartbeat)
		_ = p.stream.Conn.SetReadDeadline(beat)
	}
	if !errors.Is(err, net.ErrClosed) {
		end(errGone)
	}
}

var errGone = errors.New("the user has left")

// beginning is the first thing on a stream.
const beginning = "retry: " + retry + "\n\n"

// comment is what a heartbeat is: readers ignore it.
const comment = ":\n\n"

// appendEvent appends the event of a message.
func appendEvent(buf []byte, m transports.Message) []byte {
	buf = append(buf, "id: "...)
	buf = strconv.AppendUint(buf, m.Seq, 10)
	buf = append(buf, "\ndata: "...)
	buf = transports.AppendJSON(buf, m)
	return append(buf, "\n\n"...)
}

// farewell returns the end of a stream: an event that says why the log can't be read any further, unless the
// server stops or the user has gone, and the last chunk.
func (f *framing) farewell(why error) []byte {
	var buf []byte
	if !errors.Is(why, transports.ErrStopping) && !errors.Is(why, errGone) && !errors.Is(why, context.Canceled) {
		buf = f.piece(buf, string(appendEnd(nil, why)))
	}
	return append(buf, f.end...)
}

// appendEnd appends the last event of a stream: why the log can't be read any further.
func appendEnd(buf []byte, err error) []byte {
	kind, data := kindError, any(failure{transports.StoreText(err)})
	if gap, ok := errors.AsType[*transports.GapError](err); ok {
		kind, data = kindGap, gapData{gap.Oldest}
	}
	var line bytes.Buffer
	_ = json.NewEncoder(&line).Encode(data) // strings and numbers always marshal, into one line
	buf = append(buf, "event: "...)
	buf = append(buf, kind...)
	buf = append(buf, "\ndata: "...)
	buf = append(buf, line.Bytes()...)
	return append(buf, '\n')
}
