package rules_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pushpull/transports/dialect/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// small is a dialect without mistakes.
const small = `name: small
title: Small
health: /health
ways:
  long-poll:
    hold: 30s
    lacks: [gaps]
    vars: {last: "", key: "${SMALL_KEY:-k}"}
    cursor: [last]
    let: {inner: '{"b":{json:body}}'}
    ask: {get: "/sub/{room}", headers: {X-Last: "{last}"}}
    say: {post: "/pub/{room}", body: "{json:inner}"}
    hear:
      - {on: begun, ready: true}
      - {on: answer, text: "{id_}:{rest}", set: {last: "{id_}"}, message: "{rest}"}
      - {on: taken, status: 200, stored: said}
  websocket:
    lacks: [replay, resume]
    vars: {sid: ""}
    ask: {get: "/socket"}
    say: {frame: "{n} {body}"}
    hear:
      - {on: opened, reply: {frame: "join {room}"}, ready: true}
      - {on: frame, split: lines, into: line}
      - {on: line, text: "ok {number}", stored: "{number}"}
      - {on: line, json: {.room: "{room}"}, message: "{.body}"}
`

// TestSlips makes one mistake at a time, and compares the errors with a golden file. Each mistake replaces a text of
// small by another one.
func TestSlips(t *testing.T) {
	if _, err := rules.Parse("small.yaml", []byte(small)); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, slip := range slips() {
		if strings.Count(small, slip.from) != 1 {
			t.Fatalf("%q is there %d times", slip.from, strings.Count(small, slip.from))
		}
		_, err := rules.Parse("small.yaml", []byte(strings.Replace(small, slip.from, slip.to, 1)))
		if err == nil {
			t.Errorf("%q in place of %q is no mistake", slip.to, slip.from)
		}
		if strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("%q has an error of several lines: %v", slip.to, err)
		}
		fmt.Fprintf(&got, "%.100q\n\t%v\n", slip.to, err)
	}
	const golden = "testdata/slips.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("the errors differ from %s; look at them and run the test with -update:\n%s", golden, got.String())
	}
}

type slip struct{ from, to string }

func slips() []slip {
	whole := func(text string) slip { return slip{small, text} }
	const (
		answer = `on: answer, text: "{id_}:{rest}", set: {last: "{id_}"}, message: "{rest}"`
		taken  = `on: taken, status: 200, stored: said`
		opened = `on: opened, reply: {frame: "join {room}"}, ready: true`
		frame  = `on: frame, split: lines, into: line`
		line   = `on: line, json: {.room: "{room}"}, message: "{.body}"`
		ask    = `ask: {get: "/sub/{room}", headers: {X-Last: "{last}"}}`
		say    = `say: {post: "/pub/{room}", body: "{json:inner}"}`
	)
	return []slip{
		// The file.
		whole(""),
		whole("# nothing\n"),
		whole("name: a\n---\nname: b\n"),
		whole("- a\n- b\n"),
		whole("just text"),
		whole("{\"name\": \"a\", \"ways\": [}"),
		whole("name: a\n\tways: 1\n"),
		whole("\xff\xfe"),
		whole("title: A\n"),
		whole("name: a\n"),
		whole("name: a\nways: {}\n"),
		whole("name: a\nways: [sse]\n"),
		whole("name: a\n" + strings.Repeat("# too long\n", 7000)),
		{"name: small", "name: Small Server"},
		{"name: small", "name:"},
		{"name: small", "nane: small"},
		{"name: small", "name: small\nname: twice"},
		{"name: small", "name: &a small"},
		{"name: small", "name: [small]"},
		{"name: small", "<<: small"},
		{"health: /health", "health: health"},
		{"health: /health", "every: 1s"},

		// A way.
		{"  long-poll:", "  longpoll:"},
		{"  websocket:", "  long-poll:"},
		{"hold: 30s", "hold: 30"},
		{"    hold: 30s\n", ""},
		{"hold: 30s", "every: 30s"},
		{"hold: 30s", "hold: 30s\n    heartbeat: 5s"},
		{"hold: 30s", "hold: 2h"},
		{"hold: 30s", "hold: 30s\n    batch: 0"},
		{"lacks: [replay, resume]", "lacks: [replay, resume]\n    batch: 5"},
		{"lacks: [gaps]", "lacks: [gap]"},
		{"lacks: [gaps]", "lacks: [gaps, gaps]"},
		{"lacks: [gaps]", "lacks: [echo]"},
		{"lacks: [replay, resume]", "lacks: [replay]"},
		{"    cursor: [last]\n", ""},
		{"cursor: [last]", "cursor: [lost]"},
		{"cursor: [last]", "cursor: [last, last]"},
		{`vars: {sid: ""}`, `vars: {token: "s3cret"}`},
		{`vars: {sid: ""}`, `vars: {Sid: ""}`},
		{`vars: {sid: ""}`, `vars: {room: ""}`},
		{`vars: {sid: ""}`, `vars: {json: ""}`},
		{`vars: {sid: ""}`, `vars: {sid: "{other}"}`},
		{`vars: {sid: ""}`, `vars: {sid: "{body}"}`},
		{`vars: {sid: ""}`, `vars: {sid: "${small_key}"}`},
		{`vars: {sid: ""}`, "vars:\n      a: \"\"" + many("      %s: \"\"", 33)},
		{`let: {inner: '{"b":{json:body}}'}`, `let: {last: x}`},
		{`let: {inner: '{"b":{json:body}}'}`, `let: {inner: '{later}', later: x}`},
		{`let: {inner: '{"b":{json:body}}'}`, `let: {inner: '{inner}'}`},
		{"    " + ask + "\n", ""},
		{"    " + say + "\n", ""},

		// A request.
		{ask, `ask: []`},
		{ask, `ask: {get: "/a", put: "/b"}`},
		{ask, `ask: {headers: {A: b}}`},
		{ask, `ask: {frame: "x"}`},
		{ask, `ask: {get: "sub"}`},
		{ask, `ask: {get: "/a b"}`},
		{ask, `ask: {get: "/a?x=1&access_token=s3cret"}`},
		{ask, `ask: {get: /sub/{room}}`},
		{ask, `ask: /sub/{room}`},
		{ask, "ask:\n      post: /a\n      body: {\"a\":{json:body}}"},
		{ask, `ask: {get: "/a[? b{last}?]"}`},
		{ask, `ask: {get: "/a", body: x}`},
		{ask, `ask: {get: "/a", when: last}`},
		{ask, `ask: [{get: "/a"}, {get: "/b"}]`},
		{ask, `ask: {get: "/a", headers: {Authorization: "Bearer s3cret"}}`},
		{ask, `ask: {get: "/a", headers: {X-Api-Key: "s3cret"}}`},
		{ask, `ask: {get: "/a", headers: {Content-Length: "5"}}`},
		{ask, `ask: {get: "/a", headers: {a: b, A: c}}`},
		{ask, `ask: {get: "/a", headers: {"a b": c}}`},
		{ask, `ask: {get: "/a", headers: {A: "b\nc"}}`},
		{ask, `ask: {get: "/{rom}"}`},
		{ask, `ask: {get: "/{body}"}`},
		{ask, `ask: {get: "/{inner}"}`},
		{ask, `ask: {get: "/{.a.b}"}`},
		{ask, `ask: {get: "/{header:Etag}"}`},
		{ask, `ask: {get: "/{jsn:room}"}`},
		{ask, `ask: {get: "/{json:query:base64:room}"}`},
		{ask, `ask: {get: "/a[?b?]"}`},
		{ask, `ask: {get: "/a[?{last}"}`},
		{ask, `ask: {get: "/a[?[?{last}?]?]"}`},
		{ask, `ask: {get: "/${lower}"}`},
		{ask, `ask: {post: "/a", body: "${SMALL_KEY}"}`},
		{`say: {frame: "{n} {body}"}`, `say: [{frame: "x", when: sid}, {post: "/pub"}]`},
		{`say: {frame: "{n} {body}"}`, `say: {frame: "x", body: "y"}`},
		{`ask: {get: "/socket"}`, `ask: {frame: "x"}`},
		{`ask: {get: "/socket"}`, `ask: {get: "/socket", sign: {service: execute-api}}`},
		{`ask: {get: "/socket"}`, `ask: {get: "/socket", sign: {service: execute-api, region: "{room}"}}`},
		{`ask: {get: "/socket"}`, `ask: {get: "/socket", sign: aws4}`},

		{`ask: {get: "/socket"}`, `ask: {get: "/socket", before: true}`},
		{ask, `ask: [{get: "/a", when: last, before: true}, {get: "/b"}]`},
		{say, `say: {post: "/pub", before: true}`},

		// A rule.
		{"on: begun, ready: true", "ready: true"},
		{"on: begun, ready: true", "on: begun"},
		{"on: begun, ready: true", "on: begun, ready: yes"},
		{"on: begun, ready: true", "on: begin, ready: true"},
		{"on: begun, ready: true", "on: event, ready: true"},
		{"on: begun, ready: true", "on: begun, text: x, ready: true"},
		{"on: begun, ready: true", "on: begun, status: 200, ready: true"},
		{"on: begun, ready: true", "on: begun, message: x, ready: true"},
		{"on: begun, ready: true", "on: begun, when: .a, ready: true"},
		{answer, `on: answer, status: 6xx, message: "{text}"`},
		{answer, `on: answer, status: ok, message: "{text}"`},
		{answer, `on: answer, event: x, message: "{text}"`},
		{answer, `on: answer, match: "(", message: "{text}"`},
		{answer, `on: answer, match: "(?P<last>.*)", message: "{text}"`},
		{answer, `on: answer, match: "(?P<A>.*)", message: "{text}"`},
		{answer, `on: answer, match: "` + strings.Repeat("x", 1025) + `", message: "{text}"`},
		{answer, `on: answer, json: {id: 1}, message: "{text}"`},
		{answer, `on: answer, json: {.a..b: 1}, message: "{text}"`},
		{answer, `on: answer, when: .a..b, message: "{text}"`},
		{answer, `on: answer, when: "no value", message: "{text}"`},
		{answer, `on: answer, unless: latest, message: "{text}"`},
		{answer, `on: answer, text: "{rom}:{_}", message: "{text}"`},
		{answer, `on: answer, text: "{a}{b}", message: "{a}{b}"`},
		{answer, `on: answer, text: "{a}:{a}", message: "{a}"`},
		{answer, `on: answer, text: "{text}", message: "{text}"`},
		{answer, `on: answer, text: "{json:a}", message: "{text}"`},
		{answer, `on: answer, text: "${A}", message: "{text}"`},
		{answer, `on: answer, text: "` + many("{%s}.", 17) + `", message: "{text}"`},
		{answer, `on: answer, message: {text}`},
		{answer, `on: answer, message: "{txt}"`},
		{answer, `on: answer, message: "{id}"`},
		{answer, `on: answer, set: {lst: "1"}, message: "{text}"`},
		{answer, `on: answer, message: "{text}", split: lines`},
		{answer, `on: answer, split: line`},
		{answer, `on: answer, split: {}`},
		{answer, `on: answer, split: {separator: ""}`},
		{answer, `on: answer, split: {separator: ",", each: text}`},
		{answer, `on: answer, split: {each: txt}`},
		{answer, `on: answer, split: lines, into: answer`},
		{answer, `on: answer, message: "{text}", into: line`},
		{answer, `on: answer, message: "{text}", reply: {frame: x}`},
		{answer, `on: answer, message: "{text}", reply: {get: /x, when: last}`},
		{answer, `on: answer, message: "{text}", reply: [` + many("{get: /%s},", 17) + `{get: /x}]`},
		{answer, `on: answer, stored: said, message: "{text}"`},
		{answer, `on: answer, stored: "7", message: "{text}"`},
		{answer, `on: answer, kept: true, message: "{text}"`},
		{answer, `on: answer, refused: oldest, message: "{text}"`},
		{answer, `on: answer, why: "{text}", message: "{text}"`},
		{answer, `on: answer, error: stop, message: "{text}"`},
		{answer, `on: answer, error: halt`},
		{answer, `on: answer, text: "{a}:{_}", message: "{text}"`},
		{answer, `on: answer`},
		{"      - {on: begun, ready: true}", "      - {on: begun}\n      - {on: begun, ready: true}"},
		{taken, `on: taken, status: 200`},
		{taken, `on: taken, stored: said, refused: said`},
		{taken, `on: taken, stored: said, kept: true`},
		{taken, `on: taken, stored: said, message: "{text}"`},
		{taken, `on: replied, reply: {get: /x}`},
		{opened, `on: opened, text: x, ready: true, more: true`},
		{opened, `on: taken, stored: said`},
		{frame, `on: frame, split: multipart, into: line`},
		{frame, `on: frame, split: lines`},
		{line, `on: line, split: lines, into: line`},
		{line, `on: line, messages: "{.body}"`},
		{line, `on: line, message: "{.body}", header: {A: b}`},
		{"stored: \"{number}\"", `message: "{number}"`},
		{"    hear:\n      - {on: begun, ready: true}", "    hear: {on: begun, ready: true}\n    x:\n      - {on: begun, ready: true}"},
		{"      - {on: begun, ready: true}", "      - {on: begun, ready: true}\n" + strings.Repeat("      - {on: answer, text: x}\n", 64) + "      - {on: answer, text: x}"},
		{"      - {on: begun, ready: true}", "      - begun"},
	}
}

// many repeats a text with a new name each time.
func many(format string, n int) string {
	var all strings.Builder
	for i := range n {
		if strings.HasPrefix(format, " ") {
			all.WriteByte('\n')
		}
		fmt.Fprintf(&all, format, "v"+strings.Repeat("x", i))
	}
	return all.String()
}
