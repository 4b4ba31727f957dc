package selftest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

func caseOf(t *testing.T, name string) Case {
	t.Helper()
	cases, err := Options{Cases: []string{name}}.cases()
	if err != nil {
		t.Fatal(err)
	}
	return cases[0]
}

// specs returns the transports, with intervals that leave time for other tests: polls of all users every
// pollInterval keep two processors busy under the race detector.
func specs(t *testing.T) []string {
	t.Helper()
	specs, err := Options{}.transports()
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		specs[i] = strings.ReplaceAll(specs[i], "@"+pollInterval.String(), "@100ms")
	}
	return specs
}

// run runs a case, with a drain time long enough for a busy machine, and returns its lines.
func run(t *testing.T, c Case, specs []string) (lines []Line) {
	t.Helper()
	c.load.Drain = max(c.load.Drain, 2)
	err := c.run(t.Context(), c.among(specs), func(m measurement) {
		if m.spoiled == 0 && len(c.doubts) > 0 {
			t.Errorf("%s: the server made no fault, so the case tests nothing", m.transport)
		}
		if m.window.Server != nil || m.window.Store != nil || len(m.window.Dropped) > 0 {
			t.Errorf("%s: the server is asked for its stats, which are those of this process: %v", m.transport, m.window.Dropped)
		}
		lines = append(lines, c.line(m, 10*time.Millisecond))
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestFaults runs the cases that judge only counts, on every transport. Counts don't depend on how busy
// the machine is.
func TestFaults(t *testing.T) {
	for _, c := range Cases() {
		if c.alone || c.network != nil {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			// Few messages, and a long time for them to arrive: a busy machine is slow. It is shorter than
			// the time in which a server must answer.
			c.load.Duration, c.load.Rate, c.load.Drain = min(c.load.Duration, 1), 10, 8
			lines := run(t, c, specs(t))
			if want := len(c.among(specs(t))); len(lines) != want || want == 0 {
				t.Errorf("%d lines, want %d", len(lines), want)
			}
			for _, l := range lines {
				if expected, measured := l.Says(); l.Verdict != OK {
					t.Errorf("%s: expected %s, measured %s: %q", l.Transport, expected, measured, l.Notes)
				}
			}
		})
	}
}

// TestTimes runs the cases that judge times, with limits that hold even on a busy machine: counts agree,
// and no message is faster than possible.
func TestTimes(t *testing.T) {
	for _, name := range []string{"honest", "delay", "stall"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := caseOf(t, name)
			c.load.Drain = 10
			for _, l := range run(t, c, []string{"websocket"}) {
				for _, f := range l.Figures {
					if f.Unit == "" && !f.agrees() || f.Measured < f.Known.Value-f.Known.Less {
						t.Errorf("%s %s: %v, want %+v", l.Transport, f.Name, f.Measured, *f.Known)
					}
				}
			}
		})
	}
}

// TestLiar checks the verdict on a server that loses one message more than it admits.
func TestLiar(t *testing.T) {
	t.Parallel()
	c := caseOf(t, "lost")
	c.load.Duration = 1
	lossy := c.make
	c.make = func(plan *loadgen.Plan) subject {
		s := lossy(plan)
		admits := s.spoiled
		s.spoiled = func() int { return admits() - 1 }
		return s
	}
	for _, l := range run(t, c, specs(t)) {
		if l.Verdict != Differs {
			t.Errorf("%s: %+v", l.Transport, l)
		}
	}
}

// TestLine judges a correct measurement, and then measurements with a small error in one number.
func TestLine(t *testing.T) {
	c := caseOf(t, "misdelivered")
	stall := caseOf(t, "stall")
	c.timing, c.judge = stall.timing, stall.judge
	c.load.Duration = stall.load.Duration
	s := c.load
	plan := loadgen.NewPlan(s, 1)
	n, k := len(plan.Sends), 5
	fresh := func() measurement {
		w := &result.Window{
			Transport: "websocket", Round: 1, Users: s.Users, Cores: 1, DurationS: 2,
			Planned: n, Sent: n, Expected: 3 * n, Delivered: 3*n - 3*k, Lost: 3 * k, Misdelivered: 4 * k,
			Latency: result.NewHistogram(), SendDelay: result.NewHistogram(), Accept: result.NewHistogram(), Late: result.NewHistogram(),
		}
		for _, d := range (timing{stalls: true}).latencies(plan) {
			w.Latency.Record(d)
		}
		return measurement{plan: plan, transport: "websocket", window: w, spoiled: k}
	}
	if l := c.line(fresh(), 0); l.Verdict != OK || len(l.Notes) > 0 {
		t.Errorf("a correct measurement: %+v", l)
	}
	for name, spoil := range map[string]func(*measurement){
		"one more sent":         func(m *measurement) { m.window.Sent++ },
		"one more delivered":    func(m *measurement) { m.window.Delivered++ },
		"one less lost":         func(m *measurement) { m.window.Lost-- },
		"one more lost":         func(m *measurement) { m.window.Lost++ },
		"one more misdelivered": func(m *measurement) { m.window.Misdelivered++ },
		"one duplicated":        func(m *measurement) { m.window.Duplicated++ },
		"one reordered":         func(m *measurement) { m.window.Reordered++ },
		"an error":              func(m *measurement) { m.window.Errors = []result.Failure{{Text: "broken", Count: 1}} },
		"one less admitted":     func(m *measurement) { m.spoiled-- },
		"no fault admitted": func(m *measurement) {
			m.window.Lost, m.window.Misdelivered, m.window.Delivered, m.spoiled = 0, 0, 3*n, 0
		},
		// Coordinated omission: one slow message for each stall.
		"a closed loop": func(m *measurement) {
			m.window.Latency = result.NewHistogram()
			for range 3 * n {
				m.window.Latency.Record(time.Millisecond)
			}
			m.window.Latency.Record(time.Second)
		},
		"a tenth more": func(m *measurement) {
			m.window.Latency = result.NewHistogram()
			for _, d := range (timing{stalls: true}).latencies(plan) {
				m.window.Latency.Record(d * 11 / 10)
			}
		},
	} {
		m := fresh()
		if spoil(&m); c.line(m, 0).Verdict != Differs {
			t.Errorf("%s: %+v", name, c.line(m, 0))
		}
	}
}

// TestBusy checks that a late generator affects the verdict on times, but not on counts.
func TestBusy(t *testing.T) {
	for name, want := range map[string]string{"honest": Differs, "duplicated": OK} {
		c := caseOf(t, name)
		plan := loadgen.NewPlan(c.load, 1)
		n, copies := len(plan.Sends), len(plan.Sends)*(c.load.RoomSize-1)
		w := &result.Window{
			Transport: "websocket", Planned: n, Sent: n, Expected: copies, Delivered: copies,
			Latency: result.NewHistogram(), SendDelay: result.NewHistogram(), Accept: result.NewHistogram(), Late: result.NewHistogram(),
		}
		w.Late.Record(time.Second)
		m := measurement{plan: plan, transport: "websocket", window: w}
		if name == "duplicated" {
			m.spoiled, w.Duplicated = 1, 3
		}
		if l := c.line(m, 0); l.Verdict != want {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	var began []string
	var lines []Line
	o := Options{Cases: []string{"no-list", "bad-cursor"}, Transports: []string{"websocket", "long-poll"}, Progress: func(p Progress) {
		began = append(began, p.Case.Name)
		if p.Cases != 2 || p.Done != len(began)-1 || p.Left <= 0 {
			t.Errorf("progress %+v", p)
		}
	}}
	if err := Run(t.Context(), o, func(l Line) { lines = append(lines, l) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(began, []string{"no-list", "bad-cursor"}) {
		t.Errorf("cases %q", began)
	}
	var judged []string
	for _, l := range lines {
		if l.Verdict != "" {
			judged = append(judged, l.Case+" "+l.Transport)
			if l.Verdict != OK { // TestFaults expects the verdicts, and waits longer for a busy machine
				t.Logf("%+v", l)
			}
		}
	}
	if want := []string{"no-list long-poll", "bad-cursor long-poll"}; !slices.Equal(judged, want) {
		t.Errorf("judged %q, want %q", judged, want)
	}
	if lines[0].Case != "round trip" || lines[0].Figures[0].Measured <= 0 {
		t.Errorf("the first line is %+v", lines[0])
	}
}

// TestInterrupt interrupts a self-test in the middle of a case: the case gets no verdict.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	o := Options{Cases: []string{"stall"}, Progress: func(Progress) {
		time.AfterFunc(500*time.Millisecond, func() { cancel(gone) })
	}}
	err := Run(ctx, o, func(l Line) {
		if l.Verdict != "" {
			t.Errorf("judged: %+v", l)
		}
	})
	if !errors.Is(err, gone) {
		t.Errorf("%v, want %v", err, gone)
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"": {},
		`unknown case "los": did you mean "lost"?`:                      {Cases: []string{"honest", "los"}},
		"nothing is left to test: ":                                     {Cases: []string{"no-list"}, Transports: []string{"websocket"}},
		`unknown transport "short-poll@1s": did you mean "short-poll"?`: {Transports: []string{"short-poll@1s"}},
	} {
		err := o.Validate()
		if err == nil && want != "" || err != nil && (want == "" || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

func TestSays(t *testing.T) {
	l := Line{
		Figures: []Figure{
			{Name: "sent", Known: &Known{Value: 100}, Measured: 100},
			{Name: "delivered", Known: &Known{Value: 97}, Measured: 97},
			{Name: "lost", Known: &Known{Value: 3}, Measured: 0},
			{Name: "duplicated", Known: &Known{}, Measured: 0},
			{Name: "reordered", Known: &Known{}, Measured: 1},
			{Name: "p50", Unit: "ms", Known: &Known{Value: 20, More: 1}, Measured: 20.34},
			{Name: "p99", Unit: "ms", Known: &Known{Value: 950, Less: 47.5, More: 47.5}, Measured: 951.2},
			{Name: "p1", Unit: "ms", Measured: .0421},
		},
		Expected: []string{"lost"}, Doubts: []string{"errors", "reordered"},
	}
	expected, measured := l.Says()
	if want := "97 delivered, 3 lost, 0 reordered, p50 20.0+1.00 ms, p99 950+-47.5 ms [lost]"; expected != want {
		t.Errorf("expected %q, want %q", expected, want)
	}
	if want := "97 delivered, 0 lost, 1 reordered, p50 20.3 ms, p99 951 ms, p1 0.042 ms [errors reordered]"; measured != want {
		t.Errorf("measured %q, want %q", measured, want)
	}
}
