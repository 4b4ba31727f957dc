package check

import (
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
)

// TestChoices checks that exactly the timings can be gated, and that errors name the choices.
func TestChoices(t *testing.T) {
	for _, m := range result.Metrics() {
		err := Options{Gate: []string{m.Key}}.Validate()
		if timing := m.Gate == result.Timing; timing != slices.Contains(Timings(), m.Key) || timing != (err == nil) {
			t.Errorf("%s: %v", m.Key, err)
		}
		if err != nil && !strings.Contains(err.Error(), strings.Join(Timings(), ", ")) {
			t.Errorf("%s: %v", m.Key, err)
		}
	}
	if want := []string{"p50", "server-cpu"}; !slices.Equal(Defaults(), want) {
		t.Errorf("gated by default are %q, want %q", Defaults(), want)
	}
}

func TestGated(t *testing.T) {
	for _, c := range []struct {
		o     Options
		key   string
		gated bool
		limit float64
	}{
		{Options{}, "p50", true, 1.05},
		{Options{}, "p95", false, 1.05},
		{Options{}, "p99", true, 1.5},
		{Options{MinEffect: 2}, "p99", true, 2},
		{Options{Gate: []string{"p99"}}, "p99", true, 1.05},
		{Options{Gate: []string{"p95"}}, "p99", true, 1.5},
		{Options{Gate: []string{"p95"}}, "p50", false, 1.05},
	} {
		m, _ := result.MetricOf(c.key)
		if gated, limit := c.o.gated(m, true); gated != c.gated || limit != c.limit {
			t.Errorf("%+v: %s is gated %t at %v, want %t at %v", c.o, c.key, gated, limit, c.gated, c.limit)
		}
	}
}
