package rules_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
)

// server returns the dialect of a server that comes with pushpull.
func server(t testing.TB, name string) *rules.Dialect {
	t.Helper()
	d, err := rules.Load("../servers/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A talk is a conversation whose steps fail the test.
type talk struct {
	testing.TB
	dialect.Speech
	heard dialect.Heard
}

// speak begins a conversation of a user of room1.
func speak(t testing.TB, d dialect.Dialect, transport string, from transports.Cursor) *talk {
	t.Helper()
	for _, w := range d.Ways() {
		if w.Transport == transport {
			s, err := d.Speak(w, "room1", from)
			if err != nil {
				t.Fatal(err)
			}
			return &talk{TB: t, Speech: s}
		}
	}
	t.Fatalf("there is no way %s", transport)
	return nil
}

// hears lets the user hear a unit, and compares what it means, as summary spells it.
func (t *talk) hears(u dialect.Unit, want string) {
	t.Helper()
	t.heard.Reset()
	if err := t.Hear(u, &t.heard); err != nil {
		t.Fatalf("hearing %q: %v", u.Body, err)
	}
	if got := summary(&t.heard); got != want {
		t.Errorf("%q means\n%s, want\n%s", u.Body, got, want)
	}
}

// summary spells what was heard.
func summary(h *dialect.Heard) string {
	var words []string
	for _, m := range h.Messages {
		words = append(words, "message "+string(m))
	}
	for _, n := range h.Stored {
		words = append(words, "stored "+string('0'+rune(n)))
	}
	if h.Oldest > 0 {
		words = append(words, "oldest "+string('0'+rune(h.Oldest)))
	}
	for _, r := range h.Refused {
		words = append(words, "refused "+string('0'+rune(r.Number))+" "+r.Why.Error())
	}
	for _, r := range h.Replies {
		words = append(words, "reply "+asked(r))
	}
	for _, flag := range []struct {
		is   bool
		name string
	}{{h.Kept, "kept"}, {h.Ready, "ready"}, {h.More, "more"}, {h.Gap, "gap"}} {
		if flag.is {
			words = append(words, flag.name)
		}
	}
	return strings.Join(words, ", ")
}

// asked spells a request.
func asked(r dialect.Request) string {
	if r.Frame() {
		return "frame " + string(r.Body)
	}
	text := r.Method + " " + r.Path
	var headers strings.Builder
	_ = r.Header.Write(&headers)
	text += " " + strings.Join(strings.Fields(headers.String()), " ")
	if r.Body != nil {
		text += " | " + string(r.Body)
	}
	return text
}

// same compares what is asked or said.
func (t *talk) same(r dialect.Request, want string) {
	t.Helper()
	if got := asked(r); got != want {
		t.Errorf("asks\n%s, want\n%s", got, want)
	}
}

func header(lines ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(lines); i += 2 {
		h.Set(lines[i], lines[i+1])
	}
	return h
}

func TestNchanPolls(t *testing.T) {
	for _, way := range []struct{ transport, path, more string }{{"short-poll", "/poll", ", more"}, {"long-poll", "/sub", ""}} {
		u := speak(t, server(t, "nchan"), way.transport, "")
		u.hears(dialect.Unit{Kind: dialect.Begun}, "ready")
		u.same(u.Ask(), "GET "+way.path+"/room1 ")
		first := header("Content-Type", "text/plain", "Last-Modified", "Wed, 25 Nov 2026 03:28:08 GMT", "Etag", "0")
		u.hears(dialect.Unit{Kind: dialect.Answered, Status: 200, Header: first, Body: []byte("m1")}, "message m1"+way.more)
		u.same(u.Ask(), "GET "+way.path+"/room1 If-Modified-Since: Wed, 25 Nov 2026 03:28:08 GMT If-None-Match: 0")
		u.hears(dialect.Unit{Kind: dialect.Answered, Status: 304, Header: first}, "")
		u.same(u.Say(1, []byte("hello")), "POST /pub/room1 Content-Type: text/plain | hello")
		u.hears(dialect.Unit{Kind: dialect.Taken, Status: 202, Number: 1, Body: []byte("queued messages: 1\n")}, "stored 1")
		u.hears(dialect.Unit{Kind: dialect.Taken, Status: 201, Number: 2}, "stored 2")
		again := speak(t, server(t, "nchan"), way.transport, u.Cursor())
		again.same(again.Ask(), "GET "+way.path+"/room1 If-Modified-Since: Wed, 25 Nov 2026 03:28:08 GMT If-None-Match: 0")
		if again.Cursor() != u.Cursor() {
			t.Errorf("the place %q becomes %q", u.Cursor(), again.Cursor())
		}
		// A page in place of a message is no message.
		page := dialect.Unit{Kind: dialect.Answered, Status: 200, Header: header("Content-Type", "text/html"), Body: []byte("<html>log in</html>")}
		if err := u.Hear(page, &u.heard); err == nil || !strings.Contains(err.Error(), `takes the answer with status 200: "<html>log in</html>": add a rule with on: answer`) {
			t.Errorf("a page is heard with the error %v", err)
		}
	}
}

func TestNchanStreams(t *testing.T) {
	u := speak(t, server(t, "nchan"), "sse", "")
	u.same(u.Ask(), "GET /sub/room1 ")
	u.hears(dialect.Unit{Kind: dialect.Begun}, "")
	u.hears(dialect.Unit{Kind: dialect.Opened, Status: 200}, "ready")
	u.hears(dialect.Unit{Kind: dialect.Event, ID: "1795577288:0", Body: []byte("m1")}, "message m1")
	again := speak(t, server(t, "nchan"), "sse", u.Cursor())
	again.same(again.Ask(), "GET /sub/room1 Last-Event-Id: 1795577288:0")

	u = speak(t, server(t, "nchan"), "websocket", "")
	u.same(u.Ask(), "GET /sub/room1 Sec-Websocket-Protocol: ws+meta.nchan")
	u.hears(dialect.Unit{Kind: dialect.Opened, Status: 101}, "ready")
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte("id: 1795577302:0\ncontent-type: text/plain\n\nnext\n\nline")}, "message next\n\nline")
	again = speak(t, server(t, "nchan"), "websocket", u.Cursor())
	again.same(again.Ask(), "GET /sub/room1?last_event_id=1795577302%3A0 Sec-Websocket-Protocol: ws+meta.nchan")
}

func TestCentrifugo(t *testing.T) {
	d := server(t, "centrifugo")
	u := speak(t, d, "websocket", "")
	u.same(u.Ask(), "GET /connection/websocket ")
	const subscribe = `reply frame {"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"room1","recover":true`
	u.hears(dialect.Unit{Kind: dialect.Opened, Status: 101}, subscribe+`,"epoch":"","offset":0}}`)
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"id":1,"connect":{"client":"76","version":"0.0.0 OSS","ping":25,"pong":true}}
{"id":2,"subscribe":{"recoverable":true,"epoch":"czDYtjza","positioned":true}}`)}, "ready")
	if u.Cursor() != "czDYtjza&" {
		t.Errorf("the place is %q", u.Cursor())
	}
	again := speak(t, d, "websocket", u.Cursor())
	again.hears(dialect.Unit{Kind: dialect.Opened, Status: 101}, subscribe+`,"epoch":"czDYtjza"}}`)

	u.same(u.Say(3, []byte(`by "ws"`)), `frame {"id":103,"publish":{"channel":"room1","data":"by \"ws\""}}`)
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"push":{"channel":"room1","pub":{"data":"by \"ws\"","info":{"user":"","client":"76"},"offset":3}}}
{"id":103,"publish":{}}
`)}, `message by "ws", stored 3`)
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"id":104,"error":{"code":103,"message":"permission denied"}}`)}, `refused 4 the server said "permission denied"`)
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{}`)}, "reply frame {}")

	again = speak(t, d, "websocket", u.Cursor())
	again.hears(dialect.Unit{Kind: dialect.Opened, Status: 101}, subscribe+`,"epoch":"czDYtjza","offset":3}}`)
	again.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"id":1,"connect":{}}
{"id":2,"subscribe":{"recoverable":true,"epoch":"czDYtjza","publications":[{"data":"two","offset":4},{"data":"three","offset":5}],"recovered":true,"offset":3,"positioned":true,"was_recovering":true}}`)},
		"message two, message three, ready")
	if again.Cursor() != "czDYtjza&5" {
		t.Errorf("the place is %q", again.Cursor())
	}
	again = speak(t, d, "websocket", "zzzz&1")
	again.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"id":2,"subscribe":{"recoverable":true,"epoch":"czDYtjza","offset":3,"positioned":true,"was_recovering":true}}`)}, "ready, gap")

	// A message of another room ends the conversation.
	other := dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"push":{"channel":"room2","pub":{"data":"x","offset":3}}}`)}
	if err := u.Hear(other, &u.heard); err == nil || !strings.Contains(err.Error(), "no rule of ways.websocket.hear takes the reply") {
		t.Errorf("a message of another room is heard with the error %v", err)
	}
}

func TestCentrifugoStream(t *testing.T) {
	t.Setenv("CENTRIFUGO_API_KEY", "se\"cret")
	d := server(t, "centrifugo")
	u := speak(t, d, "sse", "epo&7")
	u.same(u.Ask(), "GET /connection/uni_sse?cf_connect=%7B%22subs%22%3A%7B%22room1%22%3A%7B%22recover%22%3Atrue%2C%22epoch%22%3A%22epo%22%2C%22offset%22%3A7%7D%7D%7D ")
	u.hears(dialect.Unit{Kind: dialect.Opened, Status: 200}, "")
	u.hears(dialect.Unit{Kind: dialect.Event, Body: []byte(`{"connect":{"client":"d9","version":"0.0.0 OSS","subs":{"room1":{"recoverable":true,"epoch":"epo","offset":8,"positioned":true,"was_recovering":true,"recovered":true,"publications":[{"data":"a","offset":8}]}},"ping":25,"session":"c9"}}`)}, "message a, ready")
	u.hears(dialect.Unit{Kind: dialect.Event, Body: []byte(`{"channel":"room1","pub":{"data":"two","offset":9}}`)}, "message two")
	if u.Cursor() != "epo&9" {
		t.Errorf("the place is %q", u.Cursor())
	}
	u.same(u.Say(1, []byte("hi")), `POST /api/publish Content-Type: application/json X-Api-Key: se"cret | {"channel":"room1","data":"hi"}`)
	u.hears(dialect.Unit{Kind: dialect.Taken, Number: 1, Status: 200, Body: []byte(`{"result":{"offset":1,"epoch":"czDYtjza"}}`)}, "stored 1")
	u.hears(dialect.Unit{Kind: dialect.Taken, Number: 2, Status: 200, Body: []byte(`{"error":{"code":102,"message":"unknown channel"}}`)}, `refused 2 the server said "unknown channel"`)
	u.hears(dialect.Unit{Kind: dialect.Taken, Number: 3, Status: 401}, "refused 3 the server answered 401 Unauthorized (users need credentials that it takes)")
	u.hears(dialect.Unit{Kind: dialect.Event, Body: []byte(`{"connect":{"subs":{"room1":{"recoverable":true,"epoch":"new","offset":3,"positioned":true,"was_recovering":true}}}}`)}, "ready, gap")
	refused := dialect.Unit{Kind: dialect.Opened, Status: 403}
	err := u.Hear(refused, &u.heard)
	of, ok := errors.AsType[interface {
		error
		Step(transports.Request) transports.Step
	}](err)
	if !ok || of.Step(transports.Handshake) != transports.Rejoin {
		t.Errorf("a user that was in the room gets the error %v", err)
	}
}

// TestMemory checks that what a method returned stays while others are called, and messages for good.
func TestMemory(t *testing.T) {
	u := speak(t, example(t), "websocket", "")
	say := u.Say(7, []byte(`a "quoted" text`))
	frames := []string{`{"to":"room1","text":"one \"1\""}`, `{"to":"room1","text":"two \"2\""}` + "\nping"}
	var heard []dialect.Heard
	for _, frame := range frames {
		var h dialect.Heard
		if err := u.Hear(dialect.Unit{Kind: dialect.Frame, Body: []byte(frame)}, &h); err != nil {
			t.Fatal(err)
		}
		heard = append(heard, h)
	}
	u.Ask()
	if want := `frame {"to":"room1","payload":"{\"number\":7,\"text\":\"a \\\"quoted\\\" text\"}"}`; asked(say) != want {
		t.Errorf("says\n%s, want\n%s", asked(say), want)
	}
	if got := summary(&heard[0]) + ", " + summary(&heard[1]); got != `message one "1", message two "2", reply frame pong` {
		t.Errorf("heard %s", got)
	}
}

// TestConcurrent lets many users of one dialect speak at once.
func TestConcurrent(t *testing.T) {
	d := example(t)
	var users sync.WaitGroup
	for i := range 8 {
		users.Go(func() {
			u := speak(t, d, "websocket", "")
			name := strconv.Itoa(i)
			for range 100 {
				u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"to":"room1","text":"\"` + name + `\""}` + "\nping")}, `message "`+name+`", reply frame pong`)
				u.same(u.Say(1, []byte(name)), `frame {"to":"room1","payload":"{\"number\":1,\"text\":\"`+name+`\"}"}`)
			}
		})
	}
	users.Wait()
}
