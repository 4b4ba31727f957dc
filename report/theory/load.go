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

// A Basis predicts other loads than that of a row, on the same machine.
type Basis struct{ m parameters }

// NewBasis returns the basis of a row, with the inputs of Rows. It returns false if these are not known.
func NewBasis(run result.Run, row result.Row, windows []result.Window) (Basis, bool) {
	m := parametersOf(run, row, windows)
	if !m.known() || row.Delivered == 0 {
		return Basis{}, false
	}
	return Basis{m}, true
}

// Rate returns what a load causes.
func (b Basis) Rate(load Load) Rate {
	m := b.m.with(load)
	m.rates = true
	p := predict(m)
	rate := Rate{
		Requests: p.requests.mean / m.seconds, Vain: m.vain(p) / m.seconds,
		Reads: p.reads.mean / m.seconds, Bytes: p.bytes / m.seconds,
	}
	if m.way.Class() == result.Stream || m.way.Class() == result.Duplex {
		rate.Requests = 0 // but for the handshakes, which are before the measured part
	}
	return rate
}

// Latency returns the delivery latency of a load, with the waits for earlier messages that the row had. It is known
// with a calibration only, unless it is mostly that of a timer.
func (b Basis) Latency(load Load) (latency Distribution, known bool) {
	p := predict(b.m.with(load))
	return p.latency, p.known
}

// with returns m with another load.
func (m parameters) with(load Load) parameters {
	from, to := load.FromS, load.ToS
	if to <= from {
		from, to = steady, 2*steady
	}
	m.users, m.windows, m.warmup, m.seconds = load.Users, 1, from, to-from
	m.steps, m.spans = nil, nil
	m.sends = load.Messages * m.seconds
	if m.way.EveryS > 0 && load.EveryS > 0 {
		m.way.EveryS = load.EveryS
	}
	return m
}

// steady is a time, in seconds, after which nothing depends on when the users have joined.
const steady = 1e6

// vain returns how often something happens although there is no message for the user.
func (m parameters) vain(p prediction) float64 {
	switch m.way.Class() {
	case result.Timer:
		return p.requests.mean * ShortPoll{Interval: m.way.EveryS, Rate: m.rate(), Batch: m.batch}.EmptyShare()
	case result.Held:
		woken := LongPoll{Gap: m.trip, Rate: m.rate(), Hold: math.Inf(1), Wake: m.wake(), Batch: m.batch}
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
