package loadgen

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/token"
	"golang.org/x/text/encoding"
	encodings "golang.org/x/text/encoding/unicode"

	"pushpull/loadgen/input"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/transports/all"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The largest values in a valid scenario.
var (
	maxUsers    = int(knob("users").Max)
	maxSize     = int(knob("size").Max)
	maxDuration = result.Seconds(knob("duration").Max).Duration()
)

func knob(key string) result.Knob {
	knobs := result.Knobs()
	return knobs[slices.IndexFunc(knobs, func(k result.Knob) bool { return k.Key == key })]
}

// TestSmallestMessage checks that the smallest message can hold a stamp.
func TestSmallestMessage(t *testing.T) {
	if least := knob("size").Min; least != minSize {
		t.Errorf("messages may be as small as %v bytes, a stamp needs %d", least, minSize)
	}
}

func TestBuiltins(t *testing.T) {
	names := Builtins()
	if names[0] != "chat" || len(names) < 5 {
		t.Errorf("the built-in scenarios are %v, want chat first and at least four more", names)
	}
	for _, name := range names {
		s, err := Builtin(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name != name || s.About == "" {
			t.Errorf("%s.yaml has name %q and about %q", name, s.Name, s.About)
		}
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Builtin("chess"); err == nil || !strings.Contains(err.Error(), "use "+strings.Join(names, ", ")) {
		t.Errorf("an unknown scenario gives %v, want the names of all", err)
	}
	if _, err := Builtin("../scenarios/chat"); err == nil {
		t.Error("a path is accepted as a name")
	}
}

func TestParse(t *testing.T) {
	got, err := Parse("all.yaml", []byte(`# every key
name: all
about: "every key: once"
users: 0032
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
		Duration: 90, Drain: 1.5, Rounds: 3, Seed: math.MaxUint64,
		Transports: []string{"short-poll@250ms", "long-poll"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

// TestParseEncodings reads a scenario as editors on Windows and old Macs save it, and checks the position
// of a mistake in it.
func TestParseEncodings(t *testing.T) {
	chat, err := Builtin("chat")
	if err != nil {
		t.Fatal(err)
	}
	chat.Name, chat.About = "café", "日本語 🙂"
	source, err := yaml.Marshal(chat)
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace("# a comment\n\n"+string(source), "\nsize: 100", "\nsize: 1e2 # 🙂", 1)
	line := 2 + strings.Count(wrong[:strings.Index(wrong, "\nsize:")], "\n")
	for name, e := range map[string]encoding.Encoding{
		"UTF-8": encodings.UTF8, "UTF-8 with a mark": encodings.UTF8BOM,
		"UTF-16BE": encodings.UTF16(encodings.BigEndian, encodings.IgnoreBOM), "UTF-16BE with a mark": encodings.UTF16(encodings.BigEndian, encodings.UseBOM),
		"UTF-16LE": encodings.UTF16(encodings.LittleEndian, encodings.IgnoreBOM), "UTF-16LE with a mark": encodings.UTF16(encodings.LittleEndian, encodings.UseBOM),
	} {
		for _, end := range []string{"\n", "\r\n", "\r"} {
			parse := func(text string) (Scenario, error) {
				data, err := e.NewEncoder().Bytes([]byte(strings.ReplaceAll(text, "\n", end)))
				if err != nil {
					t.Fatal(err)
				}
				return Parse("mine.yaml", data)
			}
			if got, err := parse(string(source)); err != nil || !reflect.DeepEqual(got, chat) {
				t.Errorf("%s with %q is read as %+v, %v", name, end, got, err)
			}
			want := fmt.Sprintf("mine.yaml:%d:7: size must be a whole number, like 200", line)
			if _, err := parse(wrong); err == nil || err.Error() != want {
				t.Errorf("%s with %q: %v, want %s", name, end, err, want)
			}
		}
	}
}

// TestParseNumbers checks that every number of a scenario is read as input reads numbers.
func TestParseNumbers(t *testing.T) {
	for _, k := range result.Knobs() {
		for text, want := range map[string]string{
			"010": "10", "0o12": "10", "0xA": "10", "+10": "10",
			"'10'": "", "0b1010": "", "1_0": "", "0:10": "", "10 # ten": "10", "yes": "", "!!int 10": "", "&ten 10": "", "|\n  10": "", "[10]": "",
		} {
			var s result.Scenario
			field := k.Field(&s)
			switch field.(type) {
			case *int, *uint64, *float64:
			default:
				continue
			}
			body, err := mapping(k.Key + ": " + text + "\n")
			if err != nil {
				t.Fatal(err)
			}
			err = decode(body, (*Scenario)(&s), map[string]*token.Token{})
			if got := fmt.Sprint(reflect.ValueOf(field).Elem()); (err == nil) != (want != "") || err == nil && got != want {
				t.Errorf("%s: %s is %s, %v, want %s", k.Key, text, got, err, want)
			}
		}
	}
}

// TestForeignFiles checks that the file of each other program is named in one line, without a word of
// the decoders.
func TestForeignFiles(t *testing.T) {
	samples, err := filepath.Glob("input/testdata/*")
	if err != nil || len(samples) < 50 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		format := input.Identify(data)
		want := "file.yaml:1:1: " + format.NotScenario()
		switch format.Key {
		case "pushpull-scenario":
			if _, err := Parse("file.yaml", data); err != nil {
				t.Error(err)
			}
			continue
		case "empty":
			want = "file.yaml:1:1: the scenario is empty: see pushpull scenarios chat for one to start from"
		}
		if _, err := Parse("file.yaml", data); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
		if _, err := Parse("file.yaml", append(data, strings.Repeat("\n# padding", MaxSource)...)); err == nil || format.Key != "empty" && err.Error() != want {
			t.Errorf("%s, but long: %v, want %s", path, err, want)
		}
	}
}

// A person who tries pushpull run should not have to wait much longer than a minute.
func TestDefaultIsShort(t *testing.T) {
	chat, err := Builtin("chat")
	if err != nil {
		t.Fatal(err)
	}
	turns, _ := Options{Sides: make([]Side, 1)}.visits(chat, []*attempts{{}})
	if took := left(chat, turns, 0, nil); took > 82*time.Second {
		t.Errorf("a run of chat takes about %v", took)
	}
	measured := 0
	for round := 1; round <= chat.Rounds; round++ {
		plan := NewPlan(chat, round)
		for _, send := range plan.Sends {
			if plan.Measured(send) {
				measured++
			}
		}
	}
	if p99, ok := result.MetricOf("p99"); !ok || measured < p99.Samples {
		t.Errorf("%d messages for each transport, too few for a p99, which takes %d", measured, p99.Samples)
	}
}

// where matches the position that begins every error of Parse.
var where = regexp.MustCompile(`^[a-z]+\.yaml:[1-9][0-9]*:[1-9][0-9]*: [^ ]`)

// TestParseErrors compares the error for each mistake in a scenario with a golden file: its position,
// and what to do.
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
	const transports = "transports: [short-poll@3s, short-poll@1s, long-poll-scan@50ms, long-poll, sse, websocket, websocket-lean]"
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
		{"too many messages", strings.Replace(instead("duration: 1500ms", "duration: 24h"), "rate: 0.25", "rate: 2", 1)},
		{"small message", instead("size: 100", "size: 63")},
		{"large message", instead("size: 100", "size: 65537")},
		{"time without unit", instead("duration: 1500ms", "duration: 5")},
		{"time in words", instead("duration: 1500ms", "duration: 5 seconds")},
		{"short time", instead("duration: 1500ms", "duration: 99ms")},
		{"long time", instead("duration: 1500ms", "duration: 25h")},
		{"negative time", instead("warmup: 400ms", "warmup: -1s")},
		{"negative drain", instead("drain: 10s", "drain: -1s")},
		{"time in minutes and seconds", instead("duration: 1500ms", "duration: 1:30")},
		{"binary of YAML 1.1", instead("users: 200", "users: 0b11")},
		{"thousands", instead("users: 200", "users: 1_000")},
		{"power of ten", instead("users: 200", "users: 2e2")},
		{"number in quotes", instead("users: 200", `users: "200"`)},
		{"tag", instead("users: 200", "users: !!int 200")},
		{"boolean for a name", instead("name: chat", "name: true")},
		{"number in the list", instead(transports, "transports: [long-poll, 1]")},
		{"list in the list", instead(transports, "transports: [[long-poll]]")},
		{"list in quotes", instead(transports, `transports: "long-poll, websocket"`)},
		{"colon in a text", instead("rate: 0.25", "about: pairs: many")},
		{"open quotes", instead("name: chat", `name: "chat`)},
		{"unknown escape", instead("name: chat", `name: "\chat"`)},
		{"reserved character", instead("name: chat", "name: @chat")},
		{"open braces", "{" + valid},
		{"indented", instead("rate: 0.25", "  rate: 0.25")},
		{"text without a key", instead("rate: 0.25", "rate 0.25")},
		{"not UTF-8", instead("name: chat", "name: caf\xe9")},
		{"control character", instead("name: chat", "name: ch\x07at")},
		{"colon in a name", instead("name: chat", `name: "chat:v2?"`)},
		{"long name", instead("name: chat", "name: "+strings.Repeat("a", 300))},
		{"blank at the end of a name", instead("name: chat", `name: "chat "`)},
		{"name of a device", instead("name: chat", "name: Aux.chat")},
		{"invisible character in a name", instead("name: chat", `name: "ch\u202eat"`)},
		{"no rounds", instead("rounds: 4", "rounds: 0")},
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
		{"unknown network", instead("rate: 0.25", "network: 5g")},
		{"number for a network", instead("rate: 0.25", "network: 5")},
		{"list for a network", instead("rate: 0.25", "network: [lan]")},
		{"unknown key of a network", instead("rate: 0.25", "network: {rtt: 80ms, latency: 5ms}")},
		{"bad value of a network", instead("rate: 0.25", "network:\n  rtt: 80ms\n  up: 5")},
		{"key of a network twice", instead("rate: 0.25", "network: {rtt: 80ms, rtt: 5ms}")},
		{"list in a network", instead("rate: 0.25", "network: {rtt: [80ms]}")},
		{"impossible network", instead("rate: 0.25", "network: {rtt: 80ms, jitter: 100ms}")},
		{"network that changes nothing", instead("rate: 0.25", "network: {rtt: 0s}")},
		{"too long", strings.Repeat("# long\n", 3000)},
	} {
		s, err := Parse("bad.yaml", []byte(c.data))
		if err == nil {
			t.Errorf("%s is parsed as %+v", c.name, s)
			continue
		}
		if !where.MatchString(err.Error()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s gives %q, which doesn't begin with a position or is more than one line", c.name, err)
		}
		fmt.Fprintf(&golden, "%s\n\t%v\n", c.name, err)
	}
	// What is on the lists of transports and knobs is no part of an error's words.
	var keys []string
	for _, k := range result.Knobs() {
		keys = append(keys, k.Key)
	}
	listed := strings.NewReplacer(strings.Join(all.Names(), ", "), "TRANSPORTS", strings.Join(keys, ", "), "KEYS")
	compare(t, "scenario-errors.txt", listed.Replace(golden.String()))
}

// compare compares got with a golden file.
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
			t.Errorf("%s:%d differs; -update rewrites it\ngot  %q\nwant %q", path, i+1, lines[min(i, len(lines)-1)], wanted[min(i, len(wanted)-1)])
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

// TestScenarioYAML writes random scenarios as YAML and reads them back.
func TestScenarioYAML(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	between := func(least, most int) int { return least + random.IntN(most-least+1) }
	span := func(least, most time.Duration) result.Seconds {
		return result.SecondsOf(least + time.Duration(random.Int64N(int64(most-least))))
	}
	for range 200 {
		room := between(2, 20)
		written := Scenario{
			Name: "drawn", About: "a: \"b\"\n# c", Users: room * between(1, 20), RoomSize: room, Senders: between(0, room),
			Rate: random.ExpFloat64(), Size: between(minSize, maxSize), Warmup: span(0, time.Minute),
			Duration: span(time.Second, time.Hour), Drain: span(0, time.Hour), Rounds: between(1, 10000), Seed: random.Uint64(),
			Transports: all.Names()[:between(1, len(all.Names()))],
			Network:    []network.Profile{{}, {Name: "lan", RTTS: .001, UpBPS: 1e9, DownBPS: 1e9}, {RTTS: .08, JitterS: .02, UpBPS: 1.5e6, Loss: .01}}[random.IntN(3)],
		}
		data, err := yaml.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := Parse("drawn.yaml", data); err != nil || !reflect.DeepEqual(read, written) {
			t.Fatalf("read    %+v, %v\nwritten %+v, as\n%s", read, err, written, data)
		}
	}
}

func TestScenarioIsKeptInTheResult(t *testing.T) {
	s, err := Builtin("broadcast")
	if err != nil {
		t.Fatal(err)
	}
	kept := s.Result()
	if kept.RoomSize != s.Users || kept.Senders != 1 || kept.Warmup != 1 || kept.Duration != 4 || kept.Drain != 10 ||
		kept.Rate != 2 || !slices.Equal(kept.Transports, s.Transports) {
		t.Errorf("kept as %+v", kept)
	}
	s.Senders = 0
	if kept := s.Result(); kept.Senders != s.Users {
		t.Errorf("all members send, kept as %d senders", kept.Senders)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Builtins() {
		data, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		for _, e := range []encoding.Encoding{
			encodings.UTF8BOM, encodings.UTF16(encodings.BigEndian, encodings.UseBOM), encodings.UTF16(encodings.LittleEndian, encodings.IgnoreBOM),
		} {
			encoded, err := e.NewEncoder().Bytes(data)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(encoded)
		}
	}
	for _, hostile := range []string{
		"", "---\n---\n", "a: &a [*a]\n", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nabout: *c\n", "<<: *x\n",
		"users: !!float 2\n", "? [users]\n: 2\n", "name: !!binary AAAA\n", "\tusers: 2\n", "users:\t2\n", "name: |\n  x\n", "name: |\n", "name: >\n", "name: &a\n", "? name\n", "%YAML 1.2\n---\nname: x\n", "\xff\xfe", "\xfe\xff\xd8", "name: 0100\n",
		strings.Repeat("[", 1000), strings.Repeat("{a: ", 300), strings.Repeat("- ", 300), strings.Repeat("&a ", 300),
	} {
		f.Add([]byte(hostile))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz.yaml", data)
		if err != nil {
			if !where.MatchString(err.Error()) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q doesn't begin with a position, or is more than one line", err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("parsed, but invalid: %v", err)
		}
	})
}
