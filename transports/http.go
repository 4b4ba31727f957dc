package transports

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The native HTTP API, shared by the server and the transports:
//
//	POST /rooms/{room}/messages            the text, or {"body":"the text"} as application/json
//	                                       -> 201 {"seq":7}
//	     Idempotency-Key: "4.7"            known again: a message sent twice is stored once, see Key
//	GET  /rooms/{room}/{transport}?after=7 -> 200 [{"seq":8,"body":"..."}] and Next-Cursor: 8
//	                                          and Retry-After: 0 when there is more than fits into one response
//	                                       -> 204 and Next-Cursor: 7 when there is nothing new
//	                                       -> 410 {"error":"...","oldest":9} when messages after 7 are gone
//	any error                              -> 4xx or 5xx {"error":"one line that says what to do"}
//
// A response ends with the message with which it reaches BatchBytes.

// NextCursor is the header with the cursor to read on from, in the response to a poll.
const NextCursor = "Next-Cursor"

// jsonMessage is the JSON of a Message.
type jsonMessage struct {
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

// ParseMessage parses a message at the beginning of data, in the format of AppendJSON, and returns
// the rest of data. It parses in place: Body is a part of data. ok is false if the body is escaped or
// the JSON is formatted in another way; then the caller must use encoding/json. Simulated users parse
// all messages with it, as it takes less time and, above all, less stack.
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

// parseMessages appends the messages in data, the JSON array of a response to a poll, to into. Their
// bodies may be parts of data.
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
	var spelled []jsonMessage
	if err := json.Unmarshal(data, &spelled); err != nil {
		return into, err
	}
	for _, m := range spelled {
		into = append(into, Message{Seq: m.Seq, Body: []byte(m.Body)})
	}
	return into, nil
}

// Publisher serves POST /rooms/{room}/messages.
func Publisher(log Log, limits Limits) http.Handler {
	limits = limits.WithDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, key, err := readText(w, r, limits.MessageBytes)
		if err != nil {
			status := http.StatusBadRequest
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				status = http.StatusRequestEntityTooLarge
			}
			Error(w, status, "%v", err)
			return
		}
		// A message that has arrived is stored even if the server is stopping or the sender has gone.
		seq, err := log.Append(context.WithoutCancel(r.Context()), r.PathValue("room"), body, key)
		if err != nil {
			StoreError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "{\"seq\":%d}\n", seq)
	})
}

// IdempotencyKey is the header with the key of a message, of draft-ietf-httpapi-idempotency-key-header: a string
// in quotes, which may be left out.
const IdempotencyKey = "Idempotency-Key"

// headerKey returns the key in the header of a POST; "" if there is none.
func headerKey(h http.Header) (Key, error) {
	values := h[IdempotencyKey]
	if len(values) == 0 {
		return "", nil
	}
	text := values[0]
	if n := len(text); n > 1 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	key := Key(text)
	if key == "" || len(values) > 1 {
		return "", fmt.Errorf("%w: send one %s with a key, or none", ErrText, IdempotencyKey)
	}
	return key, key.Validate()
}

// readText reads the text of a POST: its body, or the member "body" of a JSON object. Its key is in the header.
func readText(w http.ResponseWriter, r *http.Request, limit int) ([]byte, Key, error) {
	key, err := headerKey(r.Header)
	if err != nil {
		return nil, "", err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	bound := int64(limit)
	if kind == "application/json" {
		bound = 6*bound + 64 // \u00XX is the longest spelling of a byte
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bound))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, "", tooLarge(limit)
	}
	if err != nil {
		return nil, "", errors.New("the message did not arrive whole, send it again") // err names the server's addresses
	}
	if kind != "application/json" {
		return data, key, CheckText(data, limit)
	}
	text, within, err := ParseText(data, limit)
	return text, cmp.Or(key, within), err
}

// AppendText appends body as {"body":"..."}, or {"key":"4.7","body":"..."} if there is a key. ParseText reads it.
func AppendText(buf, body []byte, key Key) []byte {
	buf = append(buf, '{')
	if key != "" {
		buf = append(append(append(buf, keyPrefix[1:]...), key...), `",`...)
	}
	buf = append(buf, `"body":`...)
	buf = appendString(buf, body)
	return append(buf, '}')
}

// ErrText means that the data sent is not the text of a message.
var ErrText = errors.New("unreadable message")

// keyPrefix begins a message with a key, as AppendText writes it.
const keyPrefix = `{"key":"`

// ParseText parses {"body":"..."}, a message sent as JSON, which may have a key: {"key":"4.7","body":"..."}. Its
// errors are ErrText, or *http.MaxBytesError if the text has more than limit bytes. The text may be a part of data.
func ParseText(data []byte, limit int) ([]byte, Key, error) {
	if text, key, ok := plainText(data); ok {
		return checked(text, Key(key), limit)
	}
	if !utf8.Valid(data) {
		return nil, "", notUTF8() // json would replace it by U+FFFD
	}
	var sent struct {
		Body *string `json:"body"`
		Key  *string `json:"key"`
	}
	if err := json.Unmarshal(data, &sent); err != nil || sent.Body == nil || sent.Key != nil && *sent.Key == "" {
		return nil, "", fmt.Errorf(`%w: bad JSON, send {"body":"the text"}`, ErrText)
	}
	var key Key
	if sent.Key != nil {
		key = Key(*sent.Key)
	}
	return checked([]byte(*sent.Body), key, limit)
}

// checked returns a text and its key unless one of them is invalid.
func checked(text []byte, key Key, limit int) ([]byte, Key, error) {
	if err := CheckText(text, limit); err != nil {
		return nil, "", err
	}
	return text, key, key.Validate()
}

// plainText returns the text in data, and its key if it has one, if they are ASCII, as most are, and spelled as
// AppendText does, without escapes. encoding/json takes five times as long and, above all, more stack, which every
// connection that has sent a message would keep.
func plainText(data []byte) (text, key []byte, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"`))
	if after, keyed := bytes.CutPrefix(rest, []byte(keyPrefix[2:])); keyed {
		key, rest, ok = bytes.Cut(after, []byte(`","`))
		ok = ok && len(key) > 0 && plain(key)
	}
	text, body := bytes.CutPrefix(rest, []byte(`body":"`))
	text, end := bytes.CutSuffix(text, []byte(`"}`))
	return text, key, ok && body && end && plain(text)
}

// plain reports whether text is ASCII that JSON spells without escapes.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// CheckText returns an error if data can't be the text of a message: ErrText if it is not UTF-8,
// *http.MaxBytesError if it has more than limit bytes.
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

// Place returns the place in the query of a GET to read on from, the parameter after; the start of the log if there is
// none, or it is 0. The start is 0, or that of a Starter: then the header Next-Cursor says it, on streams too. If the
// place is invalid, Place answers with 400 and ok is false.
func Place(w http.ResponseWriter, r *http.Request, log Log) (after uint64, ok bool) {
	after, err := Cursor(param(r.URL, "after")).Seq()
	if err != nil {
		Error(w, http.StatusBadRequest, "%v", err)
	}
	if after == 0 && err == nil {
		if after = StartOf(log); after > 0 {
			w.Header().Set(NextCursor, strconv.FormatUint(after, 10))
		}
	}
	return after, err == nil
}

// Asked returns the named time in the query of a GET, like ?hold=30s; usual if there is none. If it
// is invalid or negative, Asked answers with 400 and ok is false.
func Asked(w http.ResponseWriter, r *http.Request, name string, usual time.Duration) (d time.Duration, ok bool) {
	asked := param(r.URL, name)
	if asked == "" {
		return usual, true
	}
	d, err := time.ParseDuration(asked)
	if err != nil || d < 0 {
		Error(w, http.StatusBadRequest, "bad %s %.40q: use a time like %v", name, asked, usual)
		return 0, false
	}
	return d, true
}

// Lists reports whether a header that is a list, like Connection, has a token in any case of its letters.
// values are the header's lines, as a proxy may split a list into several, or join them.
func Lists(values []string, token string) bool {
	for _, line := range values {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// param returns the first value of a parameter in the query of u; "" if there is none. Queries without
// escapes, which are those of most polls, are not parsed into a map.
func param(u *url.URL, name string) string {
	if strings.ContainsAny(u.RawQuery, "%+;") {
		return u.Query().Get(name)
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value
		}
	}
	return ""
}
