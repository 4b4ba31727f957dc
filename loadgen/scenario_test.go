package loadgen

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestBuiltins(t *testing.T) {
	names := Builtins()
	if names[0] != "chat" || len(names) < 5 {
		t.Errorf("the built-in scenarios are %v, want chat first and four more", names)
	}
	for _, name := range names {
		s, err := Builtin(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name != name || s.About == "" {
			t.Errorf("%s.yaml is named %q, about %q", name, s.Name, s.About)
		}
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Builtin("chess"); err == nil || !strings.Contains(err.Error(), "use "+strings.Join(names, ", ")) {
		t.Errorf("an unknown scenario gives %v, want the names of all", err)
	}
	if _, err := Builtin("../scenarios/chat"); err == nil {
		t.Error("a path is taken for a name")
	}
}

func TestParse(t *testing.T) {
	got, err := Parse("all.yaml", []byte(`# every key
name: all
about: "every key: once"
users: 0x20
room_size: 8
senders: 2
rate: 1e-1
size: 1000
warmup: 0s
duration: 1m30s
drain: 1500ms
rounds: 3
seed: 18446744073709551615
transports:
  - short-poll@250ms
  - long-poll
`))
	want := Scenario{
		Name: "all", About: "every key: once", Users: 32, RoomSize: 8, Senders: 2, Rate: .1, Size: 1000,
		Duration: 90 * time.Second, Drain: 1500 * time.Millisecond, Rounds: 3, Seed: math.MaxUint64,
		Transports: []string{"short-poll@250ms", "long-poll"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

// where begins every error of Parse.
var where = regexp.MustCompile(`^[a-z]+\.yaml:[1-9][0-9]*:[1-9][0-9]*: [^ ]`)

// TestParseErrors keeps what each slip in a scenario is answered with: the place, and what to do.
func TestParseErrors(t *testing.T) {
	chat, err := Source("chat")
	if err != nil {
		t.Fatal(err)
	}
	valid := string(chat)
	instead := func(line, other string) string {
		if !strings.Contains(valid, line+"\n") {
			t.Fatalf("chat.yaml has no line %q", line)
		}
		return strings.Replace(valid, line+"\n", other+"\n", 1)
	}
	const transports = "transports: [short-poll@5s, short-poll@1s, long-poll-scan@50ms, long-poll, websocket]"
	var golden strings.Builder
	for _, c := range []struct{ name, data string }{
		{"empty", ""},
		{"comments alone", "# a scenario\n"},
		{"a text", "hello"},
		{"a list", "- users: 2\n"},
		{"not text", "\x00\xff\xfe"},
		{"unknown key", instead("users: 200", "user: 200")},
		{"duplicate key", instead("rate: 0.25", "rate: 0.25\nrate: 1")},
		{"merged keys", "<<: {users: 3}\n" + valid},
		{"second document", valid + "---\nusers: 4\n"},
		{"tab", instead("rate: 0.25", "\trate: 0.25")},
		{"open list", instead(transports, "transports: [long-poll")},
		{"anchor", instead("rate: 0.25", "rate: &rate 0.25")},
		{"alias to nothing", instead("users: 200", "users: *many")},
		{"word for a number", instead("users: 200", "users: many")},
		{"fraction of a user", instead("users: 200", "users: 2.5")},
		{"list for a number", instead("users: 200", "users: [200]")},
		{"nothing for a number", instead("users: 200", "users:")},
		{"huge number", instead("users: 200", "users: 99999999999999999999999")},
		{"too many users", instead("users: 200", "users: 1000002")},
		{"one user", instead("users: 200", "users: 1")},
		{"negative users", instead("users: 200", "users: -2")},
		{"rooms not filled", instead("users: 200", "users: 201")},
		{"large rooms not filled", instead("room_size: 2", "room_size: 150")},
		{"room for one", instead("room_size: 2", "room_size: 1")},
		{"room for more", instead("room_size: 2", "room_size: 201")},
		{"more senders than members", instead("room_size: 2", "room_size: 2\nsenders: 3")},
		{"negative senders", instead("room_size: 2", "room_size: 2\nsenders: -1")},
		{"negative rate", instead("rate: 0.25", "rate: -1")},
		{"no rate", instead("rate: 0.25", "rate: 0")},
		{"rate that is no number", instead("rate: 0.25", "rate: .nan")},
		{"infinite rate", instead("rate: 0.25", "rate: .inf")},
		{"huge rate", instead("rate: 0.25", "rate: 1e999")},
		{"word for a rate", instead("rate: 0.25", "rate: fast")},
		{"too many messages", strings.Replace(instead("duration: 5s", "duration: 24h"), "rate: 0.25", "rate: 2", 1)},
		{"small message", instead("size: 100", "size: 63")},
		{"large message", instead("size: 100", "size: 65537")},
		{"time without unit", instead("duration: 5s", "duration: 5")},
		{"time in words", instead("duration: 5s", "duration: 5 seconds")},
		{"short time", instead("duration: 5s", "duration: 99ms")},
		{"long time", instead("duration: 5s", "duration: 25h")},
		{"negative time", instead("warmup: 1s", "warmup: -1s")},
		{"negative drain", instead("drain: 10s", "drain: -1s")},
		{"no rounds", instead("rounds: 2", "rounds: 0")},
		{"negative seed", instead("seed: 1", "seed: -1")},
		{"no name", instead("name: chat", "name:")},
		{"name of a path", instead("name: chat", "name: ../chat")},
		{"number for a name", instead("name: chat", "name: 1")},
		{"no transports", instead(transports, "transports: []")},
		{"transport for a list", instead(transports, "transports: websocket")},
		{"unknown transport", instead(transports, "transports: [carrier-pigeon]")},
		{"transport with a bad interval", instead(transports, "transports: [long-poll, short-poll@5]")},
		{"transport with an interval that it has not", instead(transports, "transports: [websocket@5s]")},
		{"transport twice", instead(transports, "transports: [websocket, long-poll, websocket]")},
		{"too long", strings.Repeat("# long\n", 3000)},
	} {
		s, err := Parse("bad.yaml", []byte(c.data))
		if err == nil {
			t.Errorf("%s is read as %+v", c.name, s)
			continue
		}
		if !where.MatchString(err.Error()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s gives %q, which doesn't begin with its place or is more than a line", c.name, err)
		}
		fmt.Fprintf(&golden, "%s\n\t%v\n", c.name, err)
	}
	compare(t, "scenario-errors.txt", golden.String())
}

// compare holds got against a golden file.
func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, wanted := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(lines), len(wanted)) {
		if i >= len(lines) || i >= len(wanted) || lines[i] != wanted[i] {
			t.Errorf("%s:%d differs; -update writes it anew\ngot  %q\nwant %q", path, i+1, lines[min(i, len(lines)-1)], wanted[min(i, len(wanted)-1)])
			return
		}
	}
}

// TestRoomsThatWouldFit follows the advice that an error gives.
func TestRoomsThatWouldFit(t *testing.T) {
	s := rooms10
	for _, c := range []struct {
		users, room int
		want        []int
	}{
		{41, 10, []int{40, 50}},
		{15, 10, []int{10, 20}},
		{199, 100, []int{100, 200}},
	} {
		s.Users, s.RoomSize = c.users, c.room
		var field *FieldError
		if err := s.Validate(); !errors.As(err, &field) || field.Key != "users" {
			t.Errorf("%d users in rooms of %d: %v", c.users, c.room, err)
			continue
		}
		var fits []int
		for _, word := range regexp.MustCompile(`use (\d+) or (\d+)`).FindStringSubmatch(field.Text)[1:] {
			fmt.Sscan(word, &s.Users)
			fits = append(fits, s.Users)
			if err := s.Validate(); err != nil {
				t.Errorf("following %q: %v", field.Text, err)
			}
		}
		if !slices.Equal(fits, c.want) {
			t.Errorf("%d users in rooms of %d: %v would fit, want %v", c.users, c.room, fits, c.want)
		}
	}
}

func TestScenarioIsKeptInTheResult(t *testing.T) {
	s, err := Builtin("broadcast")
	if err != nil {
		t.Fatal(err)
	}
	kept := s.Result("http://there")
	if kept.RoomSize != s.Users || kept.Senders != 1 || kept.WarmupS != 1 || kept.DurationS != 5 || kept.DrainS != 10 ||
		kept.Rate != 2 || kept.Target != "http://there" || !slices.Equal(kept.Transports, s.Transports) {
		t.Errorf("kept as %+v", kept)
	}
	s.Senders = 0
	if kept := s.Result(""); kept.Senders != s.Users {
		t.Errorf("all of them talk, kept as %d", kept.Senders)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Builtins() {
		data, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, hostile := range []string{
		"", "---\n---\n", "a: &a [*a]\n", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nabout: *c\n", "<<: *x\n",
		"users: !!float 2\n", "? [users]\n: 2\n", "name: !!binary AAAA\n", "\tusers: 2\n", "users:\t2\n", "name: |\n  x\n",
		strings.Repeat("[", 1000), strings.Repeat("{a: ", 300), strings.Repeat("- ", 300), strings.Repeat("&a ", 300),
	} {
		f.Add([]byte(hostile))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz.yaml", data)
		if err != nil {
			if !where.MatchString(err.Error()) {
				t.Fatalf("%q doesn't begin with its place", err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("read, but %v", err)
		}
	})
}
