package theory

import (
	"math"

	"pushpull/loadgen/result"
)

// A Load is a load that a transport was not measured with. Rooms and messages are of the sizes that were
// measured.
type Load struct {
	Users    float64
	Messages float64 // sent per second, all rooms together
	EveryS   float64 // seconds between the polls of users that poll on a timer; others ignore it

	// The part of a window that is predicted, in seconds since the users joined. The zero values stand for
	// users that have been there for long: requests held since they joined have ended, for instance.
	FromS, ToS float64
}

// A Rate is what a load causes in a second, all users together.
type Rate struct {
	Requests float64 // to receive
	Vain     float64 // what happens although there is no message: answers without one, reads of a scan that find nothing, heartbeats
	Reads    float64 // of the store
	Bytes    float64 // in both directions, sending included; 0 if unknown
}

// At predicts what another load than that of row causes, on the same machine, and the delivery latency of its
// messages, with the waits for earlier ones that row had. The inputs are those of Rows. A latency is known only
// with a calibration, and for transports whose latency is not that of a timer it is that of the load in row.
func At(run result.Run, row result.Row, windows []result.Window, load Load) (rate Rate, latency Distribution, known bool) {
	m := parametersOf(run, row, windows)
	if !m.known() || row.Delivered == 0 || load.Users <= 0 || load.Messages <= 0 {
		return Rate{}, Distribution{}, false
	}
	from, to := load.FromS, load.ToS
	if to <= from {
		from, to = steady, 2*steady
	}
	m.users, m.windows, m.warmup, m.seconds = load.Users, 1, from, to-from
	m.sends = load.Messages * m.seconds
	if m.way.EveryS > 0 && load.EveryS > 0 {
		m.way.EveryS = load.EveryS
	}
	p := predict(m)
	rate = Rate{
		Requests: p.requests.mean / m.seconds, Vain: m.vain(p) / m.seconds,
		Reads: p.reads.mean / m.seconds, Bytes: p.bytes / m.seconds,
	}
	if m.way.Class() == result.Stream || m.way.Class() == result.Duplex {
		rate.Requests = 0 // but for the handshakes, which are before the measured part
	}
	return rate, p.latency, p.known
}

// steady is a time, in seconds, after which nothing depends on when the users have joined.
const steady = 1e6

// vain returns how often something happens although there is no message for the user.
func (m parameters) vain(p prediction) float64 {
	switch m.way.Class() {
	case result.Timer:
		return p.requests.mean * ShortPoll{Interval: m.way.EveryS, Rate: m.rate()}.EmptyShare()
	case result.Held:
		woken := LongPoll{Gap: m.trip, Rate: m.rate(), Hold: math.Inf(1), Wake: m.wake()}
		return max(0, p.requests.mean-m.users*m.seconds*woken.RequestsPerSecond())
	case result.Scan:
		woken := LongPollScan{Gap: m.trip, Rate: m.rate(), Hold: math.Inf(1), Scan: m.way.ScanS}
		return max(0, p.reads.mean-m.users*m.seconds*woken.RequestsPerSecond())
	}
	if m.way.HeartbeatS > 0 {
		return m.users * m.seconds / m.way.HeartbeatS
	}
	return 0
}

// A Queue is the wait of messages for a server that serves one at a time, and is busy for a share of the time.
// FanOut.Distribution has the formula.
type Queue struct {
	Busy    float64 // ρ, share of the time
	Service float64 // S, seconds of the server for a message
}

// Wait returns the distribution of the wait; from ρ = 1 on it is the constant +Inf.
func (q Queue) Wait() Distribution {
	if q.Busy >= 1 {
		return Of(math.Inf(1))
	}
	if q.Busy <= 0 || q.Service <= 0 {
		return Distribution{}
	}
	return wait(q.Busy, q.Service)
}
