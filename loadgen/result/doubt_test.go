package result

import (
	"strings"
	"testing"
	"time"
)

// sound returns a window without doubts: just enough samples, each about 10 ms.
func sound() Window {
	w := Window{
		Transport: "websocket", Round: 3, Users: 2, Cores: 2, DurationS: 10,
		Planned: 300, Sent: 300, Expected: 300, Delivered: 300,
		Latency: NewHistogram(), Late: NewHistogram(), SendDelay: NewHistogram(), Accept: NewHistogram(),
		Generator: Process{CPUS: 18}, // 90% of the cores
	}
	for range 300 {
		w.Latency.Record(10 * time.Millisecond)
		w.Late.Record(4990 * time.Microsecond)
	}
	return w
}

func TestDoubts(t *testing.T) {
	slow := func(w *Window, latency, late time.Duration) {
		w.Latency, w.Late = NewHistogram(), NewHistogram()
		for range 300 {
			w.Latency.Record(latency)
			w.Late.Record(late)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*Window)
		code  string // of the only doubt; empty: there is none
		text  string // part of the doubt's text
		fatal bool
	}{
		{"nothing", func(*Window) {}, "", "", false},
		{"lost", func(w *Window) { w.Lost, w.Expected = 1, 301 }, "lost", "1 of 301 deliveries", true},
		{"duplicated", func(w *Window) { w.Duplicated = 1 }, "duplicated", "1 deliveries", true},
		{"reordered", func(w *Window) { w.Reordered = 1 }, "reordered", "1 deliveries", true},
		{"misdelivered", func(w *Window) { w.Misdelivered = 1 }, "misdelivered", "1 messages", true},
		{"in bunches", func(w *Window) { w.Bunched = 60 }, "bunched", "60 of 300 deliveries came in bunches, together with one that was sent at least 100 ms apart: something between users and server buffers the stream: switch that off, in nginx by proxy_buffering off", false},
		{"in few bunches", func(w *Window) { w.Bunched = 59 }, "", "", false},
		{"silent streams that a timer ends", func(w *Window) { w.Way.Stream, w.IdleEnds = true, &IdleEnds{Count: 50, AfterS: 60.02} }, "idle-timeout", "50 connections were ended after 60 s of silence each: something between users and server, or the server, has an idle timeout: send heartbeats more often", false},
		{"polls that a timer ends", func(w *Window) { w.IdleEnds = &IdleEnds{Count: 3, AfterS: 49.8} }, "idle-timeout", "hold polls for less, or raise the timeout: proxy_read_timeout in nginx", false},
		{"untimed", func(w *Window) { w.Untimed, w.Expected, w.Delivered = 300, 600, 600 }, "untimed", "300 of 600 deliveries were timed", false},
		{"fewer sends", func(w *Window) { w.Planned = 301 }, "fewer-sends", "300 of 301 planned", true},
		{"nothing delivered", func(w *Window) { w.Delivered = 0 }, "no-samples", "nothing was delivered: send more, or longer", true},
		{"late", func(w *Window) { slow(w, 10*time.Millisecond, 5010*time.Microsecond) }, "generator-late", "5.0 ms late (p99)", true},
		{"late, but less than 5% of the median", func(w *Window) { slow(w, 2*time.Second, 99*time.Millisecond) }, "", "", false},
		{"late by more than 5% of the median", func(w *Window) { slow(w, 2*time.Second, 101*time.Millisecond) }, "generator-late", "more than the 100", true},
		{"busy", func(w *Window) { w.Generator.CPUS = 18.1 }, "generator-cpu", "of the machine's 2 cores", true},
		{"busy for less than a second", func(w *Window) { w.DurationS, w.Generator.CPUS = .5, .91 }, "generator-cpu", "used 91% of the machine's 2 cores", true},
		{"busy on one core", func(w *Window) { w.Cores, w.Generator.CPUS = 1, 9.1 }, "generator-cpu", "used 91% of the machine's 1 cores", true},
		{"busy on more cores", func(w *Window) { w.Generator.CPUS, w.Cores = 18.1, 4 }, "", "", false},
		{"few samples", func(w *Window) { w.Planned, w.Sent, w.Expected, w.Delivered = 299, 299, 299, 299 }, "few-samples", "299 samples are few", false},
		{"one sample", func(w *Window) { w.Planned, w.Sent, w.Expected, w.Delivered = 1, 1, 1, 1 }, "few-samples", "1 samples are few", false},
		{"profiled", func(w *Window) { w.Profiles = []string{"profiles/a.cpu.pprof", "profiles/b.cpu.pprof"} }, "profiled", "profiles: profiles/a.cpu.pprof and 1 more, to look at with go tool pprof FILE", false},
		{"without a profile", func(w *Window) { w.Unprofiled = "the disk is full" }, "unprofiled", "round 3 lacks profiles: the disk is full", false},
		{"interrupted", func(w *Window) { w.Interrupted = true }, "interrupted", "round 3 was stopped after 10.0 s", false},
		{"a failed window", func(w *Window) { w.Failed = "joining: refused" }, "not-measured", "not measured: joining: refused", true},
		{"an outage", func(w *Window) {
			w.Outages = []Outage{{"one of 3 servers", "ended", "killed by signal 9", "panic: out"}}
		}, "outage", "one of 3 servers ended during round 3 (killed by signal 9): panic: out", true},
		{"an outage that nothing explains", func(w *Window) { w.Outages = []Outage{{Of: "the store", Did: "ended"}} }, "outage", "the store ended during round 3", true},
		{"another program", func(w *Window) { w.OtherProgram = true }, "other-program", "1 of 1 windows were served by another program", true},
		{"errors", func(w *Window) { w.Errors = []Failure{{"refused", 7}} }, "errors", "7 times: refused", false},
		{"rejoins", func(w *Window) { w.Rejoins = 7 }, "rejoins", "7 times a user had to join again", false},
		{"one rejoin", func(w *Window) { w.Rejoins = 1 }, "rejoins", "once a user had to join again", false},
		{"limited", func(w *Window) { w.Limited = 7 }, "limited", "the target limits its users: 7 requests", false},
		{"memory that users free", func(w *Window) { w.Users, w.Server, w.Joining = 40, &Process{}, joining(-1, 0) }, "memory", "for one more user is left out: it did not grow with them", false},
		{"memory for few users", func(w *Window) { w.Users, w.Server, w.Joining = 15, &Process{}, joining(1, 0)[:3] }, "memory", "is left out: 15 are too few, it takes 16", false},
		{"memory", func(w *Window) { w.Server, w.Joining = &Process{}, joining(1, 0) }, "", "", false},
		{"memory as users joined unknown", func(w *Window) { w.Server = &Process{RSSBytes: 5e6, RSSIdleBytes: 6e6} }, "", "", false},
		{"a latency above an hour", func(w *Window) { w.Latency.Record(2 * time.Hour) }, "above-limit", "1 deliveries took 1h or longer", false},
		{"an acknowledgement above an hour", func(w *Window) { w.Accept.Record(2 * time.Hour) }, "above-limit", "1 acknowledgements took 1h or longer", false},
		{"a send above an hour", func(w *Window) { w.SendDelay.Record(2 * time.Hour) }, "above-limit", "1 starts of a send took 1h or longer", false},
		{"no cores", func(w *Window) { w.Cores = 0 }, "", "", false},
		{"no time", func(w *Window) { w.DurationS = 0 }, "", "", false},
		{"no time and no cores", func(w *Window) { w.DurationS, w.Cores = 0, 0 }, "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := sound()
			c.spoil(&w)
			rows := Rows([]Window{w})
			doubts := rows[0].Doubts
			if doubts == nil {
				t.Error("the doubts are null in JSON")
			}
			if c.code == "" {
				if len(doubts) != 0 || Fatal(rows) {
					t.Errorf("doubts: %+v", doubts)
				}
				return
			}
			if len(doubts) != 1 || doubts[0].Code != c.code || doubts[0].Fatal != c.fatal || !strings.Contains(doubts[0].Text, c.text) || strings.Contains(doubts[0].Text, "\n") {
				t.Fatalf("doubts %+v, want %s with %q, fatal: %t", doubts, c.code, c.text, c.fatal)
			}
			if Fatal(rows) != c.fatal || Fatal(append(Rows([]Window{sound()}), rows...)) != c.fatal {
				t.Errorf("the row has a fatal doubt: %t, want %t", Fatal(rows), c.fatal)
			}
		})
	}
}

// TestLateLimit has a generator as late as can be tolerated, and later.
func TestLateLimit(t *testing.T) {
	for late, want := range map[float64]int{5: 0, 5.001: 1} {
		row := Row{Sent: 300, Delivered: 300, Generator: Generator{LateP99: late}}
		if found := doubts(row, nil); len(found) != want {
			t.Errorf("late by %v ms: %+v", late, found)
		}
	}
}

// TestLateWindows counts the windows that the generator spoiled: those kept, and those replaced.
func TestLateWindows(t *testing.T) {
	const limit = 4990 * time.Microsecond
	first, second, none := sound(), sound(), sound()
	first.Late, second.Late = histogramOf(limit), histogramOf(5010*time.Microsecond)
	second.Spoiled, none.Late = 2, nil
	if first.GeneratorLate() || !second.GeneratorLate() || none.GeneratorLate() {
		t.Errorf("late: %t, %t, %t", first.GeneratorLate(), second.GeneratorLate(), none.GeneratorLate())
	}
	second.Latency = histogramOf(101 * time.Millisecond) // a twentieth of it is longer than 5 ms
	if second.GeneratorLate() {
		t.Error("late by less than a twentieth of the p50")
	}
	second.Latency = histogramOf(limit)
	row := Rows([]Window{first, second})[0]
	if g := row.Generator; g.LateWindows != 3 || g.Replaced != 2 {
		t.Errorf("%+v", g)
	}
	if d := row.Doubts[len(row.Doubts)-1]; d.Code != "replaced" || d.Fatal || !strings.Contains(d.Text, "2 windows") {
		t.Errorf("%+v", row.Doubts)
	}
}

// TestDoubtsOverRounds judges a row by all of its rounds.
func TestDoubtsOverRounds(t *testing.T) {
	first, second := sound(), sound()
	first.Errors = []Failure{{"refused", 2}, {"reset", 1}}
	second.Errors = []Failure{{"reset", 3}}
	second.Generator.CPUS, second.Round = 19, 4 // the busiest round counts
	second.Sent--
	var got []string
	for _, d := range Rows([]Window{first, second})[0].Doubts {
		got = append(got, d.Code+": "+d.Text)
	}
	want := []string{
		"fewer-sends: 599 of 600 planned messages were stored",
		"generator-cpu: the generator used 95% of the machine's 2 cores",
		"errors: 2 times: refused",
		"errors: 4 times: reset",
	}
	if len(got) != len(want) {
		t.Fatalf("doubts %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("doubt %q, want %q", got[i], want[i])
		}
	}
}

func TestFewSamplesCountAllRounds(t *testing.T) {
	half := sound()
	half.Planned, half.Sent, half.Expected, half.Delivered = 150, 150, 150, 150
	if doubts := Rows([]Window{half, half})[0].Doubts; len(doubts) != 0 {
		t.Errorf("300 samples in two rounds give the doubts %+v", doubts)
	}
}
