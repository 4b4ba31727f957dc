package transports_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"pushpull/transports"
	"pushpull/transports/feed"
	"pushpull/transports/shortpoll"
	"pushpull/transports/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 10

// api returns a handler of the native API on store.
func api(store transports.Store) http.Handler {
	limits, log := transports.Limits{MessageBytes: limit}, feed.New(store, 0) // needs no Close, as no reader waits
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}/short-poll", shortpoll.Transport{Limits: limits}.Handler(log))
	mux.Handle("POST /rooms/{room}/messages", transports.Publisher(log, limits))
	return mux
}

func ask(handler http.Handler, method, target, kind, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, req)
	return w
}

// says checks that w is an error with status and one line of JSON that contains what.
func says(t *testing.T, name string, w *httptest.ResponseRecorder, status int, what string) {
	t.Helper()
	var answer struct{ Error string }
	err := json.Unmarshal(w.Body.Bytes(), &answer)
	if w.Code != status || err != nil || !strings.Contains(answer.Error, what) {
		t.Errorf("%s: %d %q, want %d and an error with %q", name, w.Code, w.Body, status, what)
	}
	if strings.Count(w.Body.String(), "\n") != 1 || strings.ContainsAny(answer.Error, "\n\r") {
		t.Errorf("%s: %q is not one line", name, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: Content-Type %q", name, got)
	}
}

func TestPublish(t *testing.T) {
	const text, js = "text/plain; charset=utf-8", "application/json"
	for name, test := range map[string]struct{ kind, body, want string }{
		"text":              {text, "hello", "hello"},
		"no type":           {"", "hello", "hello"},
		"a form's type":     {"application/x-www-form-urlencoded", "a=b", "a=b"},
		"bad type":          {"application json", "hello", "hello"},
		"empty":             {text, "", ""},
		"as large as can":   {text, strings.Repeat("x", limit), strings.Repeat("x", limit)},
		"JSON":              {js, `{"body":"hello"}`, "hello"},
		"JSON with charset": {"Application/JSON; charset=utf-8", `{"body":"hello"}`, "hello"},
		"JSON and more":     {js, `{"user":"ann","body":"hello"}`, "hello"},
		"JSON as text":      {text, `{"body":1}`, `{"body":1}`},
		"empty JSON body":   {js, `{"body":""}`, ""},
		"escaped JSON":      {js, `{"body":"` + strings.Repeat(`\u0000`, limit) + `"}`, strings.Repeat("\x00", limit)},
	} {
		store := &memory.Store{First: 1}
		w := ask(api(store), http.MethodPost, "/rooms/room/messages", test.kind, test.body)
		if w.Code != http.StatusCreated || w.Body.String() != "{\"seq\":1}\n" || w.Header().Get("Content-Type") != js {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
		if got, err := store.After(t.Context(), "room", 0, 2); err != nil || len(got) != 1 || string(got[0].Body) != test.want {
			t.Errorf("%s: the log holds %v, %v", name, got, err)
		}
	}
}

func TestPublishRefuses(t *testing.T) {
	const text, js = "text/plain", "application/json"
	for name, test := range map[string]struct {
		kind, body string
		status     int
		says       string
	}{
		"too large":             {text, strings.Repeat("x", limit+1), 413, "larger than 10 bytes"},
		"too large as JSON":     {js, `{"body":"` + strings.Repeat("x", limit+1) + `"}`, 413, "larger than 10 bytes"},
		"far too large":         {text, strings.Repeat("x", 1000), 413, "larger than 10 bytes"},
		"far too large as JSON": {js, `{"body":"` + strings.Repeat("x", 1000) + `"}`, 413, "larger than 10 bytes"},
		"not UTF-8":             {text, "caf\xe9", 400, "not UTF-8"},
		"not UTF-8 as JSON":     {js, "{\"body\":\"caf\xe9\"}", 400, "not UTF-8"},
		"bad JSON":              {js, "hello", 400, `send {"body":"the text"}`},
		"no JSON":               {js, "", 400, "bad JSON"},
		"JSON without body":     {js, "{}", 400, "bad JSON"},
		"JSON with null":        {js, `{"body":null}`, 400, "bad JSON"},
		"JSON with a number":    {js, `{"body":7}`, 400, "bad JSON"},
		"JSON twice":            {js, `{"body":"a"}{"body":"b"}`, 400, "bad JSON"},
		"JSON that breaks off":  {js, `{"body":"a"`, 400, "bad JSON"},
		"a JSON text":           {js, `"hello"`, 400, "bad JSON"},
	} {
		store := &memory.Store{First: 1}
		says(t, name, ask(api(store), http.MethodPost, "/rooms/room/messages", test.kind, test.body), test.status, test.says)
		if got, err := store.After(t.Context(), "room", 0, 2); err != nil || len(got) > 0 {
			t.Errorf("%s: the log holds %v, %v", name, got, err)
		}
	}
}

func TestPublishBrokenOff(t *testing.T) {
	store := &memory.Store{First: 1}
	req := httptest.NewRequest(http.MethodPost, "/rooms/room/messages", io.MultiReader(strings.NewReader("hel"), breaks{}))
	w := httptest.NewRecorder()
	api(store).ServeHTTP(w, req)
	says(t, "broken off", w, 400, "did not arrive whole")
	if got, _ := store.After(t.Context(), "room", 0, 1); len(got) > 0 {
		t.Errorf("half a message is stored: %v", got)
	}
}

type breaks struct{}

func (breaks) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestPoll(t *testing.T) {
	store := &memory.Store{Retention: 3, First: 1}
	for i := range 5 {
		store.Append(t.Context(), "room", fmt.Append(nil, "<", i+1, ">"), "")
	}
	handler := api(store)
	for query, want := range map[string]struct {
		status     int
		next, body string
	}{
		"?after=2":       {200, "5", `[{"seq":3,"body":"\u003c3\u003e"},{"seq":4,"body":"\u003c4\u003e"},{"seq":5,"body":"\u003c5\u003e"}]`},
		"?after=4":       {200, "5", `[{"seq":5,"body":"\u003c5\u003e"}]`},
		"?after=5":       {204, "5", ""},
		"?x=1&after=5&y": {204, "5", ""},
	} {
		w := ask(handler, http.MethodGet, "/rooms/room/short-poll"+query, "", "")
		if w.Code != want.status || w.Header().Get(transports.NextCursor) != want.next || w.Body.String() != want.body {
			t.Errorf("%s: %d, next %q, %s", query, w.Code, w.Header().Get(transports.NextCursor), w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a proxy may cache the response", query)
		}
	}
	for _, query := range []string{"", "?after=", "?after=0", "?after=1", "?after=6", "?after=18446744073709551615"} {
		w := ask(handler, http.MethodGet, "/rooms/room/short-poll"+query, "", "")
		says(t, query, w, http.StatusGone, "oldest message is 3, read on with after=2")
		if !strings.HasSuffix(w.Body.String(), `,"oldest":3}`+"\n") {
			t.Errorf("%s: %q has no oldest seq", query, w.Body)
		}
	}
	for _, cursor := range []string{"x", "-1", "1.5", "0x1", "18446744073709551616", "%0a%22", strings.Repeat("9", 1000)} {
		w := ask(handler, http.MethodGet, "/rooms/room/short-poll?after="+cursor, "", "")
		says(t, cursor, w, http.StatusBadRequest, "bad cursor")
		if w.Body.Len() > 300 {
			t.Errorf("%.20s...: a response of %d bytes", cursor, w.Body.Len())
		}
	}
	if w := ask(handler, http.MethodGet, "/rooms/nobody/short-poll", "", ""); w.Code != 204 || w.Header().Get(transports.NextCursor) != "0" {
		t.Errorf("an empty room: %d, next %q", w.Code, w.Header().Get(transports.NextCursor))
	}
}

func TestRoomURL(t *testing.T) {
	for base, want := range map[string]string{
		"http://host":       "http://host/rooms/a%2Fb%20%3F%25/messages",
		"http://host/":      "http://host/rooms/a%2Fb%20%3F%25/messages",
		"http://host/chat":  "http://host/chat/rooms/a%2Fb%20%3F%25/messages",
		"http://host/chat/": "http://host/chat/rooms/a%2Fb%20%3F%25/messages",
	} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		got := transports.Target{Base: u}.RoomURL("a/b ?%", "messages")
		if got.String() != want || !strings.HasPrefix(got.RequestURI(), "/") {
			t.Errorf("in %s: %s, which asks for %s", base, got, got.RequestURI())
		}
	}
}

func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", "0", "7", "18446744073709551615", "18446744073709551616", "+1", "-1", "x", "1_0", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		seq, err := transports.Cursor(s).Seq()
		if err == nil && s != "" && strings.TrimLeft(s, "0") != strings.TrimLeft(strconv.FormatUint(seq, 10), "0") {
			t.Errorf("%q is read as %d", s, seq)
		}
		req := &http.Request{URL: &url.URL{RawQuery: "after=" + url.QueryEscape(s)}}
		answer := httptest.NewRecorder()
		place, ok := transports.Place(answer, req, nil)
		if place != seq || ok != (err == nil) || ok != (answer.Code == http.StatusOK) {
			t.Errorf("Place of %q: %d, %t, status %d; Seq: %d, %v", s, place, ok, answer.Code, seq, err)
		}
		transports.Place(httptest.NewRecorder(), &http.Request{URL: &url.URL{RawQuery: s}}, nil) // must not panic
	})
}

func FuzzParseText(f *testing.F) {
	for _, s := range []string{
		`{"body":"hello"}`, `{"body":""}`, `{}`, `{"body":1}`, "{\"body\":\"\xff\"}", `{"body":"\ud800"}`, `{"body":"a","body":"b"}`, "",
		`{"key":"4.7","body":"hello"}`, `{"body":"hello","key":"4.7"}`, `{"key":"","body":""}`, `{"key":"a b","body":""}`, `{"key":"a","key":"b","body":"ü"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, key, err := transports.ParseText(data, 100)
		if err != nil {
			_, large := errors.AsType[*http.MaxBytesError](err)
			if large == errors.Is(err, transports.ErrText) {
				t.Errorf("%q: %v is not exactly one of ErrText and MaxBytesError", data, err)
			}
			return
		}
		if !utf8.Valid(text) || len(text) > 100 || key.Validate() != nil {
			t.Errorf("%q is read as %q, with key %q", data, text, key)
		}
		again, same, err := transports.ParseText(transports.AppendText(nil, text, key), 100)
		if err != nil || !bytes.Equal(again, text) || same != key {
			t.Errorf("%q with key %q is read back as %q with key %q, %v", text, key, again, same, err)
		}
	})
}

// FuzzAppendJSON checks that encoding/json reads what AppendJSON writes.
func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{"", "hello", `"\`, "<script>", "\x00\x1f\x7f", "ü🦆\u2028"} {
		f.Add(uint64(7), s)
	}
	f.Fuzz(func(t *testing.T, seq uint64, body string) {
		if !utf8.ValidString(body) {
			return // messages are UTF-8
		}
		var got struct {
			Seq  uint64
			Body string
		}
		data := transports.AppendJSON(nil, transports.Message{Seq: seq, Body: []byte(body)})
		if err := json.Unmarshal(data, &got); err != nil || got.Seq != seq || got.Body != body {
			t.Errorf("%d %q is written as %s: %v", seq, body, data, err)
		}
	})
}

// BenchmarkParseMessage compares parsing in place with encoding/json.
func BenchmarkParseMessage(b *testing.B) {
	data := transports.AppendJSON(nil, transports.Message{Seq: 1234567, Body: bytes.Repeat([]byte("x"), 100)})
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, rest, ok := transports.ParseMessage(data); !ok || len(rest) > 0 {
				b.Fatal("not parsed")
			}
		}
	})
	b.Run("by=json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m struct {
				Seq  uint64 `json:"seq"`
				Body string `json:"body"`
			}
			if err := json.Unmarshal(data, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A message that is sent again with its key is stored once; without one, or in another room, it is another message.
func TestPublishOnce(t *testing.T) {
	store := &memory.Store{First: 1}
	server := api(store)
	post := func(room, kind, body string, keys ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/rooms/"+room+"/messages", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.Header["Idempotency-Key"] = keys
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		return w
	}
	const text, js = "text/plain", "application/json"
	for i, sent := range []struct {
		room, kind, body string
		keys             []string
		seq              int
	}{
		{"room", text, "hello", []string{`"4.7"`}, 1},
		{"room", text, "hello", []string{`"4.7"`}, 1},
		{"room", text, "hello", []string{`4.7`}, 1}, // as people write it
		{"room", js, `{"body":"hello"}`, []string{`"4.7"`}, 1},
		{"room", js, `{"key":"4.7","body":"hello"}`, nil, 1},
		{"room", js, `{"body":"hello", "key":"4\u002e7"}`, nil, 1},
		{"room", text, "hello", nil, 2},
		{"room", text, "hello", nil, 3},
		{"room", js, `{"key":"4.8","body":"hello"}`, nil, 4},
		{"room", text, "hello", []string{`"4.8"`}, 4},
		{"other", text, "hello", []string{`"4.7"`}, 1},
		{"room", text, "hello", []string{`"` + strings.Repeat("k", transports.MaxKey) + `"`}, 5},
	} {
		if w := post(sent.room, sent.kind, sent.body, sent.keys...); w.Code != http.StatusCreated || w.Body.String() != fmt.Sprintf("{\"seq\":%d}\n", sent.seq) {
			t.Errorf("%d. %s %q is answered %d %s, want seq %d", i, sent.body, sent.keys, w.Code, w.Body, sent.seq)
		}
	}
	for _, bad := range [][]string{{""}, {`""`}, {"a b"}, {"käse"}, {`a"b`}, {`a\b`}, {"a\x00"}, {"1", "2"}, {strings.Repeat("k", transports.MaxKey+1)}} {
		says(t, fmt.Sprintf("the key %q", bad), post("bad", text, "hello", bad...), http.StatusBadRequest, "key")
	}
	for _, bad := range []string{`{"key":"","body":"x"}`, `{"key":7,"body":"x"}`, `{"key":"a b","body":"x"}`, `{"key":"` + strings.Repeat("k", 65) + `","body":"x"}`} {
		says(t, bad, post("bad", js, bad), http.StatusBadRequest, "")
	}
	if got, _ := store.After(t.Context(), "bad", 0, 1); len(got) > 0 {
		t.Errorf("a message with a bad key is stored: %v", got)
	}
}
