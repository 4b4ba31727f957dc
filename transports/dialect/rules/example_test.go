package rules_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
	"pushpull/transports/strictyaml"
)

func example(t testing.TB) *rules.Dialect {
	t.Helper()
	d, err := rules.Parse("example.yaml", rules.Example())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestKeys checks that every key is explained, and that the example shows it.
func TestKeys(t *testing.T) {
	example := rules.Example()
	seen := map[string]bool{}
	for _, k := range rules.Keys() {
		if k.Type == "" || k.Text == "" || k.Example == "" || strings.ContainsAny(k.Text+k.Type+k.Example, "\n|") {
			t.Errorf("the key %s of a %s is not explained in a line without |: %+v", k.Name, k.Where, k)
		}
		if _, err := strictyaml.Document(k.Example, strictyaml.Words{Shape: "is not YAML"}); err != nil {
			t.Errorf("the example of the key %s of a %s: %v", k.Name, k.Where, err)
		}
		if seen[k.Where+k.Name] {
			t.Errorf("the key %s of a %s is there twice", k.Name, k.Where)
		}
		seen[k.Where+k.Name] = true
		if k.Where != "value" && k.Where != "function" && !bytes.Contains(example, []byte(k.Name+":")) {
			t.Errorf("the example doesn't show the key %s of a %s", k.Name, k.Where)
		}
		if !strings.Contains(strings.ToLower(k.Example), strings.TrimSuffix(k.Name, "NAME")) && k.Name != ".path" && k.Name != "NAME" {
			t.Errorf("the example of the key %s of a %s is %s", k.Name, k.Where, k.Example)
		}
	}
	for _, where := range []string{"file", "way", "request", "rule", "split"} {
		if !slices.ContainsFunc(rules.Keys(), func(k rules.Key) bool { return k.Where == where }) {
			t.Errorf("a %s has no keys", where)
		}
	}
}

// TestReadme checks that the tables of README.md are those of the keys.
func TestReadme(t *testing.T) {
	const begin, end = "<!-- keys -->\n", "<!-- end of keys -->\n"
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(readme), begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatal("README.md has no place for the keys")
	}
	titles := map[string]string{
		"file": "The file", "way": "A way", "request": "A request", "rule": "A rule", "split": "A split", "sign": "A signature",
		"value": "Values of templates and conditions", "function": "Functions of templates, like {json:body}",
	}
	var tables strings.Builder
	where := ""
	for _, k := range rules.Keys() {
		if k.Where != where {
			where = k.Where
			head := "Type"
			if where == "value" {
				head = "Where"
			}
			fmt.Fprintf(&tables, "\n### %s\n\n| Name | %s | Meaning | Example |\n|---|---|---|---|\n", titles[where], head)
		}
		fmt.Fprintf(&tables, "| `%s` | %s | %s | `%s` |\n", k.Name, k.Type, k.Text, k.Example)
	}
	want := before + begin + tables.String() + "\n" + end + after
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(readme) != want {
		t.Error("the tables of README.md are not those of the keys; run the test with -update")
	}
}

// TestExample speaks as the comments of the example say.
func TestExample(t *testing.T) {
	d := example(t)
	u := speak(t, d, "short-poll", "")
	u.hears(dialect.Unit{Kind: dialect.Begun}, "ready")
	u.same(u.Ask(), "GET /rooms/room1/messages X-Api-Key: for tests")
	u.hears(dialect.Unit{Kind: dialect.Answered, Status: 200, Body: []byte(`{"messages":[{"id":18,"text":"hello"},{"id":19,"text":"bye"}],"more":false}`)}, "message hello, message bye")
	u.hears(dialect.Unit{Kind: dialect.Answered, Status: 200, Body: []byte(`{"messages":[{"id":20,"text":"a\"b"}],"more":true}`)}, `message a"b, more`)
	u.same(u.Ask(), "GET /rooms/room1/messages?after=20 X-Api-Key: for tests")
	u.hears(dialect.Unit{Kind: dialect.Answered, Status: 200, Body: []byte(`{"messages":[]}`)}, "")
	u.hears(dialect.Unit{Kind: dialect.Taken, Number: 1, Status: 201}, "stored 1")
	u.hears(dialect.Unit{Kind: dialect.Taken, Number: 2, Status: 400, Body: []byte(`{"error":"too long"}`)}, `refused 2 the server answered 400 Bad Request: "too long"`)

	u = speak(t, d, "long-poll", "")
	u.same(u.Ask(), "POST /poll  | ")
	u.hears(dialect.Unit{Kind: dialect.Answered, Status: 200, Body: []byte("session 4711")}, `reply PUT /poll/4711/join  | {"room":"room1"}`)
	u.hears(dialect.Unit{Kind: dialect.Replied, Status: 200, Body: []byte("ok")}, "ready")
	u.same(u.Ask(), "GET /poll/4711 ")
	u.same(u.Say(1, []byte("hi")), "POST /poll/4711/messages X-Number: 1 | hi")
	u.hears(dialect.Unit{Kind: dialect.Taken, Number: 1, Status: 200}, "kept")
	u.hears(dialect.Unit{Kind: dialect.Answered, Status: 200, Header: header("Content-Type", "text/plain"), Body: []byte("m 18 hello you\x1ea 1")}, "message hello you, stored 1")
	lines := strings.Split(string(rules.Example()), "\n")
	for i, took := range strings.Split(u.Speech.(interface{ Took() string }).Took(), "; ") {
		var rule, line int
		if _, err := fmt.Sscanf(took, "ways.long-poll.hear[%d], line %d", &rule, &line); err != nil || rule != 3+i || !strings.HasPrefix(lines[line-1], "      - ") {
			t.Errorf("%q took part %d", took, i)
		}
	}

	u = speak(t, d, "sse", "")
	u.hears(dialect.Unit{Kind: dialect.Opened, Status: 200}, "ready")
	u.hears(dialect.Unit{Kind: dialect.Event, ID: "7", Body: []byte("hello")}, "message hello")
	u.hears(dialect.Unit{Kind: dialect.Event, Event: "lost"}, "gap")
	u.hears(dialect.Unit{Kind: dialect.Event, Event: "noise", Body: []byte("x")}, "")
	u.same(u.Ask(), "GET /rooms/room1/events Last-Event-Id: 7")

	u = speak(t, d, "websocket", "")
	if r := u.Ask(); !r.Before || asked(r) != "POST /tickets " {
		t.Errorf("asks %+v", r)
	}
	u.hears(dialect.Unit{Kind: dialect.Answered, Status: 201, Body: []byte("a/b")}, "")
	if r := u.Ask(); r.Before || asked(r) != "GET /socket?ticket=a%2Fb " {
		t.Errorf("asks %+v", r)
	}
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"joined":"room1"}` + "\nping")}, "reply frame pong, ready")
	u.same(u.Say(1, []byte(`"hi"`)), `frame {"to":"room1","payload":"{\"number\":1,\"text\":\"\\\"hi\\\"\"}"}`)
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"ack":true}`)}, "oldest 1")
	u.hears(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"to":"room1","text":"hi"}`)}, "message hi")
	if err := u.Hear(dialect.Unit{Kind: dialect.Frame, Body: []byte(`{"error":"go away"}`)}, &u.heard); fmt.Sprint(err) != `the server said "go away"` {
		t.Errorf("the error is %v", err)
	}
}

// TestLoad reads a file as an editor on Windows saves it.
func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	saved := "\ufeff" + strings.ReplaceAll(string(rules.Example()), "\n", "\r\n")
	if err := os.WriteFile(path, []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rules.Load(path); err != nil {
		t.Error(err)
	}
	if _, err := rules.Load(filepath.Dir(path)); err == nil {
		t.Error("a directory is a dialect")
	}
	deep := "name: a\nways: " + strings.Repeat("[", 60_000)
	if _, err := rules.Parse("deep.yaml", []byte(deep)); err == nil {
		t.Error("60,000 brackets are a dialect")
	}
}
