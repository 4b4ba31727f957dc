package theory

import (
	"fmt"
	"math"

	"pushpull/loadgen/network"
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
	switch m.way.Class() {
	case result.Timer:
		return shortPoll(m)
	case result.Scan:
		return longPollScan(m)
	case result.Held:
		return longPoll(m)
	}
	return stream(m)
}

// Parameters are the inputs of the formulas: from the scenario, and measured in the same windows on
// the same machine. Times are in seconds.
type parameters struct {
	way     result.Way
	users   float64
	servers float64 // that share the users of a room
	windows float64
	warmup  float64 // before the measured part of each window
	seconds float64 // measured, all windows together
	sends   float64 // messages in that time, all rooms together
	members float64 // of a room
	copies  float64 // of a message that are read: one for each member, or for each one but the sender
	batch   float64 // most messages in an answer; 0: no limit

	foreign bool // it isn't pushpull's own server: nothing is known of its store, and of how it writes to a room

	delay      Distribution // from the intended time of a message to the start of sending
	accept     Distribution // from there to the acknowledgement: the way up, the store, the way back
	calibrated bool         // whether trip and delivery are known
	trip       float64      // round trip of the smallest HTTP request; 0: unknown
	delivery   Distribution // from the start of sending to delivery at the other of two members, without any other wait and without the network
	network    network.Profile
	processors float64
	write      float64       // from one member's copy to the next one's; 0 if unknown
	bytes      *result.Bytes // nil if unknown
	heartbeat  float64       // bytes of a heartbeat on a stream, with its answer if it has one
	rates      bool          // latencies, which take long to compute, are not predicted
}

const (
	// heartbeatBytes is a comment in a chunk, 3 bytes and 5 of chunking (RFC 9112, section 7.1), and also a
	// ping with its pong, 2 bytes and 6 (RFC 6455, section 5.2).
	heartbeatBytes = 8

	// recordBytes is what TLS 1.3 adds to a record: a head, the type and the tag (RFC 8446, section 5.2).
	recordBytes = 5 + 1 + 16
)

func parametersOf(run result.Run, row result.Row, windows []result.Window) parameters {
	m := parameters{
		way: row.Way, users: float64(row.Users), servers: float64(row.Servers), members: float64(run.Scenario.RoomSize),
		warmup: float64(run.Scenario.Warmup), seconds: row.DurationS,
		processors: float64(run.Environment.Cores), heartbeat: heartbeatBytes,
		batch: float64(row.Way.Batch), foreign: row.Way.Server != "",
	}
	if run.Scenario.Spread == result.SpreadRooms { // to a room the other servers are not there
		m.servers = 1
	}
	m.copies = m.members
	if row.Way.Lacks.Echo {
		m.copies--
	}
	if run.Scenario.OverTLS() {
		m.heartbeat += recordBytes
		if row.Way.Duplex { // the pong has a record of its own
			m.heartbeat += recordBytes
		}
	}
	delay, accept, trip, delivery := result.NewHistogram(), result.NewHistogram(), result.NewHistogram(), result.NewHistogram()
	for _, w := range windows {
		if w.Transport != row.Transport || w.Failed != "" {
			continue
		}
		m.windows++
		m.sends += float64(w.Planned)
		delay.Merge(w.SendDelay)
		accept.Merge(w.Accept)
		if c := w.Calibration; c != nil {
			if !c.Connects {
				trip.Merge(c.RoundTrip)
			}
			delivery.Merge(c.Delivery)
			if c.Bytes != nil && !row.Way.HTTP2 { // HPACK makes the headers of an exchange shorter than those before it
				m.bytes = c.Bytes // the same in all windows, except for the digits of a number
			}
		}
	}
	m.delay, m.accept = sampled(delay), sampled(accept)
	m.trip, m.delivery = trip.Quantile(.5).Seconds(), sampled(delivery)
	if m.network = run.Scenario.Network; m.trip == 0 {
		m.trip = m.network.RTTS
	}
	if every := m.way.EveryS; every > 0 && m.trip > every { // the next poll waits for the answer, and then for the timer
		m.way.EveryS = every * math.Ceil(m.trip/every)
	}
	m.calibrated = (trip.Count() > 0 || m.foreign) && delivery.Count() > 0
	if row.Server != nil && row.Delivered > 0 {
		copies := float64(row.Delivered) * m.members / (m.members - 1)
		each := func(cpu float64) float64 { return min(max(0, cpu), 1000*m.seconds) / copies } // a result may hold any number
		m.write = each(row.Server.CPUS) / max(1, m.feeds())
		if run.Scenario.Target == "" { // the generator reads on the same processors
			m.write = max(m.write, each(row.Server.CPUS+row.Generator.CPUS)/m.processors)
		}
	}
	return m
}

// sampled returns the measured distribution; the constant 0 if h is empty.
func sampled(h *result.Histogram) Distribution {
	if h.Count() == 0 {
		return Distribution{}
	}
	return Sample(func(p float64) float64 { return h.Quantile(p).Seconds() })
}

// known reports whether the parameters are those of a real run: a result may come from anywhere. Of users that ask
// again at once, the round trip to a foreign server must be known.
func (m parameters) known() bool {
	if m.foreign && m.way.Class() == result.Held && m.trip == 0 {
		return false
	}
	return m.users > 0 && m.members > 1 && m.processors > 0 && m.seconds > 0 && m.warmup >= 0 && m.sends > 0 && m.way.Known()
}

// rate returns the messages per second for one user, including its own if the server returns them.
func (m parameters) rate() float64 { return m.sends * m.copies / m.users / m.seconds }

// waited returns the latency of a message that waits for a timer. It is not known of a server whose
// acknowledgements come with the polls, or not at all: their time stands for the way to the server and back.
func (m parameters) waited(wait func() Distribution) (d Distribution, known bool) {
	if m.foreign && (m.way.Lacks.Acks || m.accept.Quantile(.5) > m.timer()/4) {
		return d, false
	}
	if m.rates {
		return d, true
	}
	return m.delay.Plus(m.accept).Plus(wait()), true
}

// pushed returns the latency of a message that wakes its readers: the delivery time of the
// calibration, in which the sender and one reader are woken, plus the turns of the other members.
// Waiting for earlier messages is in the calibration already, as its messages queued among the others
// (PASTA; Wolff 1982).
//
// A room has one writer, however many processors there are: on each server its reader writes to all
// members there, one after another, and answers held requests likewise. Rooms don't wait for each
// other. From one copy to the next it takes the server's processor time for one, or, if that is more,
// the share of all processors that a copy needs until its member has read it: the members read while
// the next copies are written, but a machine can't do more than its processors.
//
// How a foreign server writes to the members is not known: only in rooms of two does nothing depend on it.
func (m parameters) pushed() (d Distribution, known bool) {
	if m.rates || !m.calibrated || m.members > 2 && (m.write == 0 || m.foreign) {
		return d, false
	}
	f := FanOut{Members: int(m.members) - 1, Writers: 1, Write: m.write}
	up, down := m.links()
	delivery := m.delivery.Plus(up.Transit()).Plus(down.Transit())
	if feeds := m.feeds(); feeds > 1 {
		// The users of the calibration are on different servers. A server delivers messages that it
		// stored itself about as early as it acknowledges them.
		delivery = Mixture((m.members/feeds-1)/(m.members-1), m.accept, delivery)
	}
	// Both copies of the calibration's pair are in its deliveries, in either order. In a larger room 0 to
	// K-2 further copies are written before that of a member, which are the turns of K-1 but the first.
	return m.delay.Plus(delivery).Plus(f.Turns().Shift(-f.Write)), true
}

// links returns the ways of a message from its sender to the server and from there to another member. On a connection
// for requests nothing follows a message until it has been answered.
func (m parameters) links() (up, down Link) {
	up, down = Link{Network: m.network, Up: true}, Link{Network: m.network}
	if b := m.bytes; b != nil {
		up.Bytes, down.Bytes = float64(b.Send), float64(b.Message)+float64(b.Answer)/2 // about half of an exchange is the request
	}
	sends := m.sends / m.users / m.seconds
	switch m.way.Class() {
	case result.Duplex:
		up.Rate, down.Rate = sends, m.rate()+sends // the acknowledgements are among the messages
	case result.Stream:
		down.Rate = m.rate()
	}
	return up, down
}

// gap returns the distribution of the time in which a user has no request pending.
func (m parameters) gap() Distribution {
	if m.network.JitterS == 0 && m.network.Loss == 0 {
		return Of(m.trip)
	}
	there, back := Link{Network: m.network, Up: true}, Link{Network: m.network}
	return there.Transit().Plus(back.Transit()).Shift(max(0, m.trip-m.network.RTTS))
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
	reads    count         // of the store
	bytes    float64       // in both directions, without handshakes; 0 if unknown
	strays   float64       // standard deviation of the bytes, as strays returns it
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
	p.bytes, p.strays = m.polled(p.requests.mean, p.requests.mean*(1-asks.EmptyShare()), m.fetched()), m.strays()
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
	requests := m.users * m.windows * l.Requests(m.begun())
	p := prediction{
		judged: []float64{.5}, slack: woken, samples: m.sends,
		requests: count{requests, m.borders() + math.Sqrt(m.merged(requests))}, reads: m.fed(),
	}
	if p.latency, p.known = m.pushed(); p.known {
		p.latency = p.latency.Plus(Residual(gap, 1/l.Cycle()))
	}
	p.far(m)
	l.Hold = math.Inf(1)
	p.bytes = m.polled(requests, min(requests, m.users*m.seconds*l.RequestsPerSecond()), 1)
	return p
}

func longPollScan(m parameters) prediction {
	l := LongPollScan{Gap: m.trip, Rate: m.rate(), Hold: m.way.HoldS, Scan: m.way.ScanS}
	requests := m.users * m.windows * l.Requests(m.begun())
	// Users of a room that join together scan together: a message that shares an answer does so for
	// all of them, and a scan at a border of the window is inside or outside for all of them.
	together := math.Sqrt(m.members * m.merged(requests))
	p := prediction{
		judged: []float64{.5, .99}, slack: timed, samples: m.sends,
		requests: count{requests, m.borders() + together},
		reads:    count{m.users * m.windows * l.Reads(m.begun()), m.users*math.Sqrt(m.windows/12) + together},
	}
	p.latency, p.known = m.waited(l.Wait)
	if m.seconds/m.windows < m.way.ScanS {
		p.samples = min(p.samples, m.users*m.windows) // all messages to a user wait for the same scan
	}
	l.Hold = math.Inf(1)
	p.bytes, p.strays = m.polled(requests, min(requests, m.users*m.seconds*l.RequestsPerSecond()), m.fetched()), m.strays()
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

// begun returns the bounds of the measured part of a window, in seconds since its users joined and
// sent their first requests.
func (m parameters) begun() (from, to float64) { return m.warmup, m.warmup + m.seconds/m.windows }

// borders returns the standard deviation of the number of requests that fall just outside the
// measured part of a window instead of just inside it.
func (m parameters) borders() float64 { return math.Sqrt(m.users*m.windows) / 2 }

// merged returns how many messages share one of that many answers with another message.
func (m parameters) merged(answers float64) float64 {
	return math.Abs(m.users*m.seconds*m.rate() - answers)
}

// wake returns the mean time from the storing of a message to the wake-up of its readers, in seconds;
// 0 if unknown. It is the delay of a delivery relative to the sender's acknowledgement, which has
// the same way to go. With several servers the users of the calibration are on different ones, and a
// server wakes the readers of its own messages much sooner.
func (m parameters) wake() float64 {
	if !m.calibrated {
		return 0
	}
	wake := max(0, m.delivery.Quantile(.5)-max(0, m.accept.Quantile(.5)-m.network.RTTS))
	if feeds := m.feeds(); feeds > 1 {
		wake *= 1 - 1/feeds
	}
	return wake
}

// feeds returns how many servers read the same room.
func (m parameters) feeds() float64 { return min(m.members, m.servers) }

// fed returns the store reads of all feeds; a room has one on each server with a member. A delivery
// takes two wake-ups: that of the feed, and then that of the user's request or WebSocket. The first
// read of a feed is before the measured part.
func (m parameters) fed() count {
	f := Feed{Rate: m.rate(), Wake: m.wake() / 2}
	feeds := m.users / m.members * m.feeds()
	reads := feeds * m.seconds * f.ReadsPerSecond()
	merged := math.Abs(feeds*m.seconds*m.rate() - reads)
	return count{reads, math.Sqrt(m.windows) + math.Sqrt(merged)} // a message may be in flight at a border of a window
}

// polled returns the bytes of that many requests, of which full ones bring messages, and of the
// messages themselves, as carried does; 0 if the sizes are unknown.
func (m parameters) polled(requests, full, share float64) float64 {
	b := m.bytes
	if b == nil {
		return 0
	}
	return (requests-full)*float64(b.Empty) + full*float64(b.Answer) + m.carried(b, share)
}

// carried returns the bytes of the messages themselves: each is sent once, and that share of the
// copies for all members is read in the measured part.
func (m parameters) carried(b *result.Bytes, share float64) float64 {
	return m.sends * (float64(b.Send) + share*m.copies*float64(b.Message))
}

// timer returns the time within which users fetch a message, in seconds.
func (m parameters) timer() float64 { return max(m.way.EveryS, m.way.ScanS) }

// strays returns the standard deviation of the bytes of messages that are sent outside the measured part and fetched
// in it, or the other way round. Each is one for all members of its room. Of a Poisson process in the time t at a
// border, of which U(0, 1) of the members fetch a message on the other side, the number has the variance rate*t/3.
func (m parameters) strays() float64 {
	if m.bytes == nil {
		return 0
	}
	return m.unbalanced() * float64(m.bytes.Message)
}

// unbalanced returns the standard deviation of the number of copies of those messages.
func (m parameters) unbalanced() float64 {
	at := min(m.timer(), m.seconds/m.windows) + min(m.timer(), m.warmup) // the end, and the start
	return m.copies * math.Sqrt(m.windows*m.sends/m.seconds*at/3)
}

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

// fetched returns how many messages polling users fetch in the measured part, as a share of the
// messages sent in it. Messages sent near its end are fetched later, and those sent before it make
// up for them only if the warm-up was as long as the interval.
func (m parameters) fetched() float64 {
	// by returns how many messages are fetched by time t if they are sent at rate 1 from time 0 on
	// and each is fetched U(0, T) later.
	timer := m.timer()
	by := func(t float64) float64 {
		if t < timer {
			return t * t / (2 * timer)
		}
		return t - timer/2
	}
	each := m.seconds / m.windows
	return (by(m.warmup+each) - by(m.warmup)) / each
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
