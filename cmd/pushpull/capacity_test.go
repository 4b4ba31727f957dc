package main

import (
	"io"
	"math"
	"testing"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/search"
	"pushpull/report"
)

// planned returns the plan of a built-in scenario.
func planned(t *testing.T, scenario, vary string, change func(p *capacityPlan)) capacityPlan {
	t.Helper()
	s, err := loadgen.Builtin(scenario)
	if err != nil {
		t.Fatal(err)
	}
	p := capacityPlan{scenario: s, vary: vary, p99: 100 * time.Millisecond, options: search.Options{Precision: .05, Repeat: 2}}
	if change != nil {
		change(&p)
	}
	if p, err = newCapacityPlan(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCapacityWindows checks that windows have enough deliveries, and last long enough to show that a queue grows.
func TestCapacityWindows(t *testing.T) {
	for _, scenario := range loadgen.Builtins() {
		for _, vary := range []string{varyUsers, varyRate} {
			p := planned(t, scenario, vary, nil)
			for load := p.options.Least; load < 1000*p.options.Least && load <= p.options.Most; load *= 1.7 {
				if room := p.options.Step; room > 0 {
					load = math.Ceil(load/room) * room
				}
				s := p.at(load)
				if err := s.Validate(); err != nil {
					t.Errorf("%s, %s=%v: %v", scenario, vary, load, err)
				}
				if n := deliveries(s) * float64(s.Duration); n < 310 || s.Duration < 3 || s.Duration > max(p.longest, 10) {
					t.Errorf("%s, %s=%v: %.0f deliveries in %s", scenario, vary, load, n, s.Duration)
				}
			}
			if d := deliveries(p.at(p.options.From)) * float64(p.usual()); d < usualSamples*.99 {
				t.Errorf("%s, from %s=%v: %.0f deliveries", scenario, vary, p.options.From, d)
			}
		}
	}
	for _, c := range []struct {
		p99       time.Duration
		precision float64
		quick     bool
		want      result.Seconds
	}{
		{100 * time.Millisecond, .05, false, 3},
		{100 * time.Millisecond, .1, true, 2},
		{200 * time.Millisecond, .05, false, 6},
		{time.Second, .05, false, 10},
		{time.Millisecond, .05, false, 3},
	} {
		p := planned(t, "chat", varyUsers, func(p *capacityPlan) { p.p99, p.options.Precision, p.quick = c.p99, c.precision, c.quick })
		if got := p.usual(); got != c.want {
			t.Errorf("windows for a p99 of %v within %v: %s, want %s", c.p99, c.precision, got, c.want)
		}
	}
	fixed := planned(t, "chat", varyUsers, func(p *capacityPlan) { p.fixed, p.scenario.Duration = true, 2 })
	if d := fixed.at(fixed.options.Least).Duration; d != 2 {
		t.Errorf("a --duration of 2 s became %s", d)
	}
}

// TestCapacityCeiling checks which limit ends a search, and that loads are whole rooms.
func TestCapacityCeiling(t *testing.T) {
	rooms := planned(t, "rooms", varyUsers, nil)
	most, err := rooms.ceiling("long-poll", false)
	if err != nil {
		t.Fatal(err)
	}
	one := rooms.scenario
	one.Transports = []string{"long-poll"}
	if fits, resource, _ := loadgen.Most(one, rooms.layout()); float64(fits) < rooms.options.Most &&
		(most.most > float64(fits) || math.Mod(most.most, 10) != 0 || most.limit != limits[resource]) {
		t.Errorf("long-poll: %+v with %d", most, fits)
	}
	rooms.options.Most = 500
	if most, err := rooms.ceiling("websocket", true); err != nil || most.most != 500 || most.limit != search.None || most.text != "no more than --most 500 were tried" {
		t.Errorf("websocket: %+v, %v", most, err)
	}
	rate := planned(t, "chat", varyRate, nil)
	if most, err := rate.ceiling("websocket", false); err != nil || most.most != 1e4 {
		t.Errorf("rate: %+v, %v", most, err)
	}
	for transport, want := range map[string]time.Duration{
		"short-poll@1s": time.Second, "short-poll@100ms": 0, "long-poll-scan@500ms": 500 * time.Millisecond, "long-poll": 0, "websocket": 0,
	} {
		if got := rate.late(transport); got != want {
			t.Errorf("%s is late by %v, want %v", transport, got, want)
		}
	}
}

// TestCapacityFound checks what is kept of a search.
func TestCapacityFound(t *testing.T) {
	p := planned(t, "chat", varyUsers, func(p *capacityPlan) {
		p.options.Most = 1000
		p.scenario.Transports = []string{"websocket", "short-poll@5s"}
	})
	hunts, err := huntsOf(p, true)
	if err != nil || len(hunts) != 2 || hunts[0].search == nil || hunts[1].search != nil {
		t.Fatalf("%+v, %v", hunts, err)
	}
	if f := hunts[1].found(); !f.Complete || f.Limit != search.Timer || f.Holds != 0 || f.Way.EveryS != 5 {
		t.Errorf("of short-poll@5s: %+v", f)
	}
	h := hunts[0]
	if f := h.found(); f.Complete || f.Windows != 0 {
		t.Errorf("before the first window: %+v", f)
	}
	for load, more := h.search.Next(); more; load, more = h.search.Next() {
		h.search.Report(load, search.Judgement{Verdict: search.Holds})
	}
	if f := h.found(); f.Holds != 1000 || f.Breaks != 0 || !f.AtLeast || !f.Complete || f.Text != "no more than --most 1000 were tried" {
		t.Errorf("where all loads hold: %+v", f)
	}
	dir := t.TempDir()
	index := result.Index{
		Schema: result.Schema, Kind: result.KindCapacity, Scenario: p.scenario.Result(), Axes: []result.Axis{{Key: varyUsers}},
		Capacity: &result.Capacity{P99S: .1, Precision: .05, Repeat: 2, Found: []result.Found{h.found(), hunts[1].found()}},
	}
	if err := result.WriteIndex(dir, index); err != nil {
		t.Fatal(err)
	}
	if _, err := result.ReadIndex(dir); err != nil {
		t.Error(err)
	}
}

// TestCapacityUnjudged checks the exit codes of a search in which nothing could be judged, and of others.
func TestCapacityUnjudged(t *testing.T) {
	for name, c := range map[string]struct {
		found result.Found
		want  int
	}{
		"it holds":              {result.Found{Transport: "websocket", Holds: 10, Breaks: 20}, exitFine},
		"it holds at least":     {result.Found{Transport: "websocket", Holds: 10, Breaks: 20, AtLeast: true}, exitFine},
		"it holds nothing":      {result.Found{Transport: "websocket", Breaks: 20}, exitFine},
		"nothing can be judged": {result.Found{Transport: "websocket", Breaks: 20, AtLeast: true, Text: "the load generator was late"}, exitDoubtful},
	} {
		index := result.Index{
			Schema: result.Schema, Kind: result.KindCapacity, Axes: []result.Axis{{Key: varyUsers}},
			Capacity: &result.Capacity{P99S: .1, Precision: .05, Repeat: 2, Found: []result.Found{c.found}},
		}
		for _, data := range []bool{false, true} {
			err := deliverCapacity(io.Discard, report.NewCapacity(index, nil), "", delivery{data: data})
			if got := exitCode(err); got != c.want {
				t.Errorf("%s, as data: %t: exit code %d, want %d (%v)", name, data, got, c.want, err)
			}
		}
	}
}
