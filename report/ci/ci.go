// Package ci writes what CI systems read: JUnit XML, Markdown for a job's summary, Go benchmark
// text for benchstat, and the JSON of github-action-benchmark.
//
// It judges nothing and opens no files. What is a failure in JUnit was found to be one by a
// result's doubts or by a check.
package ci

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"pushpull/loadgen/result"
	"pushpull/report/check"
)

// An Outcome is what a run, or a check of two results, has to tell.
type Outcome struct {
	Words string        // the conclusion, in one line
	Sides []Side        // one of a run; base and head, in this order, of a check
	Check *check.Report // nil for a run
}

// A Side is a result and its rows. The rows are the caller's, who may have added to their doubts.
type Side struct {
	Name   string // like "base"; "" for a run
	Result *result.Result
	Rows   []result.Row
}

// missing returns the transports that were to be measured and were not.
func (s Side) missing() []string {
	measured := map[string]bool{}
	for _, row := range s.Rows {
		measured[row.Transport] = true
	}
	var names []string
	for _, name := range s.Result.Run.Scenario.Transports {
		if !measured[name] {
			names = append(names, name)
		}
	}
	return names
}

// windows returns those of a transport, each as a row of its own.
func (s Side) windows(transport string) []result.Row {
	var rows []result.Row
	for _, w := range s.Result.Windows {
		if w.Transport == transport {
			rows = append(rows, result.Rows([]result.Window{w})...)
		}
	}
	return rows
}

// A measure is a number of a row that gets smaller when things get better.
type measure struct {
	name, unit string  // for people
	benchUnit  string  // as benchstat understands it
	scale      float64 // how many of benchUnit are one unit
	of         func(result.Row) (value float64, ok bool)
}

// measures returns what is followed over time. A row in which nothing was delivered has none.
func measures() []measure {
	latency := func(name string, of func(result.Quantiles) float64) measure {
		return measure{name, "ms", name + "-ns", 1e6, func(row result.Row) (float64, bool) {
			return of(row.Latency), row.Delivered > 0
		}}
	}
	server := func(name, unit, benchUnit string, scale float64, of func(*result.Usage) float64) measure {
		return measure{name, unit, benchUnit, scale, func(row result.Row) (float64, bool) {
			if row.Delivered == 0 || row.Server == nil {
				return 0, false
			}
			return of(row.Server), true
		}}
	}
	p99 := latency("p99", func(q result.Quantiles) float64 { return q.P99 })
	enough := p99.of
	p99.of = func(row result.Row) (float64, bool) {
		value, ok := enough(row)
		return value, ok && !doubted(row, "few-samples") // of few samples it is their maximum
	}
	return []measure{
		latency("mean", func(q result.Quantiles) float64 { return q.Mean }),
		latency("p50", func(q result.Quantiles) float64 { return q.P50 }),
		latency("p90", func(q result.Quantiles) float64 { return q.P90 }),
		latency("p95", func(q result.Quantiles) float64 { return q.P95 }),
		p99,
		latency("max", func(q result.Quantiles) float64 { return q.Max }),
		{"requests", "requests/delivery", "requests/delivery", 1, func(row result.Row) (float64, bool) {
			return row.RequestsPerDelivery, row.Delivered > 0
		}},
		{"bytes", "B/delivery", "B/delivery", 1, func(row result.Row) (float64, bool) {
			return row.BytesPerDelivery, row.Delivered > 0
		}},
		{"store-reads", "reads/delivery", "store-reads/delivery", 1, func(row result.Row) (float64, bool) {
			if row.StorePerDelivery == nil {
				return 0, false
			}
			return row.StorePerDelivery.Reads, true
		}},
		server("server-cpu", "us/delivery", "server-cpu-ns/delivery", 1e3, func(u *result.Usage) float64 { return u.CPUMicrosPerDelivery }),
		server("server-memory", "B/user", "server-B/user", 1, func(u *result.Usage) float64 { return u.RSSBytesPerUser }),
	}
}

func doubted(row result.Row, code string) bool {
	for _, d := range row.Doubts {
		if d.Code == code {
			return true
		}
	}
	return false
}

// fatal returns the reasons not to believe a row.
func fatal(row result.Row) []string { return doubts(row, true) }

// doubts returns those of one sort, a line each.
func doubts(row result.Row, fatal bool) []string {
	var texts []string
	for _, d := range row.Doubts {
		if d.Fatal == fatal {
			texts = append(texts, line(d.Text))
		}
	}
	return texts
}

// line makes s one line that every format can hold: names come from files and flags, errors from
// the server under test, and XML has no way to write most control characters.
func line(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsGraphic(r):
			return r
		}
		return unicode.ReplacementChar
	}, s)), " ")
}

// digits is how many significant digits people are shown.
const digits = 3

// round keeps that many significant digits of x, and all of those before the point.
func round(x float64, digits int) float64 {
	if math.Abs(x) >= math.Pow10(digits) {
		return math.Round(x)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64) // it was just written
	return rounded
}

func number(x float64, digits int) string {
	return strconv.FormatFloat(round(x, digits), 'f', -1, 64)
}

// quantity writes a value of a comparison.
func quantity(x float64, unit string) string {
	return strings.TrimSpace(number(x, digits) + " " + line(unit))
}

// change writes a ratio as what it adds, like "+25.1 %"; "-" for none.
func change(ratio float64) string {
	if ratio == 0 {
		return "-"
	}
	percent := math.Round(1000*(ratio-1)) / 10
	sign := ""
	if percent > 0 {
		sign = "+"
	}
	return sign + strconv.FormatFloat(percent, 'f', -1, 64) + " %"
}

// distrust returns why a check is not to be believed.
func distrust(rep *check.Report) []string {
	var reasons []string
	for _, text := range rep.Warnings[:rep.Doubts] {
		reasons = append(reasons, line(text))
	}
	return reasons
}
