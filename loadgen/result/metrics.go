package result

import (
	"slices"
	"strings"
)

// A Metric is one figure of a row: its name and unit, how to read it from a row, and which views show
// it or checks judge it. All tables, charts, files and checks take their figures from metrics.
//
// A message in a metric is a delivery: a copy of a message that reached a member other than its
// sender.
type Metric struct {
	Key      string                    // on the command line and in files, like "server-cpu"
	Title    string                    // in headings; empty: the key, with spaces
	Together string                    // replaces Title where several servers share the users; empty: Title
	Unit     string                    // of Value: "ms", "us", "s", "KB" (1000 bytes), "B", "%", or "" for a plain number
	Per      string                    // what Value is shared among: "message", "user" or "s"; "" for nothing
	Value    func(Row) (float64, bool) // false: the row has none
	Whole    func(Row) float64         // the total that Value is a part of, written after a slash; nil: none
	Theory   func(Row) (float64, bool) // the predicted Value; nil: there is no prediction
	Quantile float64                   // which quantile of the delivery latency it is, like .5; 0: none
	Samples  int                       // deliveries that it needs to be reliable; 0: any number
	Worse    Direction

	Gate    Gate
	Default bool    // this Timing is gated unless others are chosen
	Limit   float64 // ratio from which on a Timing is gated even if it is not chosen; 0: none

	Shown Views
	Chart *Chart // nil: none
}

// A Direction is the direction in which a metric gets worse.
type Direction int

const (
	Neither Direction = iota // the metric describes, and is not judged
	Higher
	Lower
)

// A Gate is how the regression check judges a metric.
type Gate int

const (
	Uncompared Gate = iota // it is not compared
	Fault                  // must be 0
	Count                  // has no noise, as the plan and the transport determine it
	Timing                 // has the noise of the machine, so it is compared in pairs of windows
	Chance                 // a number of windows that chance distributes evenly between two sides, if they are alike
)

// Views are the views that show a metric. In addition --csv shows all metrics, and a metric may have a
// chart.
type Views int

const (
	InTable     Views = 1 << iota // the table of the page
	InHeadlines                   // the list of runs
	InStore                       // the table of the servers' use of their store
	InTheory                      // the table of measured and predicted values
	InMarkdown                    // the table of a run in Markdown
	InHistory                     // files that CI systems track over time: benchfmt and benchmark-action
	InLive                        // the page of a run under way
	OnCurve                       // a mark on the curves of the delivery latency
	InGlance                      // the table of a terminal, and its live view; a Fault only where there was one
	InSends                       // the table of a terminal on sending
	InGenerator                   // the table of a terminal on the load generator
	InJoining                     // the table on what joining takes
	InTrend                       // the trend over many runs
)

// Has reports whether v includes the view.
func (v Views) Has(view Views) bool { return v&view != 0 }

// A Chart shows a metric as a bar for each row.
type Chart struct {
	Name     string            // of its files
	Title    string            // what it shows
	Detail   string            // how it is measured, a sentence
	Together string            // replaces Detail where several servers share the users; empty: Detail
	Vain     func(Row) float64 // the part of the value that was in vain, in the same unit, drawn faint; nil: unknown
	Zero     string            // text beside a bar of 0; empty: none
}

// Metrics returns all metrics, in the order in which they are shown.
func Metrics() []Metric {
	return []Metric{
		{
			Key: "delivered", Value: always(func(r Row) int { return r.Delivered }), Whole: func(r Row) float64 { return float64(r.Expected) },
			Worse: Lower, Shown: InTable | InHeadlines | InMarkdown | InLive,
		},
		{Key: "lost", Value: always(func(r Row) int { return r.Lost }), Worse: Higher, Gate: Fault, Shown: InTable | InMarkdown | InGlance},
		{Key: "duplicated", Value: always(func(r Row) int { return r.Duplicated }), Worse: Higher, Gate: Fault, Shown: InGlance},
		{Key: "reordered", Value: always(func(r Row) int { return r.Reordered }), Worse: Higher, Gate: Fault, Shown: InGlance},
		{Key: "misdelivered", Value: always(func(r Row) int { return r.Misdelivered }), Worse: Higher, Gate: Fault, Shown: InGlance},

		// Delivery latency.
		{
			Key: "mean", Unit: "ms",
			Value: func(r Row) (float64, bool) { // that of the latencies up to an hour would mislead
				_, ok := short(r.Latency.Max, r.Timed() > 0)
				return r.Latency.Mean, ok
			},
			Theory: predicted(func(t Theory) *float64 { return t.Mean }),
			Worse:  Higher, Shown: InTheory | InHistory,
		},
		{
			Key: "p50", Unit: "ms", Quantile: .5, Value: latency(func(q Quantiles) float64 { return q.P50 }),
			Theory: predicted(func(t Theory) *float64 { return t.P50 }),
			Worse:  Higher, Gate: Timing, Default: true,
			Shown: InTable | InHeadlines | InMarkdown | InHistory | InLive | OnCurve | InGlance | InTrend,
		},
		{
			Key: "p90", Unit: "ms", Quantile: .9, Value: latency(func(q Quantiles) float64 { return q.P90 }),
			Worse: Higher, Shown: InHistory | OnCurve,
		},
		{
			Key: "p95", Unit: "ms", Quantile: .95, Value: latency(func(q Quantiles) float64 { return q.P95 }),
			Worse: Higher, Gate: Timing, Shown: InTable | InMarkdown | InHistory,
		},
		{
			Key: "p99", Unit: "ms", Quantile: .99, Value: latency(func(q Quantiles) float64 { return q.P99 }),
			Theory: predicted(func(t Theory) *float64 { return t.P99 }), Samples: samplesP99,
			// On a shared machine p99 varies by a factor: a tighter limit would raise false alarms.
			Worse: Higher, Gate: Timing, Limit: 1.5,
			Shown: InTable | InHeadlines | InTheory | InMarkdown | InHistory | InLive | OnCurve | InGlance | InTrend,
		},
		{
			Key: "p999", Title: "p99.9", Unit: "ms", Quantile: .999, Value: func(r Row) (float64, bool) { return short(known(r.Latency.P999)) },
			Samples: samplesP999, Worse: Higher, Shown: OnCurve,
		},
		{
			Key: "max", Unit: "ms", Value: latency(func(q Quantiles) float64 { return q.Max }),
			Worse: Higher, Shown: InTable | InMarkdown | InHistory,
		},

		// Requests to receive messages. The totals are over all rounds.
		{
			Key: "requests", Per: "message", Value: delivered(func(r Row) float64 { return r.RequestsPerDelivery }),
			Theory: predictedShare(func(t Theory, r Row) float64 { return t.Requests - float64(r.Handshakes) }),
			Worse:  Higher, Gate: Count, Shown: InTable | InHeadlines | InMarkdown | InHistory | InGlance,
			Chart: &Chart{
				Name: "requests", Title: "Requests it took to receive a message",
				Detail: "Polls of all users, for each delivered message.",
				Zero:   "none after the handshake",
			},
		},
		{
			Key: "empty-answers", Unit: "%", Worse: Higher, Shown: InTable, // of the requests
			Value: func(r Row) (float64, bool) {
				// A response to a request from before the measured part may be counted without its request.
				return min(100, 100*float64(r.EmptyResponses)/float64(r.Requests)), r.Requests > 0
			},
		},
		{
			Key: "total-requests", Title: "requests", Value: always(func(r Row) int64 { return r.Requests }), // handshakes among them
			Theory: predictedTotal(func(t Theory) float64 { return t.Requests }), Worse: Higher, Shown: InTheory,
		},
		{Key: "total-empty-answers", Title: "empty answers", Value: always(func(r Row) int64 { return r.EmptyResponses }), Worse: Higher},

		// The servers' use of their store.
		{Key: "store-appends", Per: "message", Value: rate(perMessage, func(r Rates) float64 { return r.Appends }), Worse: Higher, Shown: InStore},
		{
			Key: "store-reads", Per: "message", Value: rate(perMessage, func(r Rates) float64 { return r.Reads }),
			Theory: ofStore(predictedShare(func(t Theory, _ Row) float64 { return t.StoreReads })),
			Worse:  Higher, Gate: Count, Shown: InStore | InMarkdown | InHistory,
		},
		{Key: "empty-reads", Per: "message", Value: rate(perMessage, func(r Rates) float64 { return r.EmptyReads }), Worse: Higher, Shown: InStore},
		{Key: "store-append-rate", Title: "store appends", Per: "s", Value: rate(perSecond, func(r Rates) float64 { return r.Appends }), Worse: Higher, Shown: InStore},
		{
			Key: "store-read-rate", Title: "store reads", Per: "s", Value: rate(perSecond, func(r Rates) float64 { return r.Reads }),
			Worse: Higher, Shown: InStore,
			Chart: &Chart{
				Name: "store-reads", Title: "Reads of the store in each second",
				Detail: "What the servers asked of their store while they were measured.",
				Vain:   func(r Row) float64 { return r.StorePerSecond.EmptyReads },
			},
		},
		{Key: "empty-read-rate", Title: "empty reads", Per: "s", Value: rate(perSecond, func(r Rates) float64 { return r.EmptyReads }), Worse: Higher, Shown: InStore},
		{Key: "total-store-appends", Title: "store appends", Value: total(func(s Store) int64 { return s.Appends }), Worse: Higher},
		{
			Key: "total-store-reads", Title: "store reads", Value: total(func(s Store) int64 { return s.Reads }),
			Theory: ofStore(predictedTotal(func(t Theory) float64 { return t.StoreReads })), Worse: Higher, Shown: InTheory,
		},
		{Key: "total-empty-reads", Title: "empty reads", Value: total(func(s Store) int64 { return s.EmptyReads }), Worse: Higher},
		{
			Key: "bytes", Unit: "B", Per: "message", Value: delivered(func(r Row) float64 { return r.BytesPerDelivery }),
			Theory: predicted(func(t Theory) *float64 { return t.BytesPerDelivery }),
			Worse:  Higher, Gate: Count, Shown: InTable | InTheory | InMarkdown | InHistory | InGlance,
		},

		// The usage of all servers together.
		{
			Key: "server-cpu", Title: "server CPU", Together: "CPU of all", Unit: "us", Per: "message",
			Value: func(r Row) (float64, bool) {
				value, ok := server(func(u Usage) float64 { return u.CPUMicrosPerDelivery })(r)
				return value, ok && r.Delivered > 0
			},
			Worse: Higher, Gate: Timing, Default: true, Shown: InTable | InHeadlines | InMarkdown | InHistory | InGlance | InTrend,
			Chart: &Chart{
				Name: "server-cpu", Title: "Server CPU for each delivered message",
				Detail:   "User and system time of the server's process while it was measured.",
				Together: "User and system time of all servers of a run together while they were measured.",
			},
		},
		{
			// Memory is gated like a timing, as other allocations of the server make it noisy.
			Key: "server-memory", Together: "memory of all", Unit: "KB", Per: "user",
			Value: memory(func(s Server) *float64 { return s.BytesPerUser }),
			Worse: Higher, Gate: Timing, Shown: InTable | InHistory | InGlance,
			Chart: &Chart{
				Name: "memory", Title: "Server memory for one more user",
				Detail:   "Memory in use, without garbage: its growth for each user that joined.",
				Together: "Memory in use of all servers of a run, without garbage: its growth for each user that joined.",
			},
		},
		{
			Key: "fixed-memory", Together: "fixed memory of all", Unit: "KB",
			Value: memory(func(s Server) *float64 { return s.FixedBytes }), Worse: Higher, Shown: InTable,
		},

		// From the intended time to the start of sending, and from there to the acknowledgement.
		{Key: "send-delay-p50", Unit: "ms", Value: sent(func(r Row) float64 { return r.SendDelay.P50 }), Worse: Higher, Shown: InSends},
		{Key: "send-delay-p99", Unit: "ms", Value: sent(func(r Row) float64 { return r.SendDelay.P99 }), Worse: Higher, Shown: InSends},
		{Key: "send-delay-max", Unit: "ms", Value: sent(func(r Row) float64 { return r.SendDelay.Max }), Worse: Higher, Shown: InSends},
		{Key: "accept-p50", Unit: "ms", Value: sent(func(r Row) float64 { return r.Accept.P50 }), Worse: Higher, Shown: InSends},
		{Key: "accept-p99", Unit: "ms", Value: sent(func(r Row) float64 { return r.Accept.P99 }), Worse: Higher, Shown: InSends},
		{Key: "accept-max", Unit: "ms", Value: sent(func(r Row) float64 { return r.Accept.Max }), Worse: Higher, Shown: InSends},

		// What it takes a user to join, and to join again after its session has ended. Theory counts the round trips.
		{
			Key: "join-p50", Unit: "ms", Value: joinedBy(first, func(j Joining) float64 { return j.P50 }),
			Theory: predicted(func(t Theory) *float64 { return t.Join }), Worse: Higher, Shown: InJoining,
		},
		{Key: "join-p99", Unit: "ms", Value: joinedBy(first, func(j Joining) float64 { return j.P99 }), Worse: Higher, Shown: InJoining},
		{Key: "join-rate", Title: "users", Per: "s", Value: joinRate, Worse: Lower, Shown: InJoining},
		{Key: "join-round-trips", Title: "round trips", Value: trips, Worse: Higher, Shown: InJoining},
		{Key: "join-connections", Title: "connections", Per: "user", Value: joinedBy(first, func(j Joining) float64 { return j.Connections }), Worse: Higher, Shown: InJoining},
		{Key: "join-bytes", Unit: "B", Per: "user", Value: joinedBy(first, func(j Joining) float64 { return j.Bytes }), Worse: Higher, Shown: InJoining},
		{Key: "return-p50", Unit: "ms", Value: joinedBy(again, func(j Joining) float64 { return j.P50 }), Worse: Higher, Shown: InJoining},
		{Key: "return-p99", Unit: "ms", Value: joinedBy(again, func(j Joining) float64 { return j.P99 }), Worse: Higher, Shown: InJoining},
		{Key: "return-connections", Per: "user", Value: joinedBy(again, func(j Joining) float64 { return j.Connections }), Worse: Higher, Shown: InJoining},
		{Key: "return-bytes", Unit: "B", Per: "user", Value: joinedBy(again, func(j Joining) float64 { return j.Bytes }), Worse: Higher, Shown: InJoining},

		// The load generator itself.
		{Key: "generator-cpu", Title: "generator CPU", Unit: "us", Per: "message", Value: delivered(func(r Row) float64 { return r.Generator.CPUMicrosPerDelivery }), Shown: InGenerator},
		{Key: "generator-memory", Unit: "KB", Per: "user", Value: func(r Row) (float64, bool) { return kilobytes(r.Generator.RSSBytesPerUser) }, Shown: InGenerator},
		{Key: "late-windows", Value: always(func(r Row) int { return r.Generator.LateWindows }), Worse: Higher, Gate: Chance, Shown: InGenerator},
		{Key: "replaced-windows", Value: always(func(r Row) int { return r.Generator.Replaced }), Shown: InGenerator},
		{Key: "generator-late-p99", Unit: "ms", Value: func(r Row) (float64, bool) { return short(r.Generator.LateP99, r.Measured()) }, Worse: Higher, Shown: InGenerator},

		// Other totals over all rounds, and the resident memory at their ends, averaged.
		{Key: "failed-windows", Value: func(r Row) (float64, bool) { return float64(r.Failed), true }, Worse: Higher}, // that are in no other figure
		{Key: "sent", Value: always(func(r Row) int { return r.Sent }), Worse: Lower},
		{Key: "expected", Value: always(func(r Row) int { return r.Expected })},
		{Key: "connections", Value: always(func(r Row) int64 { return r.Connections })},
		{Key: "handshakes", Value: always(func(r Row) int64 { return r.Handshakes })},
		{Key: "posts", Value: always(func(r Row) int64 { return r.Posts })},
		{Key: "failed-requests", Value: always(func(r Row) int { return r.FailedRequests }), Worse: Higher},
		{Key: "rejoins", Value: always(func(r Row) int { return r.Rejoins }), Worse: Higher},
		{Key: "limited-requests", Value: always(func(r Row) int { return r.Limited }), Worse: Higher},
		{Key: "bytes-in", Value: always(func(r Row) int64 { return r.BytesIn }), Worse: Higher},
		{Key: "bytes-out", Value: always(func(r Row) int64 { return r.BytesOut }), Worse: Higher},
		{Key: "handshake-bytes", Value: always(func(r Row) int64 { return r.HandshakeBytes }), Worse: Higher},
		{Key: "tls-full", Value: always(func(r Row) int64 { return r.TLSFull })},
		{Key: "tls-resumed", Value: always(func(r Row) int64 { return r.TLSResumed })},
		{Key: "total-server-cpu", Title: "server CPU", Together: "CPU of all", Unit: "s", Value: server(func(u Usage) float64 { return u.CPUS }), Worse: Higher},
		{Key: "server-rss", Title: "server RSS", Together: "RSS of all", Unit: "KB", Value: server(func(u Usage) float64 { return float64(u.RSSBytes) / 1e3 }), Worse: Higher},
		{Key: "total-generator-cpu", Title: "generator CPU", Unit: "s", Value: always(func(r Row) float64 { return r.Generator.CPUS })},
		{Key: "generator-rss", Title: "generator RSS", Unit: "KB", Value: always(func(r Row) float64 { return float64(r.Generator.RSSBytes) / 1e3 })},
	}
}

// MetricsIn returns the metrics that a view shows.
func MetricsIn(view Views) []Metric {
	return slices.DeleteFunc(Metrics(), func(m Metric) bool { return !m.Shown.Has(view) })
}

// MetricOf returns the metric with that key, or false if there is none.
func MetricOf(key string) (Metric, bool) {
	all := Metrics()
	i := slices.IndexFunc(all, func(m Metric) bool { return m.Key == key })
	if i < 0 {
		return Metric{}, false
	}
	return all[i], true
}

// Heading returns the name for a heading. together is set where several servers share the users.
func (m Metric) Heading(together bool) string {
	switch {
	case together && m.Together != "":
		return m.Together
	case m.Title != "":
		return m.Title
	}
	return strings.ReplaceAll(m.Key, "-", " ")
}

// Measure returns the text that follows a number, made of Unit and Per: "ms", "us/message",
// "/message", or "" for a plain count.
func (m Metric) Measure() string {
	if m.Per == "" {
		return m.Unit
	}
	return m.Unit + "/" + m.Per
}

// Labelled returns name, a key or heading of the metric, with the measure: "server-cpu us/message",
// "requests/message".
func (m Metric) Labelled(name string) string {
	if m.Unit == "" {
		return name + m.Measure()
	}
	return name + " " + m.Measure()
}

// Typeset returns m with the unit µs for us, for output that can show µ.
func (m Metric) Typeset() Metric {
	if m.Unit == "us" {
		m.Unit = "µs"
	}
	return m
}

// Plain reports whether the values are plain counts.
func (m Metric) Plain() bool { return m.Unit == "" && m.Per == "" }

// Column returns the column's name in --csv, like "server_cpu_us_per_message".
func (m Metric) Column() string {
	words := []string{strings.ReplaceAll(m.Key, "-", "_")}
	switch {
	case m.Unit == "%":
		words = append(words, "percent")
	case m.Unit != "" && !m.named():
		words = append(words, m.Unit)
	}
	if m.Per != "" {
		words = append(words, "per", m.Per)
	}
	return strings.ToLower(strings.Join(words, "_"))
}

// Bench returns the metric's unit for benchstat, like "server-cpu-ns/message", and the factor that
// converts Value to it.
func (m Metric) Bench() (unit string, scale float64) {
	base, scale := m.Unit, 1.0
	switch m.Unit {
	case "ms":
		base, scale = "ns", 1e6
	case "us":
		base, scale = "ns", 1e3
	case "KB":
		base, scale = "B", 1e3
	}
	switch {
	case base == "":
		unit = m.Key
	case m.named():
		unit = base
	default:
		unit = m.Key + "-" + base
	}
	if m.Per != "" {
		unit += "/" + m.Per
	}
	return unit, scale
}

// named reports whether the key itself names the unit.
func (m Metric) named() bool { return m.Key == "bytes" && m.Unit == "B" }
