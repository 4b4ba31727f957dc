package cost

import (
	"math"

	"pushpull/loadgen/result"
	"pushpull/report/theory"
)

// Messages returns how many messages a load sends in a second, all rooms together.
func (m *Model) Messages(l Load) float64 {
	return l.Users * float64(m.Senders) / float64(m.RoomSize) * l.Rate
}

// Knows reports whether the model can predict loads of another rate or interval: else it was fitted to loads that
// differ in the users alone, which show no difference between what a message costs and what happens without one.
func (m *Model) Knows(l Load) bool {
	return m.worths || m.curve == nil || l.Rate == m.Base.Rate && (l.EveryS == 0 || l.EveryS == m.Base.EveryS)
}

// At returns what a load costs. It returns false if the model doesn't know.
func (m *Model) At(l Load) (Forecast, bool) {
	if !m.Knows(l) || l.Users <= 0 || l.Rate <= 0 {
		return Forecast{}, false
	}
	rate := m.basis.Rate(m.load(l))
	f := Forecast{Messages: m.Messages(l)}
	f.Deliveries = f.Messages * float64(m.RoomSize-1)
	f.Requests = m.requests.of(rate.Requests)
	if !m.Way.Duplex {
		f.Requests = f.Requests.plus(f.Messages)
	}
	f.Bytes = m.bytes.of(rate.Bytes)
	f.BytesOut = f.Bytes.times(m.out)
	f.Connections = m.connections(l)
	if m.reads != nil {
		reads := m.reads.of(rate.Reads)
		f.Reads = &reads
	}
	if m.curve != nil {
		e := m.cores(m.events(l, rate))
		f.Cores = &e
	}
	if m.memory != nil {
		f.MemoryBytes = m.memory.at(l.Users)
	}
	f.PerUser = m.perUser
	return f, true
}

// connections returns how many are open. In a window those count that were opened; after long, all users that can't
// send on the connection they read from have sent, and keep one for that.
func (m *Model) connections(l Load) Estimate {
	if l.ToS > l.FromS || m.Way.Duplex || m.Way.Class() == result.Timer {
		return m.open.of(l.Users)
	}
	all := l.Users * (1 + float64(m.Senders)/float64(m.RoomSize))
	return Estimate{Value: all, Low: all, High: all}
}

func (e Estimate) plus(x float64) Estimate {
	return Estimate{Value: e.Value + x, Low: e.Low + x, High: e.High + x}
}

// load returns l for package theory.
func (m *Model) load(l Load) theory.Load {
	return theory.Load{Users: l.Users, Messages: m.Messages(l), EveryS: l.EveryS, FromS: l.FromS, ToS: l.ToS}
}

// events returns what a load causes in a second.
func (m *Model) events(l Load, rate theory.Rate) events {
	e := events{messages: m.Messages(l), vain: rate.Vain}
	if m.Way.Class() == result.Timer {
		e.answers = max(0, rate.Requests-rate.Vain)
	}
	return e
}

// cores returns the server CPU of events.
func (m *Model) cores(e events) Estimate {
	cores, se := m.curve.at(e)
	const unknown = 1e6 // from this factor on nothing is known, and larger ones may be infinite
	factor := min(unknown, math.Exp(m.curve.student()*se))
	all := Estimate{Value: cores, Low: cores / factor, High: cores * factor, noise: math.Log(factor)}
	if m.other != nil {
		cores, _ := m.other.at(e)
		all.Low, all.High = min(all.Low, cores), max(all.High, cores)
	}
	return all
}

// Linear reports whether the CPU is a line in the events. If not, exponent is less than 1 where a message costs less
// the more there are.
func (m *Model) Linear() (exponent float64, linear bool) {
	if m.curve == nil {
		return 1, true
	}
	return m.curve.theta[beta], m.curve.linear()
}

// Latency returns the distribution of the delivery latency of a load on servers with that many processors each,
// that are busy for a share of the time: that of theory, and the wait for what the server does before. The
// latency of the windows has little of that, as they kept the servers less busy. It returns false if that is
// unknown; with busy of 1 or more it is infinite.
//
// Several processors are taken for one that is as many times as fast, which is exact for a busy server and
// short by less than a service time for an idle one.
func (m *Model) Latency(l Load, busy, processors float64) (theory.Distribution, bool) {
	latency, ok := m.basis.Latency(m.load(l))
	if !ok || m.curve == nil {
		return latency, ok // servers that did not report their CPU: nothing is known of a wait
	}
	e := m.events(l, m.basis.Rate(m.load(l)))
	jobs := e.messages
	if m.Way.Class() == result.Timer || m.Way.Class() == result.Scan {
		jobs = e.messages + e.vain + e.answers
	}
	service := m.cores(e).Value / jobs / processors
	return latency.Plus(theory.Queue{Busy: busy, Service: service}.Wait()), true
}

// A Knob is what a crossing varies.
type Knob int

const (
	Rate Knob = iota
	Interval
	Users
)

// With returns l with another value of the knob.
func (k Knob) With(l Load, x float64) Load {
	switch k {
	case Rate:
		l.Rate = x
	case Interval:
		l.EveryS = x
	default:
		l.Users = x
	}
	return l
}

// Of returns the value of the knob in l.
func (k Knob) Of(l Load) float64 {
	switch k {
	case Rate:
		return l.Rate
	case Interval:
		return l.EveryS
	}
	return l.Users
}

// A Crossing is where two transports need as much server CPU.
type Crossing struct {
	Knob Knob
	At   Estimate // the value of the knob
	// The ratio of the first transport's cost to the second's on both sides, at a third and at three times the value,
	// or at the bounds of the search if these are nearer.
	Below, Above float64
}

// A Cost is what a forecast is judged by, like its cores or its price.
type Cost func(Forecast) Estimate
