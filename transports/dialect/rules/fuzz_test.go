package rules_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
)

// builtin returns the example and the dialects of all servers that come with pushpull.
func builtin(t testing.TB) []*rules.Dialect {
	t.Helper()
	t.Setenv("MERCURE_TOKEN", "token")
	files, err := filepath.Glob("../servers/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialects of servers", err)
	}
	all := []*rules.Dialect{example(t)}
	for _, file := range files {
		d, err := rules.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// FuzzParse checks that a file is either a dialect whose users can speak, or has an error in one line with a position.
func FuzzParse(f *testing.F) {
	f.Add(rules.Example())
	f.Add([]byte(small))
	for _, s := range slips() {
		f.Add([]byte(strings.Replace(small, s.from, s.to, 1)))
	}
	files, _ := filepath.Glob("../servers/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := rules.Parse("fuzz.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.yaml:") || strings.Contains(err.Error(), "\n") {
				t.Fatalf("the error is %q", err)
			}
			return
		}
		for _, w := range d.Ways() {
			if err := w.Way.Validate(); err != nil {
				t.Fatal(err)
			}
			s, err := d.Speak(w, "a room/?", "")
			if err != nil {
				continue // a variable is missing
			}
			for range 3 {
				checkRequest(t, s.Ask())
				checkRequest(t, s.Say(1, []byte("hi")))
				hearAll(t, s, []byte(`{"a":1}`), "x", 200)
			}
		}
	})
}

// FuzzHear lets users on every way of every dialect hear what a hostile server may send.
func FuzzHear(f *testing.F) {
	for _, text := range []string{
		"", "{}", "m1", `{"push":{"channel":"room1","pub":{"data":"x","offset":3}}}` + "\n{}", `[{"channel":"/room1","data":"hello","id":"3"}]`,
		`42["msg","x"]` + "\x1e431[\"ok\"]\x1e2", `a["{\"body\":\"x\"}"]`, "o", `0{"sid":"x\r\ny"}`, "id: 1:2\ncontent-type: t\n\nbody", `{"event":"message","id":"x","message":"y"}`,
		"--B\r\n\r\nx\r\n--B--", `{"messages":[{"id":1,"text":"t"}],"more":true}`, "[[[[[[", strings.Repeat("a,", 20_000), "c[1,2]", `43a[`, "session x\n",
	} {
		f.Add([]byte(text), "text/plain", 200)
		f.Add([]byte(text), "multipart/mixed; boundary=B", 503)
	}
	dialects := builtin(f)
	f.Fuzz(func(t *testing.T, text []byte, head string, status int) {
		for _, d := range dialects {
			for _, w := range d.Ways() {
				s, err := d.Speak(w, "room1", "")
				if err != nil {
					t.Fatal(err)
				}
				hearAll(t, s, text, head, status)
				hearAll(t, s, text, head, 200)
				checkRequest(t, s.Ask())
				checkRequest(t, s.Say(1, []byte("hi")))
				if again, err := d.Speak(w, "room1", s.Cursor()); err != nil || s.Cursor() != "" && again.Cursor() != s.Cursor() {
					t.Fatalf("the place %q can't be resumed: %v", s.Cursor(), err)
				}
			}
		}
	})
}

// hearAll lets s hear a text as every kind of unit.
func hearAll(t *testing.T, s dialect.Speech, text []byte, head string, status int) {
	t.Helper()
	for kind := dialect.Begun; kind <= dialect.Closed; kind++ {
		u := dialect.Unit{
			Kind: kind, Status: status, Body: text, Event: head, ID: head, Number: 1, Code: status,
			Header: http.Header{"Content-Type": {head}, "Last-Modified": {head}, "Etag": {head}, "Last-Event-Id": {head}},
		}
		var h dialect.Heard
		err := s.Hear(u, &h)
		size := 0
		for _, m := range h.Messages {
			size += len(m)
		}
		if len(h.Messages) > rules.MaxParts || size > 8*len(text)+len(head)+1<<16 || len(h.Replies) > rules.MaxReplies || len(h.Stored)+h.Oldest+len(h.Refused) > rules.MaxParts {
			t.Fatalf("%q means %d messages of %d bytes, and %d replies", text, len(h.Messages), size, len(h.Replies))
		}
		for _, r := range h.Replies {
			checkRequest(t, r)
		}
		if err != nil && (len(err.Error()) > 8<<10 || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x00")) {
			t.Fatalf("the error is %q", err)
		}
		if step, ok := err.(interface {
			Step(transports.Request) transports.Step
		}); ok {
			step.Step(transports.Poll)
		}
		_ = s.(interface{ Took() string }).Took()
	}
}

// checkRequest checks that a request is one.
func checkRequest(t *testing.T, r dialect.Request) {
	t.Helper()
	if r.Frame() {
		return
	}
	req, err := http.NewRequest(r.Method, "http://127.0.0.1"+r.Path, nil)
	if err != nil || req.URL.Host != "127.0.0.1" || strings.ContainsAny(r.Path, " \r\n\x00") {
		t.Fatalf("asks %s %q: %v", r.Method, r.Path, err)
	}
	for name, values := range r.Header {
		for _, value := range values {
			if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
				t.Fatalf("the header %s is %q", name, value)
			}
		}
	}
}
