package result

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// words are the fields of a scenario that are not facts, with the reason.
var words = map[string]string{"About": "it describes the load to people, and holds nothing that the other fields don't"}

// changed changes a field to another valid value.
func changed(t *testing.T, field reflect.Value) {
	t.Helper()
	switch field.Kind() {
	case reflect.Bool:
		field.SetBool(!field.Bool())
	case reflect.Int:
		field.SetInt(field.Int() + 2)
	case reflect.Uint64:
		field.SetUint(field.Uint()/2 + 1<<30)
	case reflect.Float64:
		field.SetFloat(field.Float() + 1)
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Struct: // a network
		changed(t, field.FieldByName("RTTS"))
	case reflect.Slice:
		if field.Type().Elem().Kind() == reflect.Struct {
			one := reflect.New(field.Type().Elem()).Elem()
			changed(t, one.Field(0))
			field.Set(reflect.Append(field, one))
			return
		}
		field.Set(reflect.AppendSlice(reflect.ValueOf([]string{"sse"}), field))
	case reflect.Map:
		field.Set(reflect.ValueOf(map[string]string{"example.com/m": "v1.2.4"}))
	default:
		t.Fatalf("changed can't change a %v: add a case", field.Type())
	}
}

// stating returns for each field of a part of a run the facts that change with it.
func stating(t *testing.T, part func(*Run) any) map[string][]Fact {
	facts := map[string][]Fact{}
	for field := range reflect.TypeOf(part(new(Run))).Elem().Fields() {
		base, head := Result{Run: aRun}, Result{Run: aRun}
		changed(t, reflect.ValueOf(part(&head.Run)).Elem().FieldByIndex(field.Index))
		for _, f := range Facts(&base, &head) {
			if f.Differs() {
				facts[field.Name] = append(facts[field.Name], f)
			}
		}
	}
	return facts
}

// forgotten returns the fields of a struct that are not words and don't have exactly one fact.
func forgotten(of reflect.Type, facts map[string][]Fact) []string {
	var all []string
	for field := range of.Fields() {
		want := 1
		if words[field.Name] != "" {
			want = 0
		}
		if len(facts[field.Name]) != want {
			all = append(all, field.Name)
		}
	}
	return all
}

// TestEveryFieldIsAFact fails if a field of a scenario or of an environment has no fact.
func TestEveryFieldIsAFact(t *testing.T) {
	scenario := stating(t, func(r *Run) any { return &r.Scenario })
	environment := stating(t, func(r *Run) any { return &r.Environment })
	for of, facts := range map[reflect.Type]map[string][]Fact{
		reflect.TypeFor[Scenario](): scenario, reflect.TypeFor[Environment](): environment,
	} {
		if all := forgotten(of, facts); all != nil {
			t.Errorf("fields %q of %v have no fact of their own: add a knob or a fact", all, of)
		}
		longer := slices.AppendSeq([]reflect.StructField{}, of.Fields())
		longer = append(longer, reflect.StructField{Name: "ForgottenField", Type: reflect.TypeFor[float64]()})
		if all := forgotten(reflect.StructOf(longer), facts); !slices.Equal(all, []string{"ForgottenField"}) {
			t.Errorf("%v with one more field: %q are reported as forgotten, want that field", of, all)
		}
	}
	for _, facts := range scenario {
		if facts[0].Scope == Place {
			t.Errorf("%s is chosen for a run, but its scope is Place", facts[0].Name)
		}
	}
	for _, facts := range environment {
		if facts[0].Scope != Place {
			t.Errorf("%s is a property of the machine, but its scope is not Place", facts[0].Name)
		}
	}
}

// TestRemarksAreFacts shows a note and all tags of any of the runs; they make no difference to a comparison.
func TestRemarksAreFacts(t *testing.T) {
	base, head := Result{Run: aRun}, Result{Run: aRun}
	base.Run.Tags = map[string]string{"commit": "1a2b3c"}
	head.Run.Note, head.Run.Tags = "quiet", map[string]string{"commit": "4d5e6f", "branch": "main"}
	got := map[string][]string{}
	for _, f := range Facts(&base, &head) {
		if f.Scope == Remark {
			got[f.Name] = f.Values
			if f.Difference != Ignored {
				t.Errorf("a comparison looks at %s", f.Name)
			}
		}
	}
	want := map[string][]string{"note": {"", "quiet"}, "tag commit": {"1a2b3c", "4d5e6f"}, "tag branch": {"", "main"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCheckRemarks(t *testing.T) {
	many := map[string]string{}
	for i := range 21 {
		many[fmt.Sprint(i)] = ""
	}
	tag := func(key, value string) map[string]string { return map[string]string{"ok": "", key: value} }
	for _, c := range []struct {
		note string
		tags map[string]string
		want string // empty: fine
	}{
		{"", nil, ""},
		{strings.Repeat("é", 500), tag(strings.Repeat("k", 50), strings.Repeat("v", 200)), ""},
		{"<b>\x00\n", tag("a.B-_9", "<b>\x00\n="), ""},
		{strings.Repeat("é", 501), nil, "a note of 1002 bytes is too long: write at most 1000"},
		{"\xff", nil, `the note "\xff" is not UTF-8`},
		{"", many, "21 tags are too many: give at most 20"},
		{"", tag("", "x"), `bad key "" of a tag: use`},
		{"", tag("a b", "x"), `bad key "a b" of a tag: use`},
		{"", tag(strings.Repeat("k", 51), "x"), "of a tag: use 1 to 50"},
		{"", tag("k", strings.Repeat("v", 201)), "the tag k has a value of 201 bytes: write at most 200"},
		{"", tag("k", "\xff"), `the tag k has the value "\xff", which is not UTF-8`},
	} {
		err := CheckRemarks(c.note, c.tags)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.20q, %v: got %v, want %q", c.note, c.tags, err, c.want)
		}
		run := aRun
		run.Note, run.Tags = c.note, c.tags
		if _, readErr := Read(strings.NewReader(lines(t, Line{Run: &run})), "x"); (readErr == nil) != (err == nil) && !strings.Contains(c.want, "UTF-8") {
			t.Errorf("%.20q, %v: reading it returns %v", c.note, c.tags, readErr)
		}
	}
}

func TestFactsAreNamedApart(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Facts(&Result{Run: aRun}) {
		if f.Name == "" || seen[f.Key()] || len(f.Values) != 1 {
			t.Errorf("fact %q (%s) has no unique name or not exactly one value: %q", f.Name, f.Key(), f.Values)
		}
		if f.Differs() {
			t.Errorf("%s of one run differs", f.Name)
		}
		seen[f.Key()] = true
		if f.Scope == Load && f.Difference != Refused {
			t.Errorf("%s is part of the load, but runs that differ in it are compared", f.Name)
		}
	}
}

func TestFactsSideBySide(t *testing.T) {
	base, head := Result{Run: aRun}, Result{Run: aRun}
	base.Run.Scenario.Target = ""
	head.Run.Scenario.Drain = .5
	head.Run.Environment.Modules = map[string]string{"example.com/l": "v1.0.0"}
	values := map[string][]string{}
	var differ, unknown []string
	for _, f := range Facts(&base, &head) {
		values[f.Name] = f.Values
		if f.Differs() {
			differ = append(differ, f.Name)
		}
		if !f.Known() {
			unknown = append(unknown, f.Name)
		}
	}
	if want := []string{"drain limit", "target", "servers", "store", "example.com/l", "example.com/m"}; !slices.Equal(differ, want) {
		t.Errorf("they differ in %q, want %q", differ, want)
	}
	if want := []string{"backoff", "network", "target", "other servers", "lacking transports", "windows per round", "servers", "store", "profiled", "note", "example.com/l", "example.com/m"}; !slices.Equal(unknown, want) {
		t.Errorf("of one or both %q are unknown, want %q", unknown, want)
	}
	for name, want := range map[string][]string{
		"rate per sender":   {"0.25 messages per second", "0.25 messages per second"},
		"message size":      {"100 bytes", "100 bytes"},
		"drain limit":       {"10 s", "0.5 s"},
		"seed":              {"18446744073709551615", "18446744073709551615"},
		"transports":        {"websocket, long-poll", "websocket, long-poll"},
		"servers":           {"1", ""},
		"store":             {"memory", ""},
		"windows per round": {"", ""},
		"memory":            {"8.0 GiB", "8.0 GiB"},
		"example.com/m":     {"v1.2.3", ""},
	} {
		if !slices.Equal(values[name], want) {
			t.Errorf("%s is %q, want %q", name, values[name], want)
		}
	}
}

func TestServers(t *testing.T) {
	for _, c := range []struct {
		target      string
		run, window int
		want        int
	}{
		{"", 0, 0, 1},
		{"", 1, 0, 1},
		{"", 3, 3, 3},
		{"", 0, 2, 2},
		{"http://there", 0, 0, 0},
		{"http://there", 0, 1, 0},
		{"http://there", 0, 2, 2},
	} {
		r := Result{Run{Scenario: Scenario{Target: c.target, Servers: c.run}}, []Window{{}, {Servers: c.window}}}
		if got := r.Servers(); got != c.want {
			t.Errorf("%+v: %d servers", c, got)
		}
	}
}
