package rules_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
)

// wayWith returns a conversation on a way that hears by the given rules, which come before those that every way needs.
func wayWith(t testing.TB, transport, hear string) *talk {
	t.Helper()
	ask, say, hold := `{get: "/a/{room}?v={v}"}`, `{post: /s, body: "{body}"}`, ""
	switch transport {
	case "websocket":
		say = `{frame: "{body}"}`
	case "long-poll":
		hold = "    hold: 1s\n"
	}
	text := fmt.Sprintf("name: test\nways:\n  %s:\n%s    lacks: [resume, acks]\n    vars: {v: \"\", w: \"\"}\n    let: {both: \"{v}+{w}\"}\n    ask: %s\n    say: %s\n    hear:\n%s"+
		"      - {on: begun, ready: true}\n      - {on: answer, text: \"never {m}\", message: \"{m}\"}\n", transport, hold, ask, say, hear)
	d, err := rules.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return speak(t, d, transport, "")
}

// TestConditions lets one rule with a condition hear texts that it takes, and others that it doesn't.
func TestConditions(t *testing.T) {
	type unit = dialect.Unit
	answer := func(text string) unit { return unit{Kind: dialect.Answered, Status: 200, Body: []byte(text)} }
	for _, c := range []struct {
		transport, rule string // a rule without its message
		message         string
		takes           []unit
		heard           []string
		leaves          []unit
	}{
		{
			"long-poll", `on: answer, status: [200, 4xx, 503]`, "{status}",
			[]unit{{Kind: dialect.Answered, Status: 200}, {Kind: dialect.Answered, Status: 418}, {Kind: dialect.Answered, Status: 503}},
			[]string{"200", "418", "503"},
			[]unit{{Kind: dialect.Answered, Status: 201}, {Kind: dialect.Answered, Status: 500}, {Kind: dialect.Opened, Status: 500}},
		},
		{
			"long-poll", `on: answer, text: "a:{x}-{_}-{y}.b"`, "{x}|{y}",
			[]unit{answer("a:1-2-3.b"), answer("a:--.b"), answer("a:1-2-3-4.b.b")},
			[]string{"1|3", "|", "1|3-4.b"},
			[]unit{answer("a:1-2.b"), answer("a:1-2-3.c"), answer("xa:1-2-3.b"), answer(""), answer("a:1-2-3.bb")},
		},
		{
			"long-poll", `on: answer, text: "{x} in {room}"`, "{x}",
			[]unit{answer("hi in room1"), answer(" in room1")},
			[]string{"hi", ""},
			[]unit{answer("hi in room2"), answer("hi in room1 "), answer("hi in ")},
		},
		{
			"long-poll", `on: answer, text: "{x}"`, "{x}",
			[]unit{answer(""), answer("{x}")},
			[]string{"", "{x}"},
			nil,
		},
		{
			"long-poll", `on: answer, text: '{}'`, "empty",
			[]unit{answer("{}")},
			[]string{"empty"},
			[]unit{answer(""), answer("{ }"), answer("{}{}")},
		},
		{
			"long-poll", `on: answer, match: '^(?P<x>\w+)(-(?P<y>\d+))?(z)?$'`, "{x}|{y}",
			[]unit{answer("a-1"), answer("a")},
			[]string{"a|1", "a|"},
			[]unit{answer("-1"), answer("a-")},
		},
		{
			"long-poll", `on: answer, header: {x-number: "n{x}", X-Other: "{_}"}`, "{x}{header:x-other}",
			[]unit{{Kind: dialect.Answered, Header: header("X-Number", "n5", "X-Other", "o")}},
			[]string{"5o"},
			[]unit{{Kind: dialect.Answered, Status: 500}, {Kind: dialect.Answered, Status: 500, Header: header("X-Number", "n5")}, {Kind: dialect.Answered, Status: 500, Header: header("X-Number", "5", "X-Other", "o")}},
		},
		{
			"long-poll", `on: answer, json: {.a: 1, .b: "true", .c.0: "{x}!"}`, "{x}",
			[]unit{answer(`{"c":["hi!"],"b":true,"a":"1"}`), answer(` {"a" : 1, "b":"true", "c":["h\"\u00e9!"]} `)},
			[]string{"hi", `h"é`},
			[]unit{answer(`{"a":1,"b":true}`), answer(`{"a":1,"b":false,"c":["x!"]}`), answer(`{"a":2,"b":true,"c":["x!"]}`), answer(`<html>`), answer(``)},
		},
		{
			"long-poll", `on: answer, when: [.a, .b], unless: [.c, v]`, "{.a}",
			[]unit{answer(`{"a":{"x":1},"b":false}`), answer(`{"a":0,"b":[],"c":null}`), answer(`{"a":"x\n","b":1,"c":""}`)},
			[]string{`{"x":1}`, "0", "x\n"},
			[]unit{answer(`{"a":1}`), answer(`{"a":"","b":1}`), answer(`{"a":null,"b":1}`), answer(`{"a":1,"b":1,"c":0}`)},
		},
		{
			"sse", `on: event, event: "e{x}"`, "{x}{event}{id}",
			[]unit{{Kind: dialect.Event, Event: "e1", ID: "7"}},
			[]string{"1e17"},
			[]unit{{Kind: dialect.Event}, {Kind: dialect.Event, Event: "f"}},
		},
		{
			"sse", `on: event, event: ""`, "{text}",
			[]unit{{Kind: dialect.Event, Body: []byte("hi")}},
			[]string{"hi"},
			[]unit{{Kind: dialect.Event, Event: "f", Body: []byte("hi")}},
		},
		{
			"lines", `on: event, text: "m {x}"`, "{x}",
			[]unit{{Kind: dialect.Event, Body: []byte("m hi")}},
			[]string{"hi"},
			[]unit{{Kind: dialect.Event, Body: []byte("n hi")}},
		},
		{
			"websocket", `on: closed, status: 4000`, "{text}{status}",
			[]unit{{Kind: dialect.Closed, Code: 4000, Body: []byte("bye")}},
			[]string{"bye4000"},
			[]unit{{Kind: dialect.Closed, Code: 4001}},
		},
	} {
		u := wayWith(t, c.transport, "      - {"+c.rule+`, message: "`+c.message+"\"}\n")
		for i, unit := range c.takes {
			u.hears(unit, "message "+c.heard[i])
		}
		for _, unit := range c.leaves {
			u.heard.Reset()
			if err := u.Hear(unit, &u.heard); err == nil || len(u.heard.Messages) > 0 {
				t.Errorf("{%s} takes %d %q, %v", c.rule, unit.Status, unit.Body, summary(&u.heard))
			}
		}
	}
}

// TestActions compares what rules make of a text.
func TestActions(t *testing.T) {
	frame := func(text string) dialect.Unit { return dialect.Unit{Kind: dialect.Frame, Body: []byte(text)} }
	for _, c := range []struct{ rules, text, want string }{
		{`- {on: frame, set: {v: "{text}", w: "{v}"}, message: "{w}{both}[?,{v}?][?,{.missing}?]"}`, "x", "message xx+x,x"},
		{`- {on: frame, message: "{v}", set: {v: "{.a}"}}`, `{"a":"\"q\""}`, `message "q"`},
		{`- {on: frame, message: "{json:text}{query:text}{base64:text}{unescape:text}{json:base64:text}"}`, "a \"%41%\x01é", "message " + `"a \"%41%\u0001é"` + "a%20%22%2541%25%01%C3%A9" + "YSAiJTQxJQHDqQ==" + "a \"A%\x01é" + `"YSAiJTQxJQHDqQ=="`},
		{`- {on: frame, message: "{json:v}"}`, "", `message ""`},
		{`- {on: frame, text: "{list}", split: {each: list}}` + "\n" + `      - {on: part, message: "{text}"}`, ` ["a\"",{"b":1},3,null,[]] `, `message a", message {"b":1}, message 3, message , message []`},
		{`- {on: frame, split: {each: .o}}` + "\n" + `      - {on: part, message: "{.x}"}`, `{"o":{"k":{"x":"1"},"l":{"x":2}}}`, `message 1, message 2`},
		{`- {on: frame, split: {each: .o}, ready: true, gap: true}`, `{}`, `ready, gap`},
		{`- {on: frame, split: {separator: "--"}}` + "\n" + `      - {on: part, message: "{text}"}`, `a-b----c--`, `message a-b, message c`},
		{`- {on: frame, split: lines, into: l}` + "\n" + `      - {on: l, split: {separator: ","}, into: m}` + "\n" + `      - {on: m, message: "{text}"}`, "a,b\r\n\nc\n", `message a, message b, message c`},
		{`- {on: frame, stored: oldest, ready: true}`, "", "oldest 1, ready"},
		{`- {on: frame, text: "+{a},{b}", stored: "{a}", message: "{b}"}`, "+3,x", "message x, stored 3"},
		{`- {on: frame, refused: "{.n}", why: "{.w}"}`, `{"n":3,"w":"no"}`, `refused 3 the server said "no"`},
		{`- {on: frame, refused: "{.n}"}`, `{"n":3}`, `refused 3 the server said "{\"n\":3}"`},
		{`- {on: frame, reply: [{frame: "{text}{random}"}, {put: "/p/{text}", headers: {A: "{text}", B: "{v}", C: c}, body: ""}]}`, "a/b", ""},
	} {
		u := wayWith(t, "websocket", "      "+c.rules+"\n")
		if c.want != "" {
			u.hears(frame(c.text), c.want)
			continue
		}
		u.heard.Reset()
		if err := u.Hear(frame(c.text), &u.heard); err != nil || len(u.heard.Replies) != 2 {
			t.Fatalf("%v, %v", u.heard.Replies, err)
		}
		if first := u.heard.Replies[0]; !first.Frame() || len(first.Body) != 3+13 || string(first.Body[:3]) != c.text {
			t.Errorf("the first reply is %s", asked(first))
		}
		u.same(u.heard.Replies[1], "PUT /p/a%2Fb A: a/b C: c | ")
	}
}

func TestMultipart(t *testing.T) {
	u := wayWith(t, "long-poll", "      - {on: answer, header: {Content-Type: \"multipart/{_}\"}, split: multipart}\n      - {on: part, message: \"{text}\"}\n")
	for _, c := range []struct{ kind, body, want string }{
		{"multipart/mixed; boundary=B", "--B\r\nContent-Type: text/plain\r\n\r\nm1\r\n--B\r\nContent-Type: application/json\r\n\r\n{\"n\":2}\r\n--B--\r\n", `message m1, message {"n":2}`},
		{`multipart/mixed; x=y; Boundary="B C"`, "preamble\r\n--B C\r\n\r\n\r\n--x\r\n\r\n--B C--", "message \r\n--x\r\n"},
		{"multipart/mixed; boundary=B", "--B--", ""},
		{"multipart/mixed", "--B--", "names no boundary"},
		{"multipart/mixed; boundary=B", "", "has no part"},
		{"multipart/mixed; boundary=B", "--B\r\n\r\nm1", "has no end"},
		{"multipart/mixed; boundary=B", "--B\r\nA: b\r\n--B--", "without the empty line"},
	} {
		u.heard.Reset()
		err := u.Hear(dialect.Unit{Kind: dialect.Answered, Status: 200, Header: header("Content-Type", c.kind), Body: []byte(c.body)}, &u.heard)
		if got := summary(&u.heard); err == nil && got != c.want || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q means %q, %v", c.body, got, err)
		}
	}
}

// TestBounds checks that a server can make a user neither keep nor do more than the bounds allow.
func TestBounds(t *testing.T) {
	for _, c := range []struct{ rules, text, want string }{
		{`- {on: frame, set: {v: "{text}"}}`, strings.Repeat("x", rules.MaxVar+1), "ways.websocket.hear[0], line 10: the variable v would have 4097 bytes: at most 4096 are kept"},
		{`- {on: frame, message: "{text}"}`, strings.Repeat("x", 1<<16+1), "a message has 65537 bytes: at most 65536 are allowed"},
		{`- {on: frame, split: lines}` + "\n" + `      - {on: part}`, strings.Repeat("x\n", rules.MaxParts+1), "a unit has more than 10000 parts"},
		{`- {on: frame, split: lines}` + "\n" + `      - {on: part, reply: {frame: x}}`, strings.Repeat("x\n", rules.MaxReplies+1), "a unit gets more than 16 replies"},
		{`- {on: frame, text: "{a}", stored: "{a}"}`, "-1", `"-1" is no number of a message`},
		{`- {on: frame, text: "{a}", stored: "{a}"}`, "18446744073709551616", `is no number of a message`},
		{`- {on: frame, split: {each: text}}` + "\n" + `      - {on: part}`, "[1,2", `"[1,2" is no JSON array or object`},
		{`- {on: frame, split: {each: text}}` + "\n" + `      - {on: part, text: "1"}`, "[1,2]", `no rule of ways.websocket.hear takes the part "2": add a rule with on: part`},
		{`- {on: frame, text: x}`, strings.Repeat("y", 300), `yyy" and 100 bytes more: add a rule with on: frame`},
	} {
		u := wayWith(t, "websocket", "      "+c.rules+"\n")
		if err := u.Hear(dialect.Unit{Kind: dialect.Frame, Body: []byte(c.text)}, &u.heard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("{%s}: the error is %v, want %s", c.rules, err, c.want)
		}
	}
}

// TestErrors checks what users do after an error.
func TestErrors(t *testing.T) {
	const rule = "      - {on: frame, text: stop, error: stop}\n      - {on: frame, text: repeat, error: repeat, why: \"in a {text}\"}\n      - {on: frame, text: rejoin, error: rejoin}\n"
	frame := func(text string) dialect.Unit { return dialect.Unit{Kind: dialect.Frame, Body: []byte(text)} }
	answer := func(kind dialect.Kind, status int) dialect.Unit { return dialect.Unit{Kind: kind, Status: status} }
	closed := func(code int) dialect.Unit {
		return dialect.Unit{Kind: dialect.Closed, Code: code, Body: []byte("why")}
	}
	const none = transports.Step(-1)
	for _, c := range []struct {
		unit          dialect.Unit
		before, ready transports.Step // what a user does before and after it was ready
		text          string
	}{
		{frame("stop"), transports.Stop, transports.Stop, `the server said "stop"`},
		{frame("repeat"), transports.Repeat, transports.Repeat, `the server said "in a repeat"`},
		{frame("rejoin"), transports.Rejoin, transports.Rejoin, `the server said "rejoin"`},
		{answer(dialect.Opened, 101), none, none, ""},
		{answer(dialect.Opened, 200), none, none, ""},
		{answer(dialect.Opened, 403), transports.Stop, transports.Rejoin, "the server answered 403 Forbidden (it lets no user in: look at its rules for access)"},
		{answer(dialect.Opened, 404), transports.Return, transports.Return, "the server answered 404"},
		{answer(dialect.Answered, 405), transports.Stop, transports.Rejoin, "(does the dialect fit the server?)"},
		{answer(dialect.Answered, 429), transports.Repeat, transports.Repeat, "429 Too Many Requests"},
		{answer(dialect.Answered, 503), transports.Rejoin, transports.Rejoin, "503"},
		{answer(dialect.Answered, 302), transports.Stop, transports.Stop, "302"},
		{answer(dialect.Answered, 304), none, none, ""},
		{answer(dialect.Answered, 204), none, none, ""},
		{answer(dialect.Replied, 200), none, none, ""},
		{answer(dialect.Replied, 400), transports.Stop, transports.Rejoin, "400"},
		{closed(0), none, none, ""},
		{closed(1000), none, none, ""},
		{closed(1001), none, none, ""},
		{closed(1008), transports.Stop, transports.Rejoin, `the server closed the connection with code 1008: "why"`},
		{closed(1012), transports.Rejoin, transports.Rejoin, "1012"},
	} {
		for _, ready := range []bool{false, true} {
			u := wayWith(t, "websocket", rule)
			want := c.before
			if ready {
				u.hears(dialect.Unit{Kind: dialect.Begun}, "ready")
				want = c.ready
			}
			err := u.Hear(c.unit, &u.heard)
			got := none
			if step, ok := errors.AsType[interface {
				error
				Step(transports.Request) transports.Step
			}](err); ok {
				got = step.Step(transports.Handshake)
			}
			if got != want || err == nil != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("ready %t: after %v %d %q the step is %d, want %d; %v", ready, c.unit.Kind, c.unit.Status, c.unit.Body, got, want, err)
			}
		}
	}
	// A gap in the words of pushpull's own server is none here, where places are no numbers.
	u := wayWith(t, "sse", "")
	err := u.Hear(dialect.Unit{Kind: dialect.Answered, Status: 410, Body: []byte(`{"oldest":5}`)}, &u.heard)
	if _, ok := errors.AsType[*transports.StatusError](err); !ok {
		t.Errorf("410 is the error %v", err)
	}
	// An answer to a message that a rule takes, but whose parts say nothing of it.
	u = wayWith(t, "sse", "      - {on: taken, split: lines}\n      - {on: part}\n")
	err = u.Hear(dialect.Unit{Kind: dialect.Taken, Status: 200, Number: 1, Body: []byte("x")}, &u.heard)
	if err == nil || !strings.Contains(err.Error(), "doesn't say whether it is stored") {
		t.Errorf("the error is %v", err)
	}
}

// TestHeaders checks that what a server says can't add a header.
func TestHeaders(t *testing.T) {
	d, err := rules.Parse("test.yaml", []byte(strings.Replace(small, `{on: opened, reply: {frame: "join {room}"}, ready: true}`,
		`{on: opened, ready: true, set: {sid: "{header:Sid}"}, reply: {get: "/x?{sid}", headers: {A: "{sid}b", B: "{sid}"}}}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	u := speak(t, d, "websocket", "")
	u.hears(dialect.Unit{Kind: dialect.Opened, Status: 101, Header: header("Sid", "x\r\nInjected: y\x00 é")}, "reply GET /x?x%0D%0AInjected%3A%20y%00%20%C3%A9 A: xInjected: y éb B: xInjected: y é, ready")
	u.hears(dialect.Unit{Kind: dialect.Opened, Status: 101, Header: header("Sid", "")}, "reply GET /x? A: b, ready")
}

// TestSpeak checks the errors of a conversation that can't begin.
func TestSpeak(t *testing.T) {
	d := server(t, "nchan")
	way := d.Ways()[0]
	for _, from := range []transports.Cursor{"one", "a&b&c", "a&%zz", transports.Cursor("a&" + strings.Repeat("x", rules.MaxVar+1))} {
		if _, err := d.Speak(way, "room1", from); err == nil || !strings.Contains(err.Error(), "bad cursor") {
			t.Errorf("the cursor %.20q has the error %v", from, err)
		}
	}
	if _, err := d.Speak(dialect.Way{Transport: "lines"}, "room1", ""); err == nil {
		t.Error("there is a way lines")
	}
	d, err := rules.Parse("small.yaml", []byte(strings.Replace(small, "${SMALL_KEY:-k}", "${PUSHPULL_MISSING}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Speak(d.Ways()[0], "room1", ""); err == nil || !strings.Contains(err.Error(), "ways.long-poll needs PUSHPULL_MISSING in the environment") {
		t.Errorf("a missing variable has the error %v", err)
	}
}
