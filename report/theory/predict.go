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
			"short-poll": shortPoll, "long-poll": longPoll, "long-poll-scan": longPollScan, "websocket": webSocket,
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
	interval float64 // poll interval, hold or scan interval
	users    float64
	servers  float64 // that share the users
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
		users: float64(row.Users), servers: float64(row.Servers), members: float64(run.Scenario.RoomSize),
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
		cpu = min(max(0, cpu), 1000*m.seconds) // whatever a result says
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
	delivery := m.delivery
	if feeds := m.feeds(); feeds > 1 {
		// Those who calibrate sit on different servers. A server has its own messages about as soon
		// as the word that they are stored.
		delivery = Mixture((m.members/feeds-1)/(m.members-1), m.accept, m.delivery)
	}
	return m.delay.Plus(delivery).Plus(f.Turns().Shift(-f.Write)), true // the first turn is in the calibration
}

// A prediction is of all users and all windows together.
type prediction struct {
	latency  Distribution
	known    bool      // the latency is
	judged   []float64 // the quantiles of it that are held against what was measured
	slack    slack     // of them
	samples  float64   // of the latency that are independent
	requests counted   // handshakes among them
	reads    counted   // of the store
	bytes    float64   // in both directions, without handshakes; 0: not known
}

// A counted number comes out a little different each time.
type counted struct{ mean, sd float64 }

// A slack is by how much a measured latency may miss the formula, beyond chance: what no formula
// here knows of is how long an operating system takes to wake a process.
type slack struct{ ratio, seconds float64 }

func shortPoll(m parameters) prediction {
	s := ShortPoll{Interval: m.interval, Rate: m.rate()}
	p := prediction{
		latency: m.delay.Plus(m.accept).Plus(s.Wait()), known: true,
		judged: []float64{.5, .99}, slack: timed, samples: m.sends * (m.members - 1),
		requests: counted{m.users * m.seconds * s.RequestsPerSecond(), m.borders()},
	}
	if m.seconds/m.windows < m.interval {
		p.samples = min(p.samples, m.users*m.windows) // a user's messages wait for the same question
	}
	p.reads = p.requests
	p.bytes = m.polled(p.requests.mean, p.requests.mean*(1-s.EmptyShare()), m.asked())
	return p
}

func longPoll(m parameters) prediction {
	l := LongPoll{Gap: m.trip, Rate: m.rate(), Hold: m.interval, Wake: m.wake()}
	requests := m.users * m.windows * l.Requests(m.begun())
	p := prediction{
		judged: []float64{.5}, slack: woken, samples: m.sends,
		requests: counted{requests, m.borders() + math.Sqrt(m.merged(requests))}, reads: m.fed(),
	}
	if p.latency, p.known = m.pushed(); p.known {
		p.latency = p.latency.Plus(l.Wait())
	}
	l.Hold = math.Inf(1)
	p.bytes = m.polled(requests, min(requests, m.users*m.seconds*l.RequestsPerSecond()), 1)
	return p
}

// scanHold is the hold of long-poll-scan, whose one interval is that of the scans.
const scanHold = 30

func longPollScan(m parameters) prediction {
	m.interval = min(m.interval, scanHold) // one that is longer is scanned when it ends
	l := LongPollScan{Gap: m.trip, Rate: m.rate(), Hold: scanHold, Scan: m.interval}
	requests := m.users * m.windows * l.Requests(m.begun())
	// Users of a room who have joined together scan together: a message that comes with another one
	// does so for all of them, and so does a scan right at a border.
	together := math.Sqrt(m.members * m.merged(requests))
	p := prediction{
		latency: m.delay.Plus(m.accept).Plus(l.Wait()), known: true,
		judged: []float64{.5, .99}, slack: timed, samples: m.sends,
		requests: counted{requests, m.borders() + together},
		reads:    counted{m.users * m.windows * l.Reads(m.begun()), m.users*math.Sqrt(m.windows/12) + together},
	}
	if m.seconds/m.windows < m.interval {
		p.samples = min(p.samples, m.users*m.windows) // a user's messages wait for the same scan
	}
	l.Hold = math.Inf(1)
	p.bytes = m.polled(requests, min(requests, m.users*m.seconds*l.RequestsPerSecond()), m.asked())
	return p
}

func webSocket(m parameters) prediction {
	p := prediction{
		judged: []float64{.5}, slack: woken, samples: m.sends,
		requests: counted{mean: m.users * m.windows}, reads: m.fed(),
	}
	p.latency, p.known = m.pushed()
	if b := m.bytes; b != nil {
		p.bytes = m.carried(b, 1)
	}
	return p
}

// woken is the slack of a latency that is some wake-ups and nothing else, timed that of one that is
// mostly waiting for a timer.
var (
	woken = slack{1.5, .0003}
	timed = slack{1.01, .002}
)

// begun returns from when to when a window is measured, in seconds since its users began to ask,
// which is as they join.
func (m parameters) begun() (from, to float64) { return m.warmup, m.warmup + m.seconds/m.windows }

// borders returns the standard deviation of how many users ask right before the measured part begins
// or ends, and not right after it.
func (m parameters) borders() float64 { return math.Sqrt(m.users*m.windows) / 2 }

// merged returns how many messages come with another one in one of so many answers.
func (m parameters) merged(answers float64) float64 {
	return math.Abs(m.users*m.seconds*m.rate() - answers)
}

// wake returns how long a message that is stored takes to wake whoever waits for it, on average over
// the messages, in seconds: by how much another member has it later than the sender the word that it
// is stored, which has the same way to go. Where a room sits on several servers those who calibrate
// sit on different ones, and a server has its own messages much sooner. It is 0 where that isn't known.
func (m parameters) wake() float64 {
	if !m.calibrated {
		return 0
	}
	wake := max(0, m.delivery.Quantile(.5)-m.accept.Quantile(.5))
	if feeds := m.feeds(); feeds > 1 {
		wake *= 1 - 1/feeds
	}
	return wake
}

// feeds returns how many processes read the same room.
func (m parameters) feeds() float64 { return min(m.members, m.servers) }

// fed returns the reads of feeds, of which a room has one on each server that a member sits on. Of the
// two wake-ups of a delivery the first is the feed's: it wakes the user's question or WebSocket. What
// feeds read to begin with falls before the measured part.
func (m parameters) fed() counted {
	f := Feed{Rate: m.rate(), Wake: m.wake() / 2}
	feeds := m.users / m.members * m.feeds()
	reads := feeds * m.seconds * f.ReadsPerSecond()
	merged := math.Abs(feeds*m.seconds*m.rate() - reads)
	return counted{reads, math.Sqrt(m.windows) + math.Sqrt(merged)} // now and then a message is under way at a border
}

// polled returns the bytes of so many polls, of which so many are full, and of a share of the
// messages; 0 when those of one are not known.
func (m parameters) polled(requests, full, share float64) float64 {
	b := m.bytes
	if b == nil {
		return 0
	}
	return (requests-full)*float64(b.Empty) + full*float64(b.Answer) + m.carried(b, share)
}

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
	near := func(what string, got int64, want counted, share float64) {
		if math.Abs(float64(got)-want.mean) > share*want.mean+chance*want.sd {
			doubt("%d %s, where theory says %.0f", got, what, want.mean)
		}
	}
	near("requests", row.Requests, p.requests, .02)
	if row.Store != nil {
		near("reads of the store", row.Store.Reads, p.reads, .05)
	}
	if p.bytes > 0 {
		near("bytes", row.BytesIn+row.BytesOut, counted{p.bytes, p.bytes * p.requests.sd / p.requests.mean}, .05)
	}
	return found
}
