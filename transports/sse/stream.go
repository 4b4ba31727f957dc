package sse

import (
	"bytes"
	"fmt"
	"io"
)

const (
	readBuffer = 512      // bytes, while events are small
	maxEvent   = 16 << 20 // bytes of a line, or of the data of an event; more is taken for a broken stream
)

// An Event is one event of a stream.
type Event struct {
	Type string // "" for a message, the default
	Data []byte // may be a part of the reader's buffer, valid until the next event is read
}

// A Reader reads the events of a stream, as the HTML standard defines it in sections 9.2.5 and 9.2.6.
// It doesn't decode UTF-8. It reads in place from one small buffer, which grows as an event comes.
type Reader struct {
	r          io.Reader
	buf        []byte
	start, end int // buf[start:end] has been read but not consumed, and begins with a line
	seen       int // the beginning of that line, without the end of one
	first      bool
	cr         bool // the last line ended with CR, whose LF may follow

	// The fields of the event so far.
	kind    string
	id      []byte // holds on in later events
	some    bool   // there is data
	at, to  int    // buf[at:to] is the data of one line
	data    []byte // of several lines, joined
	several bool

	lastID []byte // of the last event that has ended
	failed error  // of reading
}

// NewReader returns a reader of the stream r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: r, buf: make([]byte, readBuffer), first: true}
}

// Next reads an event that has data. The error is io.EOF if the stream ends; an event that has not ended by
// then is dropped, as the standard demands.
func (e *Reader) Next() (Event, error) {
	for {
		line, ok := e.line()
		if !ok {
			if err := e.fill(); err != nil {
				return Event{}, err
			}
			continue
		}
		if e.first {
			line, e.first = bytes.TrimPrefix(line, []byte("\ufeff")), false
		}
		if len(line) > 0 {
			if err := e.field(line); err != nil {
				return Event{}, err
			}
			continue
		}
		if got, ok := e.dispatch(); ok {
			return got, nil
		}
	}
}

// LastID returns the last event id of the stream so far, valid until Next is called.
func (e *Reader) LastID() []byte { return e.lastID }

// line consumes a line, without its end; ok is false if its end has not been read. A line ends with its CR,
// whether a LF follows or not: waiting for that would hold back the last event of a burst.
func (e *Reader) line() (line []byte, ok bool) {
	if e.cr && e.start < e.end {
		e.cr = false
		if e.buf[e.start] == '\n' {
			e.start++
		}
	}
	rest := e.buf[e.start+e.seen : e.end]
	n := bytes.IndexByte(rest, '\n')
	if n < 0 {
		n = len(rest)
	}
	if cr := bytes.IndexByte(rest[:n], '\r'); cr >= 0 {
		n, e.cr = cr, true
	}
	if n == len(rest) {
		e.seen += n
		return nil, false
	}
	line = e.buf[e.start : e.start+e.seen+n]
	e.start += len(line) + 1
	e.seen = 0
	return line, true
}

// field takes a line that isn't empty. retry is ignored: simulated users have a backoff of their own.
func (e *Reader) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) { // the name of a comment is empty
	case "data":
		return e.add(value)
	case "event":
		e.kind = string(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			e.id = append(e.id[:0], value...)
		}
	}
	return nil
}

// add adds a line to the data. A single line, as pushpull's server sends it, stays in the buffer.
func (e *Reader) add(value []byte) error {
	if !e.some {
		e.some = true
		e.to = e.start - 1 // before the end of the line
		e.at = e.to - len(value)
		return nil
	}
	if !e.several {
		e.several = true
		e.data = append(e.data[:0], e.buf[e.at:e.to]...)
		e.at, e.to = 0, 0
	}
	if len(e.data)+1+len(value) > maxEvent {
		return tooLong("an event")
	}
	e.data = append(append(e.data, '\n'), value...)
	return nil
}

// dispatch ends an event; ok is false if it had no data.
func (e *Reader) dispatch() (got Event, ok bool) {
	e.lastID = append(e.lastID[:0], e.id...)
	got, ok = Event{Type: e.kind, Data: e.buf[e.at:e.to]}, e.some
	if e.several {
		got.Data = e.data
	}
	if got.Type == "message" {
		got.Type = ""
	}
	if cap(e.data) > 8*readBuffer {
		e.data = nil // else one long event would cost its size from then on
	}
	e.kind, e.some, e.several, e.at, e.to = "", false, false, 0, 0
	return got, ok
}

// fill reads more of the stream. Of what has been read it keeps the data of the event and the line that has
// not ended, and nothing between them.
func (e *Reader) fill() error {
	held, rest := e.to-e.at, e.end-e.start
	switch {
	case e.failed != nil:
		return e.failed
	case held+rest == 0:
		e.start, e.end, e.at, e.to = 0, 0, 0, 0
		if len(e.buf) > 8*readBuffer {
			e.buf = make([]byte, readBuffer) // shrink again after a long event
		}
	case held+rest > maxEvent:
		return tooLong("a line")
	case e.end == len(e.buf):
		into := e.buf
		if held+rest > len(into)/2 {
			into = make([]byte, min(2*len(into), maxEvent+readBuffer))
		}
		copy(into, e.buf[e.at:e.to])
		copy(into[held:], e.buf[e.start:e.end])
		e.buf, e.at, e.to, e.start, e.end = into, 0, held, held, held+rest
	}
	n, err := e.r.Read(e.buf[e.end:])
	e.end += n
	e.failed = err // is returned once what came with it has been taken
	return nil
}

func tooLong(what string) error {
	return fmt.Errorf("%s has not ended after %d MiB: the server must end it, with an empty line after its data", what, maxEvent>>20)
}
