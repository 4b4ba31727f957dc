package transports

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Error answers with status and one line of JSON. The formatted text must say what to do.
func Error(w http.ResponseWriter, status int, format string, args ...any) {
	writeError(w, status, struct {
		Error string `json:"error"`
	}{fmt.Sprintf(format, args...)})
}

// StoreError answers with an error of the store: 410 for a gap, 507 if the store is full, else 503, with
// the text of StoreText.
func StoreError(w http.ResponseWriter, err error) {
	if gap, ok := errors.AsType[*GapError](err); ok {
		writeError(w, http.StatusGone, struct {
			Error  string `json:"error"`
			Oldest uint64 `json:"oldest"`
		}{gap.Error(), gap.Oldest})
		return
	}
	status := http.StatusServiceUnavailable
	if errors.Is(err, ErrFull) {
		status = http.StatusInsufficientStorage
	}
	Error(w, status, "%s", StoreText(err))
}

// StoreText returns the text that users get for an error of the store other than a gap. It is fixed: the
// errors of stores name addresses, users and databases, which are for the operator's log.
func StoreText(err error) string {
	if errors.Is(err, ErrFull) {
		return ErrFull.Error() + ": try again later, or in another room"
	}
	return storeAway
}

const storeAway = "the store can't be reached, try again later"

// SaidError returns the error of a text by which a server refuses a message. It is ErrStoreAway if the text is that of
// StoreText.
func SaidError(text string) error {
	if text == storeAway {
		return ErrStoreAway
	}
	return errors.New(text)
}

// ErrStoreAway is the error of a message that a server could not store, as it did not reach its store in time. The store
// may have it.
var ErrStoreAway = errors.New(storeAway)

func writeError(w http.ResponseWriter, status int, v any) {
	line, _ := json.Marshal(v) // strings and numbers always marshal
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(line, '\n'))
}

// AnswerHeld answers a held poll with its messages, which are none if the hold time has passed, or
// with the error of the store. If the server is stopping, the error is ignored: the user gets an
// empty response and Connection: close, so that it reconnects elsewhere.
func AnswerHeld(w http.ResponseWriter, r *http.Request, after uint64, messages []Message, err error, limits Limits) {
	switch ended := r.Context().Err() != nil; {
	case ended:
		w.Header().Set("Connection", "close") // the server is stopping
	case err != nil:
		StoreError(w, err)
		return
	}
	Answer(w, after, messages, limits)
}

const (
	// smallAnswer is the size up to which net/http buffers what a handler writes. Such a response is
	// written at once, after its handler has returned.
	smallAnswer = 2 << 10

	// answerBuffer is what a larger response holds in memory beside the messages themselves.
	answerBuffer = 32 << 10

	// escapedAtOnce is how many bytes of a message are escaped at once. In JSON they may take six times
	// as many, which fit into half of an answerBuffer.
	escapedAtOnce = 2 << 10
)

// Answer writes the response to a poll: the first of the messages that one response may hold, and the
// cursor to read on from, which is after if there are none. If there may be more, Retry-After: 0 says so.
//
// A large response is written in pieces, as whatever it takes stays in memory until the client has read
// it, and the client must have read all of it within limits.WriteTimeout.
func Answer(w http.ResponseWriter, after uint64, messages []Message, limits Limits) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if len(messages) == 0 {
		h.Set(NextCursor, strconv.FormatUint(after, 10))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	limits = limits.WithDefaults()
	messages, size, full := fit(messages, limits.Batch)
	h.Set(NextCursor, strconv.FormatUint(messages[len(messages)-1].Seq, 10))
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(size))
	if full {
		h.Set("Retry-After", "0") // on its timer alone a user would never catch up with a busy room
	}
	if size <= smallAnswer {
		buf := append(make([]byte, 0, size), '[')
		for i, m := range messages {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = AppendJSON(buf, m)
		}
		w.Write(append(buf, ']'))
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limits.WriteTimeout)) // a recorder has none
	writePieces(w, messages)
}

// fit returns the first of the messages that a response of at most limit messages may hold, the size of
// their JSON, and whether more may follow. The response ends with the message with which it reaches
// BatchBytes.
func fit(messages []Message, limit int) (fits []Message, size int, full bool) {
	var digits [20]byte
	size, bodies := len("[]"), 0
	for i, m := range messages {
		if i > 0 {
			size += len(",")
		}
		bodies += len(m.Body)
		size += len(`{"seq":,"body":""}`) + len(strconv.AppendUint(digits[:0], m.Seq, 10)) + escapedLen(m.Body)
		if i+1 == limit || size >= BatchBytes || bodies >= BatchBytes {
			return messages[:i+1], size, true
		}
	}
	return messages, size, false
}

var answerBuffers = sync.Pool{New: func() any { return new([answerBuffer]byte) }}

// writePieces writes messages as a JSON array, or its beginning if the client is gone.
func writePieces(w http.ResponseWriter, messages []Message) {
	buffer := answerBuffers.Get().(*[answerBuffer]byte)
	defer answerBuffers.Put(buffer)
	buf := append(buffer[:0], '[')
	written := func() bool {
		if len(buf) < answerBuffer/2 {
			return true
		}
		_, err := w.Write(buf)
		buf = buffer[:0]
		return err == nil
	}
	for i, m := range messages {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"seq":`...)
		buf = strconv.AppendUint(buf, m.Seq, 10)
		buf = append(buf, `,"body":"`...)
		for rest := m.Body; len(rest) > 0; {
			piece := characters(rest, escapedAtOnce)
			buf, rest = appendEscaped(buf, piece), rest[len(piece):]
			if !written() {
				return
			}
		}
		if buf = append(buf, `"}`...); !written() { // many messages may be empty
			return
		}
	}
	w.Write(append(buf, ']'))
}

// characters returns the beginning of s, of at most limit bytes, that doesn't end within a character.
func characters(s []byte, limit int) []byte {
	if len(s) <= limit {
		return s
	}
	for end := limit; end > limit-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end]
		}
	}
	return s[:limit] // not UTF-8
}
