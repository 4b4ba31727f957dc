package theory

import (
	"fmt"
	"math"

	"pushpull/loadgen/result"
)

// Rows returns the rows of r with the predictions of theory next to the measurements, and a doubt
// wherever the two are further apart than chance explains. A row of a transport without a known way
// stays as it is, and so does one that delivered nothing.
func Rows(r *result.Result) []result.Row {
	rows := r.Rows()
	for i := range rows {
		row := &rows[i]
		row.Doubts = append(row.Doubts, offNetwork(*row, r.Windows)...)
		m := parametersOf(r.Run, *row, r.Windows)
		if !m.known() || row.Delivered == 0 {
			continue
		}
		p := predict(m)
		if m.foreign {
			p.foreign(*row)
		}
		row.Theory = p.theory(*row)
		m.joined(row.Theory, r.Run, *row)
		row.Doubts = append(row.Doubts, p.doubts(*row)...)
		row.Doubts = append(row.Doubts, joinDoubts(*row, m.network.RTTS)...)
	}
	return rows
}

// predict applies the formulas for the way that users get their messages.
func predict(m parameters) prediction {
	var p prediction
	switch m.way.Class() {
	case result.Timer:
		p = shortPoll(m)
	case result.Scan:
		p = longPollScan(m)
	case result.Held:
		p = longPoll(m)
	default:
		p = stream(m)
	}
	literals, sd := m.literals(p.requests.mean, p.full)
	p.bytes, p.strays = p.bytes+literals, math.Hypot(p.strays, sd)
	return p
}

// offNetwork returns a doubt if the network of a row was not as it should have been.
func offNetwork(row result.Row, windows []result.Window) []result.Doubt {
	const (
		fewest = 5    // round trips
		share  = .03  // of the network's
		least  = .001 // seconds
	)
	through, direct, want := result.NewHistogram(), result.NewHistogram(), 0.
	for _, w := range windows {
		if c := w.Calibration; w.Transport == row.Transport && w.Failed == "" && c != nil && c.Direct != nil && !c.Connects {
			through.Merge(c.RoundTrip)
			direct.Merge(c.Direct)
			want = max(want, c.NetworkS)
		}
	}
	n := min(through.Count(), direct.Count())
	if n < fewest || want == 0 {
		return nil
	}
	got := (through.Quantile(.5) - direct.Quantile(.5)).Seconds()
	spread := (through.Quantile(.75) - through.Quantile(.25)).Seconds()
	// The median of n has a standard deviation of about 0.93 interquartile ranges by √n, for normal times.
	if math.Abs(got-want) <= max(least, share*want)+chance*.93*spread/math.Sqrt(float64(n)) {
		return nil
	}
	return []result.Doubt{{Code: "network", Text: fmt.Sprintf("a round trip over the network took %.3g ms, where it should take %.3g ms: the machine may be too busy for the relay", 1e3*got, 1e3*want)}}
}

// A prediction covers all users and all windows of a row together.
type prediction struct {
	latency  Distribution
	known    bool          // whether latency is
	judged   []float64     // quantiles of the latency that are compared with the measurement
	slack    slack         // of these quantiles
	machine  *Distribution // the part of the latency that is the machine's, to which the slack applies; nil: all of it
	samples  float64       // independent ones of the latency
	requests count         // including handshakes
	full     float64       // those of the requests whose answer has a message; 0 on a stream
	reads    count         // of the store
	bytes    float64       // in both directions, without handshakes; 0 if unknown
	strays   float64       // standard deviation of the bytes, as strays and literals return it
}

// A count is the prediction of a number that varies from run to run.
type count struct{ mean, sd float64 }

// A slack is how far a measured latency may be from the formula beyond chance: no formula here knows
// how long an operating system takes to wake a process.
type slack struct{ ratio, seconds float64 }

func shortPoll(m parameters) prediction {
	s := ShortPoll{Interval: m.way.EveryS, Rate: m.rate(), Batch: m.batch}
	asks := s
	if m.batch > 0 { // the messages of an interval come by several answers; in the measured part, only those fetched in it
		asks.Rate *= m.fetched()
	}
	p := prediction{
		judged: []float64{.5, .99}, slack: timed, samples: m.sends * (m.members - 1),
		requests: count{m.users * m.seconds * asks.RequestsPerSecond(), m.borders()},
	}
	p.latency, p.known = m.waited(s.Wait)
	if m.batch > 0 { // one after another
		p.known = p.known && s.Asked()*m.trip < timed.seconds
		p.requests.sd += m.unbalanced()
	}
	if m.seconds/m.windows < m.way.EveryS {
		p.samples = min(p.samples, m.users*m.windows) // all messages to a user wait for the same request
	}
	p.reads = p.requests
	p.full = p.requests.mean * (1 - asks.EmptyShare())
	p.bytes, p.strays = m.polled(p.requests.mean, p.full, m.fetched()), m.strays()
	if b := m.bytes; b != nil && b.Fresh > 0 { // whose cursors are shorter
		fresh := m.users * m.windows * s.FreshPolls(m.begun())
		p.bytes -= fresh * float64(b.Empty-b.Fresh)
		// Of each room they last for a random time.
		p.strays = math.Hypot(p.strays, math.Sqrt(m.users*m.members*m.windows)*fresh/(m.users*m.windows)*float64(b.Empty-b.Fresh))
	}
	return p
}

func longPoll(m parameters) prediction {
	gap := m.gap()
	l := LongPoll{Gap: gap.Mean(), Rate: m.rate(), Hold: m.way.HoldS, Wake: m.wake(), Batch: m.batch}
	requests := m.sinceJoined(l.Requests)
	p := prediction{
		judged: []float64{.5}, slack: woken, samples: m.sends,
		requests: count{requests, m.borders() + m.uneven() + math.Sqrt(m.merged(requests))}, reads: m.fed(),
	}
	if p.latency, p.known = m.pushed(); p.known {
		p.latency = p.latency.Plus(Residual(gap, 1/l.Cycle()))
	}
	p.far(m)
	l.Hold = math.Inf(1)
	p.full = min(requests, m.users*m.seconds*l.RequestsPerSecond())
	p.bytes = m.polled(requests, p.full, 1)
	return p
}

func longPollScan(m parameters) prediction {
	l := LongPollScan{Gap: m.trip, Rate: m.rate(), Hold: m.way.HoldS, Scan: m.way.ScanS}
	requests := m.sinceJoined(l.Requests)
	// Users of a room that join together scan together: a message that shares an answer does so for
	// all of them, and a scan at a border of the window is inside or outside for all of them.
	together := math.Sqrt(m.members * m.merged(requests))
	p := prediction{
		judged: []float64{.5, .99}, slack: timed, samples: m.sends,
		requests: count{requests, m.borders() + m.uneven() + together},
		reads:    count{m.sinceJoined(l.Reads), m.uneven() + m.users*math.Sqrt(m.windows/12) + together},
	}
	p.latency, p.known = m.waited(l.Wait)
	if m.seconds/m.windows < m.way.ScanS {
		p.samples = min(p.samples, m.users*m.windows) // all messages to a user wait for the same scan
	}
	l.Hold = math.Inf(1)
	p.full = min(requests, m.users*m.seconds*l.RequestsPerSecond())
	p.bytes, p.strays = m.polled(requests, p.full, m.fetched()), m.strays()
	return p
}

func stream(m parameters) prediction {
	p := prediction{
		judged: []float64{.5}, slack: woken, samples: m.sends,
		requests: count{mean: m.users * m.windows}, reads: m.fed(),
	}
	p.latency, p.known = m.pushed()
	p.far(m)
	if b := m.bytes; b != nil {
		p.bytes = m.carried(b, 1)
		if every := m.way.HeartbeatS; every > 0 { // whatever else is written
			p.bytes += m.users * m.seconds / every * m.heartbeat
		}
	}
	return p
}

// far makes p one of messages that wake their readers over a network: what the network does to them is known well, to
// the p99.
func (p *prediction) far(m parameters) {
	if m.network.IsNone() {
		return
	}
	machine := m.delay.Plus(m.delivery)
	p.judged, p.machine = []float64{.5, .99}, &machine
}

// bounds returns between which latencies the q-quantile may be.
func (p prediction) bounds(q float64) (low, high float64) {
	// Of n samples a share q ± sqrt(q(1-q)/n) lies below the q-quantile, whatever the distribution.
	off := chance * math.Sqrt(q*(1-q)/p.samples)
	low, high = p.latency.Quantile(max(0, q-off)), p.latency.Quantile(min(1, q+off))
	sure := 0.
	if p.machine != nil {
		sure = max(0, p.latency.Quantile(q)-p.machine.Quantile(q))
	}
	tolerance := 1.02
	if q > .5 {
		tolerance = 1.03
	}
	known := min(sure, low)
	low = known/tolerance + (low-known)/p.slack.ratio - p.slack.seconds
	known = min(sure, high)
	high = known*tolerance + (high-known)*p.slack.ratio + p.slack.seconds
	return low, high
}

// woken is the slack of a latency that consists of wake-ups only, timed that of a latency that is
// mostly waiting for a timer.
var (
	woken = slack{1.5, .0003}
	timed = slack{1.01, .002}
)

// foreign makes p fit a row of a foreign server: a user may join by several requests, and reads of its store are not
// known. Neither are the bytes of heartbeats, so those of a stream are predicted only if it has none.
func (p *prediction) foreign(row result.Row) {
	p.reads = count{}
	if row.Way.Stream {
		p.requests = count{mean: float64(row.Handshakes)}
		if row.Way.HeartbeatS > 0 {
			p.bytes = 0
		}
		return
	}
	p.requests.mean += float64(row.Handshakes)
}

// theory returns the prediction in the form and the units of row.
func (p prediction) theory(row result.Row) *result.Theory {
	t := &result.Theory{Requests: p.requests.mean, StoreReads: p.reads.mean}
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

// chance is how many standard deviations a number may be off by chance: a normal variable is further
// off once in 16,000 times.
const chance = 4

// doubts returns a doubt for each number of row that is further from theory than chance and slack
// explain.
func (p prediction) doubts(row result.Row) []result.Doubt {
	var found []result.Doubt
	doubt := func(format string, args ...any) {
		found = append(found, result.Doubt{Code: "theory", Text: fmt.Sprintf(format, args...)})
	}
	if p.known && p.samples > 0 {
		for _, q := range p.judged {
			low, high := p.bounds(q)
			got := row.Histogram.Quantile(q).Seconds()
			if got == result.Longest.Seconds() {
				continue // or longer: there is a doubt already
			}
			if got < low || got > high {
				doubt("p%.0f is %.3g ms, where theory says %.3g ms", 100*q, 1e3*got, 1e3*p.latency.Quantile(q))
			}
		}
	}
	near := func(what string, got int64, want count, share float64) {
		if math.Abs(float64(got)-want.mean) > share*want.mean+chance*want.sd {
			doubt("%d %s, where theory says %.0f", got, what, want.mean)
		}
	}
	near("requests", row.Requests, p.requests, .02)
	if row.Store != nil {
		near("reads of the store", row.Store.Reads, p.reads, .05)
	}
	if p.bytes > 0 {
		near("bytes", row.BytesIn+row.BytesOut, count{p.bytes, p.bytes*p.requests.sd/p.requests.mean + p.strays}, .05)
	}
	return found
}
