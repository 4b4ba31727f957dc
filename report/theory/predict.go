package theory

import (
	"fmt"
	"math"
	"strings"

	"pushpull/loadgen/result"
)

// Rows returns the rows of r with what theory says beside what was measured, and a doubt wherever
// the two are further apart than chance explains. About a transport that isn't known here nothing
// is said.
func Rows(r *result.Result) []result.Row {
	rows := r.Rows()
	for i := range rows {
		row := &rows[i]
		m := parametersOf(r.Run, *row, r.Windows)
		predict := map[string]func(parameters) prediction{
			"short-poll": shortPoll, "long-poll": longPoll, "websocket": webSocket,
		}[m.kind]
		if predict == nil || !m.told() || row.Delivered == 0 {
			continue
		}
		p := predict(m)
		row.Theory = p.theory(*row)
		row.Doubts = append(row.Doubts, p.doubts(*row)...)
	}
	return rows
}

// Parameters are what the formulas are told: by the scenario, and by what was measured in the same
// windows on the same machine. Times are seconds.
type parameters struct {
	kind     string
	interval float64 // poll interval or hold
	users    float64
	windows  float64
	warmup   float64 // before the measured part of each
	seconds  float64 // measured, all windows together
	sends    float64 // messages in that time, all rooms together
	members  float64 // of a room

	delay      Distribution // from the intended time of a message to the start of sending
	accept     Distribution // from there to the word that it is stored: the way up, the store, the way back
	calibrated bool         // whether the next two are known
	trip       float64      // the smallest exchange over HTTP
	delivery   Distribution // from the start of sending to the other one of two members, with nothing else to wait for
	write      float64      // processor time for each member's copy; 0: not known
	writers    int
	bytes      *result.Bytes // nil: not known
}

func parametersOf(run result.Run, row result.Row, windows []result.Window) parameters {
	m := parameters{
		users: float64(row.Users), members: float64(run.Scenario.RoomSize),
		warmup: run.Scenario.WarmupS, seconds: row.DurationS,
		writers: run.Environment.Cores,
	}
	m.kind, _, _ = strings.Cut(row.Transport, "@")
	delay, accept, trip, delivery := result.NewHistogram(), result.NewHistogram(), result.NewHistogram(), result.NewHistogram()
	for _, w := range windows {
		if w.Transport != row.Transport {
			continue
		}
		m.windows++
		m.interval = w.IntervalS
		m.sends += float64(w.Planned)
		delay.Merge(w.SendDelay)
		accept.Merge(w.Accept)
		if c := w.Calibration; c != nil {
			trip.Merge(c.RoundTrip)
			delivery.Merge(c.Delivery)
			if c.Bytes != nil {
				m.bytes = c.Bytes // the same in all windows, but for the digits of a number
			}
		}
	}
	m.delay, m.accept = sampled(delay), sampled(accept)
	m.trip, m.delivery = trip.Quantile(.5).Seconds(), sampled(delivery)
	m.calibrated = trip.Count() > 0 && delivery.Count() > 0
	if row.Server != nil && row.Delivered > 0 {
		cpu := row.Server.CPUS
		if run.Scenario.Target == "" { // on the same machine the generator's reading keeps the processors, too
			cpu += row.Generator.CPUS
		}
		m.write = cpu / (float64(row.Delivered) * m.members / (m.members - 1))
	}
	return m
}

// sampled returns the distribution of what was measured.
func sampled(h *result.Histogram) Distribution {
	if h.Count() == 0 {
		return Distribution{}
	}
	return Sample(func(p float64) float64 { return h.Quantile(p).Seconds() })
}

// told says whether the parameters are those of a run; a result can come from anywhere, and an
// older one lacks the interval.
func (m parameters) told() bool {
	return m.users > 0 && m.members > 1 && m.writers > 0 && m.seconds > 0 && m.warmup >= 0 && m.sends > 0 &&
		(m.interval > 0 || m.kind == "websocket")
}

// rate returns the messages per second that one user is to get, its own among them.
func (m parameters) rate() float64 { return m.sends * m.members / m.users / m.seconds }

// pushed returns the latency of a message that wakes whoever reads it: that of the calibration,
// in which one reader and the sender are woken, and by how much the others in a room are written to
// later. Messages that have to wait for those before them are in the calibration already, as its
// messages waited among the rest (PASTA; Wolff 1982).
func (m parameters) pushed() (d Distribution, known bool) {
	if !m.calibrated || m.members > 2 && m.write == 0 {
		return d, false
	}
	f := FanOut{Members: int(m.members), Writers: m.writers, Write: m.write}
	return m.delay.Plus(m.delivery).Plus(f.Turns().Shift(-f.Write)), true // the first turn is in the calibration
}

// A prediction is of all users and all windows together.
type prediction struct {
	latency  Distribution
	known    bool      // the latency is
	judged   []float64 // the quantiles of it that are held against what was measured
	slack    slack     // of them
	samples  float64   // of the latency that are independent
	requests float64   // handshakes among them
	reads    float64
	scatter  float64 // standard deviation of the reads, and of requests as far as they come with them
	bytes    float64 // in both directions, without handshakes; 0: not known
}

// A slack is by how much a measured latency may miss the formula, beyond chance: what no formula
// here knows of is how long an operating system takes to wake a process.
type slack struct{ ratio, seconds float64 }

func shortPoll(m parameters) prediction {
	s := ShortPoll{Interval: m.interval, Rate: m.rate()}
	p := prediction{
		latency: m.delay.Plus(m.accept).Plus(s.Wait()), known: true,
		judged: []float64{.5, .99}, slack: slack{1.01, .002},
		samples:  m.sends * (m.members - 1),
		requests: m.users * m.seconds * s.RequestsPerSecond(), scatter: math.Sqrt(m.users*m.windows) / 2,
	}
	if m.seconds/m.windows < m.interval {
		p.samples = min(p.samples, m.users*m.windows) // a user's messages wait for the same question
	}
	p.reads = p.requests
	if b := m.bytes; b != nil {
		full := p.requests * (1 - s.EmptyShare())
		p.bytes = (p.requests-full)*float64(b.Empty) + full*float64(b.Answer) + m.carried(b, m.asked())
	}
	return p
}

func longPoll(m parameters) prediction {
	l := LongPoll{Gap: m.trip, Rate: m.rate(), Hold: m.interval}
	if m.calibrated {
		l.Wake = max(0, m.delivery.Quantile(.5)-m.trip)
	}
	p := prediction{
		judged: []float64{.5}, slack: woken, samples: m.sends,
		requests: m.users * m.windows * l.Requests(m.warmup, m.warmup+m.seconds/m.windows), // users begin to ask as they join
	}
	if p.latency, p.known = m.pushed(); p.known {
		p.latency = p.latency.Plus(l.Wait())
	}
	merged := math.Abs(m.users*m.seconds*m.rate() - p.requests)
	p.scatter = math.Sqrt(m.users*m.windows)/2 + math.Sqrt(merged)
	p.reads = p.requests
	if b := m.bytes; b != nil {
		l.Hold = math.Inf(1)
		full := min(p.requests, m.users*m.seconds*l.RequestsPerSecond())
		p.bytes = (p.requests-full)*float64(b.Empty) + full*float64(b.Answer) + m.carried(b, 1)
	}
	return p
}

func webSocket(m parameters) prediction {
	p := prediction{
		judged: []float64{.5}, slack: woken, samples: m.sends,
		requests: m.users * m.windows, reads: m.users * m.seconds * m.rate(),
	}
	p.latency, p.known = m.pushed()
	if b := m.bytes; b != nil {
		p.bytes = m.carried(b, 1)
	}
	return p
}

// woken is the slack of a latency that is some wake-ups and nothing else.
var woken = slack{1.5, .0003}

// carried returns the bytes of the messages themselves: each is sent once, and a share of the
// copies for all members read, as many in the measured part as are sent in it.
func (m parameters) carried(b *result.Bytes, share float64) float64 {
	return m.sends * (float64(b.Send) + share*m.members*float64(b.Message))
}

// asked returns how many messages users who poll ask for in the measured part, as a share of those
// sent in it. Those sent at its end are asked for later, and those sent before it make up for them
// only if the warm-up was as long as the interval.
func (m parameters) asked() float64 {
	// By time t, of messages at rate 1 from time 0 on, each asked for U(0, T) later.
	by := func(t float64) float64 {
		if t < m.interval {
			return t * t / (2 * m.interval)
		}
		return t - m.interval/2
	}
	each := m.seconds / m.windows
	return (by(m.warmup+each) - by(m.warmup)) / each
}

// theory returns the prediction as it stands in row.
func (p prediction) theory(row result.Row) *result.Theory {
	t := &result.Theory{Requests: p.requests, StoreReads: p.reads}
	if p.known {
		t.Quantile = func(q float64) float64 { return 1e3 * p.latency.Quantile(q) }
		mean, p50, p99 := 1e3*p.latency.Mean(), t.Quantile(.5), t.Quantile(.99)
		t.Mean, t.P50, t.P99 = &mean, &p50, &p99
	}
	if p.bytes > 0 {
		each := p.bytes / float64(row.Delivered)
		t.BytesPerDelivery = &each
	}
	return t
}

// chance is how many standard deviations are still taken for chance: among a hundred rows of ten
// numbers each, one would be further off.
const chance = 4

// doubts returns where row is further from theory than chance and slack explain.
func (p prediction) doubts(row result.Row) []result.Doubt {
	var found []result.Doubt
	doubt := func(format string, args ...any) {
		found = append(found, result.Doubt{Code: "theory", Text: fmt.Sprintf(format, args...)})
	}
	if p.known && p.samples > 0 {
		for _, q := range p.judged {
			// A sample of n holds q ± sqrt(q(1-q)/n) below its q-quantile, whatever the distribution.
			off := chance * math.Sqrt(q*(1-q)/p.samples)
			low := p.latency.Quantile(max(0, q-off))/p.slack.ratio - p.slack.seconds
			high := p.latency.Quantile(min(1, q+off))*p.slack.ratio + p.slack.seconds
			if got := row.Histogram.Quantile(q).Seconds(); got < low || got > high {
				doubt("p%.0f is %.3g ms, where theory says %.3g ms", 100*q, 1e3*got, 1e3*p.latency.Quantile(q))
			}
		}
	}
	scatter := chance * p.scatter / p.reads // as a share
	near := func(what string, got, want, share float64) {
		if math.Abs(got-want) > (share+scatter)*want {
			doubt("%.0f %s, where theory says %.0f", got, what, want)
		}
	}
	near("requests", float64(row.Requests), p.requests, .02)
	if row.Store != nil {
		near("reads of the store", float64(row.Store.Reads), p.reads, .05)
	}
	if p.bytes > 0 {
		near("bytes", float64(row.BytesIn+row.BytesOut), p.bytes, .05)
	}
	return found
}
