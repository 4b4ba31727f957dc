package check

import (
	"cmp"
	"slices"

	"pushpull/loadgen/result"
)

// gated returns the compared metrics: faults, then counts, then timings.
func gated() []result.Metric {
	all := slices.DeleteFunc(result.Metrics(), func(m result.Metric) bool { return m.Gate == result.Uncompared })
	slices.SortStableFunc(all, func(a, b result.Metric) int { return cmp.Compare(a.Gate, b.Gate) })
	return all
}

// Timings returns the keys of the metrics that Options.Gate can name.
func Timings() []string { return keys(func(m result.Metric) bool { return m.Gate == result.Timing }) }

// Defaults returns the keys of the timings that are gated at MinEffect if Options.Gate is nil.
func Defaults() []string { return keys(func(m result.Metric) bool { return m.Default }) }

func keys(is func(result.Metric) bool) []string {
	var all []string
	for _, m := range gated() {
		if is(m) {
			all = append(all, m.Key)
		}
	}
	return all
}

// expected returns the prediction of theory for a count, if there is one.
func expected(m result.Metric, r result.Row) (float64, bool) {
	if m.Theory == nil {
		return 0, false
	}
	return m.Theory(r)
}

// noisy reports whether the noise of the machine is in a metric, so that one alarm may be a false one.
func noisy(key string) bool {
	gate := gateOf(key)
	return gate == result.Timing || gate == result.Chance
}

// gateOf returns the gate of the metric with that key; result.Uncompared if there is none.
func gateOf(key string) result.Gate {
	m, _ := result.MetricOf(key)
	return m.Gate
}
