package transports_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pushpull/transports"
)

// spelled is the JSON of an answer, written by encoding/json.
func spelled(messages []transports.Message) string {
	type message struct {
		Seq  uint64 `json:"seq"`
		Body string `json:"body"`
	}
	all := []message{}
	for _, m := range messages {
		all = append(all, message{m.Seq, string(m.Body)})
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(data)
}

// many returns n messages with the same body, the last of which is at place last.
func many(n int, last uint64, body string) []transports.Message {
	messages, text := make([]transports.Message, n), []byte(body)
	for i := range messages {
		messages[i] = transports.Message{Seq: last - uint64(n-1-i), Body: text}
	}
	return messages
}

func TestAnswerIsBounded(t *testing.T) {
	const kib = 1 << 10
	for name, test := range map[string]struct {
		messages []transports.Message
		limit    int
		fit      int
		full     bool
	}{
		"one":                       {many(1, 1, "hello"), 0, 1, false},
		"as many as one may":        {many(3, 9, "hello"), 3, 3, true},
		"more than one may":         {many(4, 9, "hello"), 3, 3, true},
		"empty bodies":              {many(2000, 5000, ""), 3000, 2000, false},
		"just below the bound":      {many(16, 99, strings.Repeat("x", 64*kib-27)), 0, 16, false},
		"just at the bound":         {many(17, 99, strings.Repeat("x", 64*kib-20)), 0, 16, true},
		"long bodies":               {many(256, 1000, strings.Repeat("x", 65_000)), 0, 17, true},
		"longer in JSON":            {many(256, 1000, strings.Repeat("<", 65_000)), 0, 3, true},
		"one longer than the bound": {many(2, 2, strings.Repeat("\x00", 2000*kib)), 0, 1, true},
		"two byte characters":       {many(3, 3, strings.Repeat("xä", 30_000)), 0, 3, false},
		"four byte characters":      {many(3, 3, strings.Repeat("xxx🦆", 8_000)), 0, 3, false},
	} {
		w := httptest.NewRecorder()
		transports.Answer(w, 0, test.messages, transports.Limits{Batch: test.limit})
		fit := test.messages[:test.fit]
		if got, want := w.Body.String(), spelled(fit); got != want {
			t.Errorf("%s: %d bytes, want %d: %d messages", name, len(got), len(want), test.fit)
		}
		if got := w.Header().Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: Content-Length %s of %d bytes", name, got, w.Body.Len())
		}
		if got, want := w.Header().Get(transports.NextCursor), strconv.FormatUint(fit[len(fit)-1].Seq, 10); got != want {
			t.Errorf("%s: the next cursor is %s, want %s", name, got, want)
		}
		if full := w.Header().Get("Retry-After") == "0"; full != test.full {
			t.Errorf("%s: Retry-After %q", name, w.Header().Get("Retry-After"))
		}
	}
}

// pieces records what is written, and the deadline.
type pieces struct {
	*httptest.ResponseRecorder
	largest  int
	deadline time.Time
}

func (p *pieces) Write(data []byte) (int, error) {
	p.largest = max(p.largest, len(data))
	return p.ResponseRecorder.Write(data)
}

func (p *pieces) SetWriteDeadline(t time.Time) error {
	p.deadline = t
	return nil
}

// A large response is written in pieces, and one time counts for all of it.
func TestLargeAnswer(t *testing.T) {
	for _, body := range []string{strings.Repeat("x", 65_000), strings.Repeat("\x00", 65_000), strings.Repeat("🦆", 16_000), ""} {
		w := &pieces{ResponseRecorder: httptest.NewRecorder()}
		before := time.Now()
		messages := many(2000, 3000, body)
		transports.Answer(w, 0, messages, transports.Limits{Batch: 2000, WriteTimeout: time.Hour})
		if w.largest > 32<<10 {
			t.Errorf("%.4q: %d bytes are written at once", body, w.largest)
		}
		if left := w.deadline.Sub(before); left < time.Hour || left > 2*time.Hour {
			t.Errorf("%.4q: the client has %v to read the response", body, left)
		}
		if err := json.Unmarshal(w.Body.Bytes(), new([]any)); err != nil {
			t.Errorf("%.4q: %v", body, err)
		}
		if n := testing.AllocsPerRun(10, func() {
			transports.Answer(discard{}, 0, messages, transports.Limits{Batch: 2000})
		}); n > 20 {
			t.Errorf("%.4q: %v allocations", body, n)
		}
	}
	w := &pieces{ResponseRecorder: httptest.NewRecorder()}
	if transports.Answer(w, 0, many(1, 1, "hello"), transports.Limits{}); !w.deadline.IsZero() {
		t.Error("a response that is written at once has a deadline of its own")
	}
}

// discard is the response to a client that reads everything.
type discard struct{}

func (discard) Header() http.Header            { return http.Header{} }
func (discard) Write(data []byte) (int, error) { return len(data), nil }
func (discard) WriteHeader(int)                {}

// Users get a fixed text: the errors of stores name addresses, users and databases.
func TestStoreError(t *testing.T) {
	secret := fmt.Errorf("dial tcp 10.1.2.3:5432: user=chat database=prod: password %w", http.ErrAbortHandler)
	for _, test := range []struct {
		err    error
		status int
		says   string
	}{
		{secret, 503, "the store can't be reached, try again later"},
		{fmt.Errorf("%w: %w", secret, transports.ErrFull), 507, "no space left"},
		{fmt.Errorf("%w: %w", secret, &transports.GapError{Oldest: 9}), 410, "read on with after=8"},
	} {
		w := httptest.NewRecorder()
		transports.StoreError(w, test.err)
		says(t, test.says, w, test.status, test.says)
		if strings.Contains(w.Body.String(), "10.1.2.3") || strings.Contains(w.Body.String(), "password") {
			t.Errorf("users are told %s", w.Body)
		}
	}
}

// FuzzAnswer checks that an answer of any bodies is what encoding/json writes of them.
func FuzzAnswer(f *testing.F) {
	f.Add(uint64(9), uint16(1), "hello")
	f.Add(uint64(99_999), uint16(3000), "<script>\u2028\u2029\x7f\"\\\b\f\n\r\t\x00\x1f")
	f.Add(uint64(1<<63), uint16(4999), "xü🦆\xff\xe2\x80")
	f.Fuzz(func(t *testing.T, seq uint64, times uint16, body string) {
		if len(body) > 20 || seq < 2 {
			return
		}
		messages := many(2, seq, strings.Repeat(body, int(times)%5000))
		w := httptest.NewRecorder()
		transports.Answer(w, 0, messages, transports.Limits{})
		want := spelled(messages)
		if w.Header().Get("Retry-After") != "" {
			want = spelled(messages[:1])
			if w.Body.Len() < transports.BatchBytes {
				t.Errorf("a response of %d bytes is full", w.Body.Len())
			}
		}
		if w.Body.String() != want {
			t.Errorf("%d times %q: %.200q, want %.200q", times, body, w.Body, want)
		}
		if utf8.ValidString(body) {
			for _, m := range messages {
				if got, want := transports.AppendJSON(nil, m), spelled([]transports.Message{m}); string(got) != want[1:len(want)-1] {
					t.Errorf("%q is written as %.200q, want %.200q", body, got, want)
				}
			}
		}
	})
}

// BenchmarkAnswer writes the answer to a poll: one short message, and as much as fits.
func BenchmarkAnswer(b *testing.B) {
	for name, messages := range map[string][]transports.Message{
		"messages=1":             many(1, 1234567, strings.Repeat("x", 100)),
		"messages=1/escaped":     many(1, 1234567, strings.Repeat("x<y ", 25)),
		"messages=17/bytes=65kB": many(17, 1234567, strings.Repeat("x", 65_000)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				answer(discard{}, 0, messages)
			}
		})
	}
}

func answer(w http.ResponseWriter, after uint64, messages []transports.Message) {
	transports.Answer(w, after, messages, transports.Limits{})
}

// TestSaidError reads the texts by which servers refuse messages.
func TestSaidError(t *testing.T) {
	if err := transports.SaidError(transports.StoreText(errors.New("no route"))); !errors.Is(err, transports.ErrStoreAway) {
		t.Errorf("%v is not that the store is away", err)
	}
	for _, text := range []string{transports.StoreText(transports.ErrFull), "bad message"} {
		if err := transports.SaidError(text); errors.Is(err, transports.ErrStoreAway) || err.Error() != text {
			t.Errorf("%q is %v", text, err)
		}
	}
}
