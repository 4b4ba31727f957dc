package check

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen/result"
)

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*result.Result)
		want  string
	}{
		{"users", func(r *result.Result) { r.Run.Scenario.Users = 500 }, "(users 200 | 500): measure both"},
		{"room size", func(r *result.Result) { r.Run.Scenario.RoomSize = 5 }, "room size 2 | 5"},
		{"senders per room", func(r *result.Result) { r.Run.Scenario.Senders = 1 }, "senders per room 2 | 1"},
		{"rate per sender", func(r *result.Result) { r.Run.Scenario.Rate = .5 }, "rate per sender 0.25 messages per second | 0.5 messages per second"},
		{"message size", func(r *result.Result) { r.Run.Scenario.Size = 1000 }, "message size 100 bytes | 1000 bytes"},
		{"warm-up", func(r *result.Result) { r.Run.Scenario.Warmup = 0 }, "warm-up 2 s | 0 s"},
		{"measured part", func(r *result.Result) { r.Run.Scenario.Duration = 5 }, "measured part 20 s | 5 s"},
		{"servers", func(r *result.Result) { r.Run.Scenario.Servers = 3 }, "base and head do not measure the same (servers 1 | 3): measure both"},
		{"spread", func(r *result.Result) { r.Run.Scenario.Spread = result.SpreadRooms }, "(spread members | rooms): measure both"},
		{"store", func(r *result.Result) { r.Run.Scenario.Store = "post\ngres" }, "(store memory | post\uFFFDgres): measure both with the same servers and store"},
		{"servers and store", func(r *result.Result) { r.Run.Scenario.Servers, r.Run.Scenario.Store = 3, "redis" }, "(servers 1 | 3, store memory | redis)"},
		{"transports", func(r *result.Result) {
			for i := range r.Windows {
				r.Windows[i].Transport = "sse\n"
			}
		}, "base has long-poll, websocket, head has sse\uFFFD: measure the same ones"},
		{"nothing measured", func(r *result.Result) { r.Windows = nil }, "head holds no window that was measured to its end: run it again"},
		{"nothing whole", func(r *result.Result) {
			r.Windows = r.Windows[:1]
			r.Windows[0].Interrupted = true
		}, "head holds no window"},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := made{rounds: 2}.result()
			c.spoil(head)
			_, err := Compare(made{rounds: 2}.result(), head, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, c.want)
			}
		})
	}
}

// comparable maps each field of a scenario in which compared results may differ to the reason.
var comparable = map[string]string{
	"Name":       "two names may stand for one load",
	"About":      "it describes the load to people",
	"Drain":      "its effect, lost messages, is compared; a difference is a warning",
	"Rounds":     "those of both are compared",
	"Slices":     "the windows of a round are taken together",
	"Seed":       "counts get a larger limit for other messages",
	"Transports": "those of both are compared",
	"Target":     "two servers are compared on purpose",
	"Redirected": "it is the address of the target's server",
	"Against":    "servers are compared on purpose",
	"Lacking":    "the transports that both servers have are compared",
}

// change gives a field of a scenario another value.
func change(t *testing.T, name string, value reflect.Value) {
	t.Helper()
	switch value.Kind() {
	case reflect.Bool:
		value.SetBool(!value.Bool())
	case reflect.Int:
		value.SetInt(value.Int() + 2)
	case reflect.Uint64:
		value.SetUint(value.Uint() + 2)
	case reflect.Float64:
		value.SetFloat(value.Float() + 2)
	case reflect.String:
		value.SetString(value.String() + "x")
	case reflect.Struct: // a network
		change(t, name, value.FieldByName("RTTS"))
	case reflect.Slice:
		if value.Type().Elem().Kind() == reflect.Struct {
			value.Set(reflect.MakeSlice(value.Type(), 1, 1))
			return
		}
		value.Set(reflect.ValueOf([]string{"websocket", "x"}))
	default:
		t.Fatalf("the test can't change %s, a %s: add a case", name, value.Kind())
	}
}

// TestOtherScenario changes each field of a scenario in one of two results. It fails if a new field has
// no fact, as results with different loads would then be compared.
func TestOtherScenario(t *testing.T) {
	for field := range reflect.TypeFor[result.Scenario]().Fields() {
		base, head := made{rounds: 1, deliveries: 10}.result(), made{rounds: 1, deliveries: 10}.result()
		change(t, field.Name, reflect.ValueOf(&head.Run.Scenario).Elem().FieldByIndex(field.Index))
		_, err := Compare(base, head, Options{})
		if why := comparable[field.Name]; (err == nil) != (why != "") {
			t.Errorf("results that differ in %s: error %v; reason to allow it: %q", field.Name, err, why)
		}
	}
	for _, k := range result.Knobs() {
		if k.Scope != result.Load {
			continue
		}
		base, head := made{rounds: 1, deliveries: 10}.result(), made{rounds: 1, deliveries: 10}.result()
		value := reflect.ValueOf(k.Field(&head.Run.Scenario)).Elem()
		if value.IsZero() { // as every result has it that is older than the knob
			change(t, k.Key, value)
		} else {
			value.SetZero()
		}
		if _, err := Compare(base, head, Options{}); err == nil || !strings.Contains(err.Error(), "do not do the same ("+k.Name()+" ") {
			t.Errorf("loads that differ in %s: error %v", k.Key, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*result.Result)
		want  string
	}{
		{"versions", func(r *result.Result) {
			r.Run.Environment.Go, r.Run.Environment.Kernel = "go1.27.0", ""
			r.Run.Environment.Modules = nil
		}, "base and head differ in kernel 6.1.0 | unknown, Go go1.26.0 | go1.27.0, nhooyr.io/websocket v1.8.17 | unknown"},
		{"rounds", func(r *result.Result) { r.Windows = r.Windows[:2] }, "base holds 2 rounds, head 1: only those of both are compared"},
		{"transport", func(r *result.Result) {
			for i := range r.Windows {
				if r.Windows[i].Transport == "websocket" {
					r.Windows[i].Transport = "sse"
				}
			}
		}, "sse was measured in head alone, and is not compared"},
		{"interrupted", func(r *result.Result) { r.Windows[3].Interrupted = true }, "head, websocket: round 2 was stopped early"},
		{"machine", func(r *result.Result) { r.Run.Environment.CPU = "M4\x1b[2J" }, "different machines: timings are reported, not judged: CPU AMD EPYC 7B13 | M4\uFFFD[2J"},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := made{rounds: 2}.result()
			c.spoil(head)
			r := compare(t, made{rounds: 2}.result(), head, Options{})
			if !warned(r, c.want) || r.Doubts != 0 {
				t.Errorf("warnings %q, want %q", r.Warnings, c.want)
			}
			if got := regressions(r); got != nil {
				t.Errorf("regressions %q", got)
			}
		})
	}
}

func TestInterruptedWindow(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 10}.result(), made{rounds: 10, slower: 2}.result()
	last := &head.Windows[19]
	last.Interrupted, last.Duplicated, last.Traffic.BytesIn = true, 1, 1e9
	r := compare(t, base, head, Options{})
	if c := r.find("websocket", "p50"); c.Pairs != 9 || !c.Regression() {
		t.Errorf("%+v", c)
	}
	if c := r.find("websocket", "bytes"); c.Verdict != Same || c.Limit != Tolerance {
		t.Errorf("%+v", c)
	}
	if c := r.find("websocket", "duplicated"); !c.Regression() {
		t.Errorf("%+v", c)
	}
}

func TestOtherMachine(t *testing.T) {
	t.Parallel()
	head := made{rounds: 10, slower: 2, asking: 2}.result()
	head.Run.Environment.Cores = 64
	r := compare(t, made{rounds: 10}.result(), head, Options{})
	if c := r.find("websocket", "p50"); c.Verdict != Worse || c.Gated || !c.Omission() || !strings.HasPrefix(c.Note, "base and head ran on different machines: ") {
		t.Errorf("%+v", c)
	}
	if c := r.find("websocket", "bytes"); !c.Regression() {
		t.Errorf("%+v", c)
	}
}

// TestOneAfterTheOther compares runs that were not measured in turns, so the machine may have changed in
// between.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	base := made{rounds: 10}.result()
	head := made{rounds: 10, slower: 1.2, after: 24 * time.Hour}.result()
	r := compare(t, base, head, Options{})
	if got := regressions(r); got != nil || !warned(r, "timings may grow by 25%; pushpull duet measures them in turns") {
		t.Errorf("regressions %q, warnings %q", got, r.Warnings)
	}
	if r := compare(t, base, head, Options{MinEffect: 1.1}); len(r.Regressions()) != 2 {
		t.Errorf("regressions %q with a chosen limit of 10%%", regressions(r))
	}
	head = made{rounds: 10, slower: 1.3, after: 24 * time.Hour}.result()
	if r := compare(t, base, head, Options{}); len(r.Regressions()) != 2 {
		t.Errorf("regressions %q with a growth of 30%%", regressions(r))
	}
	head = made{rounds: 10, after: 30 * time.Second}.result()
	if r := compare(t, base, head, Options{}); len(r.Warnings) != 0 {
		t.Errorf("warnings %q of runs in turns", r.Warnings)
	}
}

// TestDuetOfOnePair has a duet whose base was measured before its head, in turns nevertheless.
func TestDuetOfOnePair(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name                   string
		baseSlices, headSlices int
		apart                  time.Duration
		inTurns                bool
	}{
		{"one duet", 1, 1, 0, true},
		{"two duets", 1, 1, time.Second, false},
		{"base of a duet", 1, 0, 0, false},
		{"head of a duet", 0, 1, 0, false},
		{"two runs", 0, 0, 0, false},
	} {
		base, head := made{rounds: 1}.result(), made{rounds: 1, after: time.Hour}.result()
		base.Run.Started, head.Run.Started = at, at.Add(c.apart)
		base.Run.Scenario.Slices, head.Run.Scenario.Slices = c.baseSlices, c.headSlices
		r := compare(t, base, head, Options{})
		if warned(r, "one after the other") == c.inTurns {
			t.Errorf("%s: warnings %q", c.name, r.Warnings)
		}
		want := Tolerance
		if !c.inTurns {
			want = blockEffect
		}
		if got := r.find("websocket", "p50").Limit; got != want {
			t.Errorf("%s: timings may grow by x%v, want x%v", c.name, got, want)
		}
	}
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	base, head := made{rounds: 2}.result(), made{rounds: 2}.result()
	base.Windows[0].Sent--
	head.Windows[1].Generator.CPUS = 40
	head.Run.Scenario.Seed = 7
	r := compare(t, base, head, Options{})
	if r.Doubts != 2 || len(r.Warnings) != 3 || !strings.HasPrefix(r.Warnings[0], "base, long-poll: 799 of 800 planned") || !strings.HasPrefix(r.Warnings[1], "head, websocket: the generator used 100%") {
		t.Errorf("%d doubts: %q", r.Doubts, r.Warnings)
	}
}

// TestUnknownStore compares with a server that someone else started. Its store may be the same.
func TestUnknownStore(t *testing.T) {
	t.Parallel()
	own, foreign := made{rounds: 2}.result(), made{rounds: 2}.result()
	own.Run.Scenario.Store = "redis"
	foreign.Run.Scenario.Target = "http://there"
	const want = "base and head differ in servers 1 | unknown, store redis | unknown"
	if r := compare(t, own, foreign, Options{}); !slices.Contains(r.Warnings, want) {
		t.Errorf("warnings %q, want %q among them", r.Warnings, want)
	}
}
