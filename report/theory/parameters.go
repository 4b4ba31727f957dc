package theory

import (
	"math"

	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
)

// parameters are the inputs of the formulas: from the scenario, and measured in the same windows on
// the same machine. Times are in seconds.
type parameters struct {
	way     result.Way
	users   float64
	servers float64 // that share the users of a room
	windows float64
	warmup  float64           // before the measured part of each window
	spans   []span            // when the windows were measured; empty: unknown
	steps   []result.JoinStep // when the users of all windows joined; empty: unknown, or too long ago to matter
	seconds float64           // measured, all windows together
	sends   float64           // messages in that time, all rooms together
	members float64           // of a room
	senders float64           // users that send, as a share
	copies  float64           // of a message that are read: one for each member, or for each one but the sender
	batch   float64           // most messages in an answer; 0: no limit

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

	// frameBytes is what HTTP/2 adds to a comment, the head of a DATA frame (RFC 9113, section 4.1), in place of the chunking.
	frameBytes = 9 - 5

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
	m.senders = 1
	if n := float64(run.Scenario.Senders); n > 0 && n < m.members {
		m.senders = n / m.members
	}
	m.copies = m.members
	if row.Way.Lacks.Echo {
		m.copies--
	}
	if row.Way.HTTP2 {
		m.heartbeat += frameBytes
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
		m.spans = append(m.spans, spanOf(w))
		m.sends += float64(w.Planned)
		m.steps = append(m.steps, w.JoinSteps...)
		delay.Merge(w.SendDelay)
		accept.Merge(w.Accept)
		if c := w.Calibration; c != nil {
			if !c.Connects {
				trip.Merge(c.RoundTrip)
			}
			delivery.Merge(c.Delivery)
			if c.Bytes != nil && row.Way.HTTP2 == (c.Bytes.Literals != nil) { // else HPACK makes the exchanges shorter than it was measured
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

// begun returns the bounds of the measured part of a window, in seconds since its users joined and
// sent their first requests.
func (m parameters) begun() (from, to float64) { return m.warmup, m.warmup + m.seconds/m.windows }

// sinceJoined returns the sum over all users of all windows of a count in the measured part. of returns the mean of one
// user between two times, in seconds since it joined. The users of a step of joining are taken to have joined evenly.
func (m parameters) sinceJoined(of func(from, to float64) float64) float64 {
	from, to := m.begun()
	all := m.users * m.windows
	if len(m.steps) == 0 {
		return all * of(from, to)
	}
	const parts = 32 // of a step
	sum, users := 0.0, 0.0
	for _, s := range m.steps {
		for i := range parts {
			ago := s.BeforeS - s.LengthS*(float64(i)+.5)/parts
			sum += float64(s.Users) / parts * of(from+ago, to+ago)
		}
		users += float64(s.Users)
	}
	return all * sum / users
}

// uneven returns the standard deviation of the number of first holds that end in the measured part because users of a
// step did not join evenly: of those whose holds end around a border, a twentieth.
func (m parameters) uneven() (sd float64) {
	from, to := m.begun()
	for _, s := range m.steps {
		for _, border := range []float64{from, to} {
			if hold := m.way.HoldS - border; s.BeforeS-s.LengthS < hold && hold < s.BeforeS {
				sd += float64(s.Users) / 20
			}
		}
	}
	return sd
}

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
