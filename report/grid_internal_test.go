package report

import (
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/verdict"
)

func TestIntervalOf(t *testing.T) {
	for _, test := range []struct {
		key       string
		low, high float64
		want      string
	}{
		{"p50", .311, .352, "311–352 µs"},
		{"p50", .98, 1.02, "980 µs–1.02 ms"},
		{"p99", 4.66e3, 5.41e3, "4.66–5.41 s"},
		{"server-cpu", 203, 211.4, "203–211"}, // its unit is in the heading
		{"empty-answers", 17, 19, "17–19 %"},
		{"requests", 2, 2.0001, ""}, // the same number
	} {
		m, _ := result.MetricOf(test.key)
		row := result.Row{Intervals: map[string]result.Interval{test.key: {Low: test.low, High: test.high}}}
		if got := intervalOf(m.Typeset(), row); got != test.want {
			t.Errorf("%s from %v to %v is written %q, want %q", test.key, test.low, test.high, got, test.want)
		}
	}
	m, _ := result.MetricOf("p50")
	if got := intervalOf(m, result.Row{}); got != "" {
		t.Errorf("an unknown interval is written %q", got)
	}
}

func TestChange(t *testing.T) {
	around := func(x float64) sample {
		return sample{value: x, interval: result.Interval{Low: .95 * x, High: 1.05 * x}, ranged: true}
	}
	unknown := sample{value: 300, interval: result.Interval{Low: 300, High: 300}}
	for _, test := range []struct {
		from, to sample
		want     string
	}{
		{around(100), around(108), ""}, // the intervals overlap
		{around(100), around(123), "+23%"},
		{around(100), around(40), "-60%"},
		{around(100), around(200), "x2.0"},
		{around(100), around(12345), "x123"},
		{around(100), unknown, ""},
		{unknown, around(100), ""},
		{around(0), around(100), ""}, // no ratio
	} {
		if got := change(test.from, test.to); got != test.want {
			t.Errorf("from %v to %v is %q, want %q", test.from.value, test.to.value, got, test.want)
		}
	}
}

// TestPlacesOf checks that rows compete with those of their own run only.
func TestPlacesOf(t *testing.T) {
	m, _ := result.MetricOf("requests")
	one := func(column int, requests float64) series {
		return series{Row: result.Row{Rounds: 1, Delivered: 1, RequestsPerDelivery: requests}, column: column}
	}
	got := placesOf(m, []series{one(0, 1), one(1, 10), one(0, 3), one(1, 30)})
	want := []verdict.Place{verdict.Best, verdict.Best, verdict.Worst, verdict.Worst}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d has place %d, want %d", i, got[i], want[i])
		}
	}
}

// TestOrdered checks that the runs of a transport stay together, and come in the order of its best one.
func TestOrdered(t *testing.T) {
	one := func(transport string, column int, p50 float64) series {
		return series{Row: result.Row{Transport: transport, Rounds: 1, Delivered: 1, Latency: result.Quantiles{P50: p50}}, column: column}
	}
	got := ordered([]series{one("slow", 0, 9), one("slow", 1, 2), one("fast", 0, 1), one("fast", 1, 8)})
	for i, want := range []struct {
		transport string
		column    int
	}{{"fast", 0}, {"fast", 1}, {"slow", 0}, {"slow", 1}} {
		if got[i].Transport != want.transport || got[i].column != want.column {
			t.Errorf("row %d is %s of run %d, want %s of run %d", i, got[i].Transport, got[i].column, want.transport, want.column)
		}
	}
}
