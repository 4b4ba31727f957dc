package backoff

import (
	"strings"
	"testing"
	"time"
)

func TestParseReadsWhatStringWrites(t *testing.T) {
	for _, p := range []Policy{
		Default, {time.Second, time.Second, None}, {time.Millisecond, time.Hour, Full}, {100 * time.Millisecond, 10 * time.Second, Decorrelated},
	} {
		if got, err := Parse(p.String()); err != nil || got != p {
			t.Errorf("%s is read as %v, %v", p, got, err)
		}
	}
	got, err := Parse("3s")
	if want := (Policy{3 * time.Second, 3 * time.Second, Default.Jitter}); err != nil || got != want {
		t.Errorf("3s is read as %v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":              "must be the first wait and the longest, like 100ms..10s/full",
		"..":            "must be the first wait",
		"5":             "must be the first wait",
		"0s":            "must be two times from 1ms",
		"2s..1s":        "the shorter one first",
		"1s..2h":        "to 1h0m0s",
		"1s/ful":        "full",
		"1s..2s..3s":    "must be the first wait",
		"1s/half/full":  "bad jitter",
		"1s/" + "x\x1b": "bad jitter",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got the error %v, want one with %q", text, err, want)
		}
	}
}

// TestWaits compares the range of many waits with the definition of each jitter.
func TestWaits(t *testing.T) {
	const first, most, many = 100 * time.Millisecond, time.Second, 2000
	for _, c := range []struct {
		jitter    Jitter
		low, high [6]time.Duration // of the six waits, in milliseconds
	}{
		{None, [6]time.Duration{100, 200, 400, 800, 1000, 1000}, [6]time.Duration{100, 200, 400, 800, 1000, 1000}},
		{Half, [6]time.Duration{50, 100, 200, 400, 500, 500}, [6]time.Duration{100, 200, 400, 800, 1000, 1000}},
		{Full, [6]time.Duration{}, [6]time.Duration{100, 200, 400, 800, 1000, 1000}},
		{Decorrelated, [6]time.Duration{100, 100, 100, 100, 100, 100}, [6]time.Duration{300, 900, 1000, 1000, 1000, 1000}},
	} {
		var low, high [6]time.Duration
		for i := range many {
			waits := Policy{first, most, c.jitter}.Waits()
			for n := range low {
				wait := waits.Next()
				if i == 0 || wait < low[n] {
					low[n] = wait
				}
				high[n] = max(high[n], wait)
			}
		}
		for n := range low {
			wantLow, wantHigh := c.low[n]*time.Millisecond, c.high[n]*time.Millisecond
			slack := (wantHigh - wantLow) / 10
			if low[n] < wantLow || low[n] > wantLow+slack && c.jitter != Decorrelated || high[n] > wantHigh || high[n] < wantHigh-slack && (c.jitter != Decorrelated || n != 1) {
				t.Errorf("%s: wait %d is %v to %v, want %v to %v", c.jitter, n+1, low[n], high[n], wantLow, wantHigh)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Example)
	f.Add("1s")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("%q is read as %v, and that as %v, %v", text, p, again, err)
		}
		waits := p.Waits()
		for range 50 {
			if wait := waits.Next(); wait < 0 || wait > p.Most {
				t.Fatalf("%q: it waits %v", text, wait)
			}
		}
	})
}
