package result

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// knobsOf returns the knobs of a field of s.
func knobsOf(s *Scenario, field reflect.Value) []Knob {
	return slices.DeleteFunc(Knobs(), func(k Knob) bool { return k.Field(s) != field.Addr().Interface() })
}

// TestKnobsAreTheFields compares the tags of each field with its knob.
func TestKnobsAreTheFields(t *testing.T) {
	var s Scenario
	names := map[string]bool{}
	for field, value := range reflect.ValueOf(&s).Elem().Fields() {
		key, json := field.Tag.Get("yaml"), strings.TrimSuffix(strings.TrimSuffix(field.Tag.Get("json"), ",omitempty"), ",omitzero")
		knobs := knobsOf(&s, value)
		if key == "-" {
			if len(knobs) > 0 {
				t.Errorf("%s has no key in YAML, but a knob", field.Name)
			}
			continue
		}
		if len(knobs) != 1 || knobs[0].Key != key {
			t.Errorf("%s has the key %q in YAML, but the knobs %+v", field.Name, key, knobs)
			continue
		}
		want := key
		if value.Type() == reflect.TypeFor[Seconds]() {
			want += "_s"
		}
		if json != want {
			t.Errorf("%s is %q in JSON, want %q", field.Name, json, want)
		}
		named := 2
		if value.Kind() == reflect.Bool {
			named = 0
		}
		if k := knobs[0]; names[k.Name()] || k.Usage != "" && strings.Count(k.Usage, "`") != named {
			t.Errorf("%s: the name %q is not unique, or the help %q names no value", key, k.Name(), k.Usage)
		}
		names[knobs[0].Name()] = true
	}
	if len(names) != len(Knobs()) {
		t.Errorf("%d knobs for %d keys", len(Knobs()), len(names))
	}
}

// TestWrong tries the bounds of each knob, and the values just beyond them.
func TestWrong(t *testing.T) {
	for _, k := range Knobs() {
		var s Scenario
		field := reflect.ValueOf(k.Field(&s)).Elem()
		wrong := func(x float64) string {
			if field.Kind() == reflect.Int {
				field.SetInt(int64(x))
			} else {
				field.SetFloat(x)
			}
			return k.Wrong(&s)
		}
		if _, ok := k.number(&s); !ok || k.Max == 0 {
			if ok && wrong(7) != "" {
				t.Errorf("%s has no bounds, and is wrong", k.Key)
			}
			if k.Wrong(&s) != "" || k.Min != 0 || k.Exclusive {
				t.Errorf("%s has bounds that Wrong doesn't check", k.Key)
			}
			continue
		}
		step := 1.
		if field.Kind() == reflect.Float64 {
			step = 1e-9
			if wrong(math.NaN()) == "" || wrong(math.Inf(1)) == "" {
				t.Errorf("%s may be NaN or infinite", k.Key)
			}
		}
		for x, want := range map[float64]bool{k.Min - step: true, k.Min: k.Exclusive, k.Min + step: false, k.Max: false, k.Max + max(step, 1e-6): true} {
			if got := wrong(x); (got != "") != want {
				t.Errorf("%s is %v: %q", k.Key, x, got)
			}
		}
	}
	s := Scenario{Rate: -1, Warmup: -1, Duration: 25 * 60 * 60, Users: 1}
	want := map[string]string{
		"users":    "must be 2 to 1000000, not 1: one sends and one receives",
		"rate":     "must be more than 0 and at most 10000 messages per second, not -1",
		"size":     "must be 64 to 65536 bytes, not 0: a message carries its stamp",
		"warmup":   "must be a time from 0s to 24h, not -1s",
		"duration": "must be a time from 100ms to 24h, not 25h",
		"rounds":   "must be 1 to 10000, not 0",
	}
	for _, k := range Knobs() {
		if got := k.Wrong(&s); got != want[k.Key] {
			t.Errorf("%s %s, want %q", k.Key, got, want[k.Key])
		}
	}
}

// TestNegativeNumbers fails if plausible doesn't check a number of a scenario.
func TestNegativeNumbers(t *testing.T) {
	for field := range reflect.TypeFor[Scenario]().Fields() {
		for _, x := range []float64{-1, 2e15} {
			var s Scenario
			switch value := reflect.ValueOf(&s).Elem().FieldByIndex(field.Index); field.Type.Kind() {
			case reflect.Int:
				value.SetInt(int64(x))
			case reflect.Float64:
				value.SetFloat(x)
			default:
				continue
			}
			if err := s.plausible(); err == nil || !strings.HasPrefix(err.Error(), strings.TrimSuffix(field.Tag.Get("json"), ",omitempty")+" is ") {
				t.Errorf("%s of %v is plausible: %v", field.Name, x, err)
			}
		}
	}
}

// drawn returns a scenario of random values.
func drawn(random *rand.Rand) Scenario {
	var s Scenario
	for field, value := range reflect.ValueOf(&s).Elem().Fields() {
		switch value.Kind() {
		case reflect.Int:
			value.SetInt(random.Int64N(1e9))
		case reflect.Uint64:
			value.SetUint(random.Uint64())
		case reflect.Float64:
			x := random.ExpFloat64()
			if value.Type() == reflect.TypeFor[Seconds]() {
				x = time.Duration(random.Int64N(int64(24 * time.Hour))).Seconds()
			}
			value.SetFloat(x)
		case reflect.String:
			value.SetString(field.Name + " \"é\\\n<\x00" + string(rune('a'+random.IntN(26))))
		case reflect.Struct:
			value.FieldByName("RTTS").SetFloat(random.Float64())
		case reflect.Slice:
			if value.Type().Elem().Kind() == reflect.Struct {
				value.Set(reflect.MakeSlice(value.Type(), 1, 1))
				value.Index(0).Field(0).SetString(field.Name)
				continue
			}
			value.Set(reflect.ValueOf([]string{"a@" + string(rune('a'+random.IntN(26))), ""}))
		}
	}
	return s
}

func TestScenarioJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		written := drawn(random)
		data, err := json.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		var read Scenario
		if err := json.Unmarshal(data, &read); err != nil || !reflect.DeepEqual(read, written) {
			t.Fatalf("read    %+v, %v\nwritten %+v", read, err, written)
		}
	}
	const kept = `{"name":"chat","users":2,"room_size":2,"senders":2,"rate":0.25,"size":100,"warmup_s":0.1,"duration_s":5,` +
		`"drain_s":10,"rounds":1,"seed":1,"transports":["sse"]}`
	var s Scenario
	if err := json.Unmarshal([]byte(kept), &s); err != nil || s.Warmup.Duration() != 100*time.Millisecond {
		t.Errorf("%+v, %v", s, err)
	}
	if data, err := json.Marshal(s); err != nil || string(data) != kept {
		t.Errorf("written as %s, %v\nwant       %s", data, err, kept)
	}
}

func TestSeconds(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 1))
	for range 1000 {
		d := time.Duration(random.Int64N(int64(48*time.Hour))) - 24*time.Hour
		if random.IntN(2) == 0 {
			d = d.Truncate([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}[random.IntN(4)])
		}
		s := SecondsOf(d)
		var read Seconds
		if err := read.Set(s.String()); err != nil || read != s || s.Duration() != d {
			t.Fatalf("%v is %v s, written as %s, read as %v s, %v", d, float64(s), s, float64(read), err)
		}
	}
	for s, want := range map[Seconds]string{0: "0s", .5: "500ms", 5: "5s", 60: "1m", 90: "1m30s", 600: "10m", 3600: "1h", 86400: "24h", 3601: "1h0m1s", -60: "-1m"} {
		if s.String() != want {
			t.Errorf("%v s is written as %s, want %s", float64(s), s, want)
		}
	}
	long := Scenario{Warmup: Seconds((1570 * time.Millisecond).Seconds())} // 1.5699999999999998
	if text := knobsOf(&long, reflect.ValueOf(&long.Warmup).Elem())[0].Text(&long); text != "1.57 s" {
		t.Errorf("1.57 s is written as %s", text)
	}
	if err := new(Seconds).Set("5"); err == nil {
		t.Error("a time without a unit is read")
	}
}
