package result

import (
	"strings"
	"testing"
	"time"
)

// sound is a window that nobody doubts: just enough samples, about 10 ms each.
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
		code  string // of the one doubt; none when it is empty
		text  string // within it
		fatal bool
	}{
		{"nothing", func(*Window) {}, "", "", false},
		{"lost", func(w *Window) { w.Lost, w.Expected = 1, 301 }, "lost", "1 of 301 deliveries", true},
		{"duplicated", func(w *Window) { w.Duplicated = 2 }, "duplicated", "2 deliveries", true},
		{"reordered", func(w *Window) { w.Reordered = 3 }, "reordered", "3 deliveries", true},
		{"misdelivered", func(w *Window) { w.Misdelivered = 4 }, "misdelivered", "4 messages", true},
		{"fewer sends", func(w *Window) { w.Planned = 301 }, "fewer-sends", "300 of 301 planned", true},
		{"nothing delivered", func(w *Window) { w.Delivered = 0 }, "no-samples", "nothing was delivered", true},
		{"late", func(w *Window) { slow(w, 10*time.Millisecond, 5010*time.Microsecond) }, "generator-late", "5.0 ms late (p99)", true},
		{"late, but less than 5% of the median", func(w *Window) { slow(w, 2*time.Second, 99*time.Millisecond) }, "", "", false},
		{"late by more than 5% of the median", func(w *Window) { slow(w, 2*time.Second, 101*time.Millisecond) }, "generator-late", "more than the 100", true},
		{"busy", func(w *Window) { w.Generator.CPUS = 18.1 }, "generator-cpu", "of the machine's 2 cores", true},
		{"busy on more cores", func(w *Window) { w.Generator.CPUS, w.Cores = 18.1, 4 }, "", "", false},
		{"few samples", func(w *Window) { w.Planned, w.Sent, w.Expected, w.Delivered = 299, 299, 299, 299 }, "few-samples", "299 samples are few", false},
		{"interrupted", func(w *Window) { w.Interrupted = true }, "interrupted", "round 3 was stopped after 10.0 s", false},
		{"errors", func(w *Window) { w.Errors = []Failure{{"refused", 7}} }, "errors", "7 times: refused", false},
		{"rejoins", func(w *Window) { w.Rejoins = 7 }, "rejoins", "7 times a user had to join again", false},
		{"one rejoin", func(w *Window) { w.Rejoins = 1 }, "rejoins", "once a user had to join again", false},
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
				t.Errorf("the row is fatal: %t, want %t", Fatal(rows), c.fatal)
			}
		})
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
		t.Errorf("doubts %+v about 300 samples", doubts)
	}
}
