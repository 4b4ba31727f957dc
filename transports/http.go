package transports

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// The native spelling, shared by the server and the transports:
//
//	POST /rooms/{room}/messages            the text, or {"body":"the text"} as application/json
//	                                       -> 201 {"seq":7}
//	GET  /rooms/{room}/{transport}?after=7 -> 200 [{"seq":8,"body":"..."}] and Next-Cursor: 8
//	                                          and Retry-After: 0 when there is more than one answer holds
//	                                       -> 204 and Next-Cursor: 7 when there is nothing new
//	                                       -> 410 {"error":"...","oldest":9} when messages after 7 are gone
//	any error                              -> 4xx or 5xx {"error":"one line that says what to do"}

// NextCursor is the header of a poll's answer that says where to read on.
const NextCursor = "Next-Cursor"

// wireMessage is a Message as it stands in JSON.
type wireMessage struct {
	Seq  uint64 `json:"seq"`
	Body string `json:"body"`
}

// AppendJSON appends m to buf as {"seq":7,"body":"..."}.
func AppendJSON(buf []byte, m Message) []byte {
	buf = append(buf, `{"seq":`...)
	buf = strconv.AppendUint(buf, m.Seq, 10)
	buf = append(buf, `,"body":`...)
	buf = appendString(buf, m.Body)
	return append(buf, '}')
}

// ParseMessage reads a message as AppendJSON writes it from the beginning of data, in place: its
// Body is within data. It returns what follows. Where a body is escaped, or the spelling is
// another one, it says false, and encoding/json has to read the whole. A simulated user reads
// every message this way: it saves time and, above all, stack.
func ParseMessage(data []byte) (m Message, rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(data, []byte(`{"seq":`))
	digits := 0
	for digits < len(rest) && digits < 19 && '0' <= rest[digits] && rest[digits] <= '9' {
		m.Seq = 10*m.Seq + uint64(rest[digits]-'0')
		digits++
	}
	rest, found := bytes.CutPrefix(rest[digits:], []byte(`,"body":"`))
	if !ok || !found || digits == 0 {
		return Message{}, nil, false
	}
	for i, c := range rest {
		switch {
		case c == '"':
			m.Body = rest[:i]
			rest, ok = bytes.CutPrefix(rest[i+1:], []byte("}"))
			return m, rest, ok
		case c == '\\' || c < 0x20 || c >= 0x80:
			return Message{}, nil, false
		}
	}
	return Message{}, nil, false
}

// parseMessages appends the messages of a poll's answer, a JSON array, to into. Their bodies may
// be within data.
func parseMessages(into []Message, data []byte) ([]Message, error) {
	rest, ok := bytes.CutPrefix(data, []byte("["))
	plain := into
	for ok {
		var m Message
		if m, rest, ok = ParseMessage(rest); ok {
			plain = append(plain, m)
			if string(rest) == "]" {
				return plain, nil
			}
			rest, ok = bytes.CutPrefix(rest, []byte(","))
		}
	}
	var spelled []wireMessage
	if err := json.Unmarshal(data, &spelled); err != nil {
		return into, err
	}
	for _, m := range spelled {
		into = append(into, Message{Seq: m.Seq, Body: []byte(m.Body)})
	}
	return into, nil
}

// appendString appends s as a JSON string. Printable ASCII, which is most of what is sent, is
// copied; the rest is left to encoding/json.
func appendString(buf, s []byte) []byte {
	for _, c := range s {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(string(s)) // a string always marshals
			return append(buf, quoted...)
		}
	}
	buf = append(buf, '"')
	buf = append(buf, s...)
	return append(buf, '"')
}

// Error answers with status and one line of JSON that says what to do.
func Error(w http.ResponseWriter, status int, format string, args ...any) {
	writeError(w, status, struct {
		Error string `json:"error"`
	}{fmt.Sprintf(format, args...)})
}

// StoreError answers a request that the store could not serve: 410 for a gap, else 503.
func StoreError(w http.ResponseWriter, err error) {
	if gap, ok := errors.AsType[*GapError](err); ok {
		writeError(w, http.StatusGone, struct {
			Error  string `json:"error"`
			Oldest uint64 `json:"oldest"`
		}{gap.Error(), gap.Oldest})
		return
	}
	Error(w, http.StatusServiceUnavailable, "the store can't be reached, try again later: %v", err)
}

func writeError(w http.ResponseWriter, status int, v any) {
	line, _ := json.Marshal(v) // strings and numbers always marshal
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(line, '\n'))
}

// Answer writes a poll's answer: the messages and the place to read on from.
func Answer(w http.ResponseWriter, after uint64, messages []Message) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if len(messages) == 0 {
		h.Set(NextCursor, strconv.FormatUint(after, 10))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.Set(NextCursor, strconv.FormatUint(messages[len(messages)-1].Seq, 10))
	h.Set("Content-Type", "application/json")
	size := 2
	for _, m := range messages {
		size += len(m.Body) + 40
	}
	buf := append(make([]byte, 0, size), '[')
	for i, m := range messages {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = AppendJSON(buf, m)
	}
	buf = append(buf, ']')
	h.Set("Content-Length", strconv.Itoa(len(buf)))
	w.Write(buf)
}

// Publisher serves POST /rooms/{room}/messages.
func Publisher(log Log, limits Limits) http.Handler {
	limits = limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readText(w, r, limits.MessageBytes)
		if err != nil {
			status := http.StatusBadRequest
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				status = http.StatusRequestEntityTooLarge
			}
			Error(w, status, "%v", err)
			return
		}
		// A message that arrived whole is stored, also when the server is stopping or the
		// sender has gone.
		seq, err := log.Append(context.WithoutCancel(r.Context()), r.PathValue("room"), body)
		if err != nil {
			StoreError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "{\"seq\":%d}\n", seq)
	})
}

// readText reads the text of a POST: the body itself, or the member "body" of a JSON object.
func readText(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	bound := int64(limit)
	if kind == "application/json" {
		bound = 6*bound + 64 // \u00XX is the longest spelling of a byte
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bound))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, fmt.Errorf("the message did not arrive whole, send it again: %w", err)
	}
	if kind == "application/json" {
		return ParseText(data, limit)
	}
	return data, CheckText(data, limit)
}

// AppendText appends body as {"body":"..."}, which ParseText reads.
func AppendText(buf, body []byte) []byte {
	buf = append(buf, `{"body":`...)
	buf = appendString(buf, body)
	return append(buf, '}')
}

// ErrText says that what was sent can't be read as the text of a message.
var ErrText = errors.New("unreadable message")

// ParseText reads {"body":"..."}, which is how a message is sent as JSON. Its errors are ErrText,
// or *http.MaxBytesError for more than limit bytes.
func ParseText(data []byte, limit int) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, notUTF8() // json would put U+FFFD in its place
	}
	var sent struct {
		Body *string `json:"body"`
	}
	if err := json.Unmarshal(data, &sent); err != nil || sent.Body == nil {
		return nil, fmt.Errorf(`%w: bad JSON, send {"body":"the text"}`, ErrText)
	}
	return []byte(*sent.Body), CheckText([]byte(*sent.Body), limit)
}

// CheckText says whether data can be a message. Too large is an *http.MaxBytesError.
func CheckText(data []byte, limit int) error {
	if len(data) > limit {
		return tooLarge(limit)
	}
	if !utf8.Valid(data) {
		return notUTF8()
	}
	return nil
}

func notUTF8() error { return fmt.Errorf("%w: not UTF-8, encode it", ErrText) }

func tooLarge(limit int) error {
	return fmt.Errorf("the message is larger than %d bytes: send less, or raise --max-message: %w",
		limit, &http.MaxBytesError{Limit: int64(limit)})
}

// Publish sends body to room over HTTP and returns once the server has stored it.
func Publish(ctx context.Context, t Target, room string, body []byte) error {
	u := t.RoomURL(room, "messages")
	req := (&http.Request{
		Method: http.MethodPost, URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}).WithContext(ctx)
	resp, err := t.Wire.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("sending a message: %w", AnswerError(resp))
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	return nil
}

// Place reads the place that a GET asks to read on from: after, or the start of the log. It has
// answered with 400 when that is no place.
func Place(w http.ResponseWriter, r *http.Request) (after uint64, ok bool) {
	after, err := Cursor(r.URL.Query().Get("after")).Seq()
	if err != nil {
		Error(w, http.StatusBadRequest, "%v", err)
	}
	return after, err == nil
}

// Asked reads a time that a GET asks for by name, like ?hold=30s: usual where it asks for none. It
// has answered with 400 when that is no time, or less than none.
func Asked(w http.ResponseWriter, r *http.Request, name string, usual time.Duration) (d time.Duration, ok bool) {
	asked := r.URL.Query().Get(name)
	if asked == "" {
		return usual, true
	}
	d, err := time.ParseDuration(asked)
	if err != nil || d < 0 {
		Error(w, http.StatusBadRequest, "bad %s %.40q: ask for a time like %v", name, asked, usual)
		return 0, false
	}
	return d, true
}

// AnswerHeld answers a poll that was held: with the messages that follow after, with nothing when
// its time has passed, or with the error of the store. When the server is stopping that is all that
// an error says: the user is told nothing, politely, and to ask elsewhere.
func AnswerHeld(w http.ResponseWriter, r *http.Request, after uint64, messages []Message, err error) {
	switch ended := r.Context().Err() != nil; {
	case ended:
		w.Header().Set("Connection", "close") // the server is stopping
	case err != nil:
		StoreError(w, err)
		return
	}
	Answer(w, after, messages)
}
