package check

import (
	"slices"

	"pushpull/loadgen/result"
)

// Metrics returns what is compared, in the order in which it is told.
func Metrics() []Metric {
	return []Metric{
		{"lost", "", "", Fault, always(func(r result.Row) int { return r.Lost })},
		{"duplicated", "", "", Fault, always(func(r result.Row) int { return r.Duplicated })},
		{"reordered", "", "", Fault, always(func(r result.Row) int { return r.Reordered })},
		{"misdelivered", "", "", Fault, always(func(r result.Row) int { return r.Misdelivered })},

		// For each delivery, as rounds differ in how many they have.
		{"requests", "", "message", Count, delivered(func(r result.Row) float64 { return r.RequestsPerDelivery })},
		{"store-reads", "", "message", Count, func(r result.Row) (float64, bool) {
			if r.StorePerDelivery == nil {
				return 0, false
			}
			return r.StorePerDelivery.Reads, true
		}},
		{"bytes", "", "message", Count, delivered(func(r result.Row) float64 { return r.BytesPerDelivery })},

		{"p50", "ms", "", Timing, delivered(func(r result.Row) float64 { return r.Latency.P50 })},
		{"p95", "ms", "", Timing, delivered(func(r result.Row) float64 { return r.Latency.P95 })},
		{"p99", "ms", "", Timing, delivered(func(r result.Row) float64 { return r.Latency.P99 })},
		{"server-cpu", "us", "message", Timing, func(r result.Row) (float64, bool) {
			if r.Server == nil || r.Delivered == 0 {
				return 0, false
			}
			return r.Server.CPUMicrosPerDelivery, true
		}},
		// No timing, but the garbage collector gives it the noise of one.
		{"server-memory", "KB", "user", Timing, func(r result.Row) (float64, bool) {
			if r.Server == nil {
				return 0, false
			}
			return r.Server.RSSBytesPerUser / 1e3, true
		}},
	}
}

// expected returns what theory says of a count, and whether it does.
func expected(metric string, r result.Row) (float64, bool) {
	t := r.Theory
	if t == nil || r.Delivered == 0 {
		return 0, false
	}
	switch metric {
	case "requests":
		return (t.Requests - float64(r.Handshakes)) / float64(r.Delivered), true
	case "store-reads":
		return t.StoreReads / float64(r.Delivered), true
	case "bytes":
		if t.BytesPerDelivery != nil {
			return *t.BytesPerDelivery, true
		}
	}
	return 0, false
}

func always(of func(result.Row) int) func(result.Row) (float64, bool) {
	return func(r result.Row) (float64, bool) { return float64(of(r)), true }
}

// delivered is for what a row tells only of deliveries.
func delivered(of func(result.Row) float64) func(result.Row) (float64, bool) {
	return func(r result.Row) (float64, bool) { return of(r), r.Delivered > 0 }
}

// named returns the metric of that name.
func named(name string) (Metric, bool) {
	all := Metrics()
	i := slices.IndexFunc(all, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Metric{}, false
	}
	return all[i], true
}

// timings returns the names of the metrics whose gate can be chosen.
func timings() []string {
	var names []string
	for _, m := range Metrics() {
		if m.Kind == Timing {
			names = append(names, m.Name)
		}
	}
	return names
}
