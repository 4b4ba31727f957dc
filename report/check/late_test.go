package check

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// spoilt returns a side of a duet in which the generator spoiled n windows of websocket.
func spoilt(n int) *result.Result {
	r := made{rounds: 10}.result()
	r.Run.Scenario.Slices = 1
	for i := range r.Windows {
		if w := &r.Windows[i]; w.Transport == "websocket" && n > 0 {
			w.Spoiled = min(n, 2)
			n -= w.Spoiled
		}
	}
	return r
}

// TestLateWindows compares the windows that the generator spoiled on each side.
func TestLateWindows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base, head int
		want       Verdict
	}{
		{0, 0, Same}, {0, 6, Same}, {0, 7, Worse}, {7, 0, Better}, {5, 5, Same}, {3, 12, Same}, {3, 15, Worse},
	} {
		r := compare(t, spoilt(c.base), spoilt(c.head), Options{})
		got := r.find("websocket", "late-windows")
		if got.Verdict != c.want || !got.Gated || got.Base != float64(c.base) || got.Head != float64(c.head) || got.Pairs != 10 {
			t.Errorf("%+v, want %s", got, c.want)
		}
		if other := r.find("long-poll", "late-windows"); other.Verdict != Same {
			t.Errorf("%+v", other)
		}
		warned := slices.ContainsFunc(r.Warnings, func(s string) bool { return strings.Contains(s, "measured again") })
		if warned != (c.base+c.head > 0) || r.Doubts != 0 {
			t.Errorf("%d and %d: warnings %q", c.base, c.head, r.Warnings)
		}
		if c.want == Worse && (!slices.Equal(r.Suspects(), []string{"websocket"}) || !strings.Contains(got.Note, "no processor")) {
			t.Errorf("suspects %q, note %q", r.Suspects(), got.Note)
		}
		var table strings.Builder
		if err := Table(&table, text.Screen{}, r); err != nil {
			t.Fatal(err)
		}
		if shown := strings.Contains(table.String(), "late-windows"); shown != (c.base+c.head > 0) {
			t.Errorf("%d and %d late windows:\n%s", c.base, c.head, table.String())
		}
	}
}

// Late windows of results that were not measured in turns come from different minutes of the machine.
func TestLateWindowsInBlocks(t *testing.T) {
	t.Parallel()
	head := spoilt(15)
	for i := range head.Windows {
		head.Windows[i].Started = head.Windows[i].Started.AddDate(0, 0, 1)
	}
	head.Run.Started = head.Run.Started.AddDate(0, 0, 1)
	r := compare(t, spoilt(0), head, Options{})
	if got := r.find("websocket", "late-windows"); got.Verdict != Same || got.Gated {
		t.Errorf("%+v", got)
	}
}

// More late windows must be confirmed, as timings must.
func TestConfirmLateWindows(t *testing.T) {
	t.Parallel()
	first := compare(t, spoilt(0), spoilt(15), Options{})
	for again, want := range map[int]Verdict{15: Worse, 2: Unsure} {
		r := Confirm(first, compare(t, spoilt(0), spoilt(again), Options{}))
		got := r.find("websocket", "late-windows")
		if got.Verdict != want || (len(r.Regressions()) > 0) != (want == Worse) {
			t.Errorf("%d in the fresh run: %+v", again, got)
		}
		if want == Unsure && !strings.Contains(got.Note, "0 of base and 2 of head") {
			t.Errorf("note %q", got.Note)
		}
	}
}

func TestSignTest(t *testing.T) {
	for _, c := range []struct{ base, head, want float64 }{
		{0, 0, 1}, {0, 1, .5}, {1, 0, 1}, {0, 7, 1. / 128}, {1, 1, .75}, {2, 8, 56. / 1024}, {8, 2, 1013. / 1024},
	} {
		if got := SignTest(c.base, c.head); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %v, want %v", c.base, c.head, got, c.want)
		}
	}
}
