package theory

import "math"

// A FanOut is a server that writes each message to every member as it comes, one write after the
// other: what a WebSocket or an event stream adds to a message.
//
// Messages queue for the writers, first come, first served. Where Writers divides Members all
// writers are busy with the same message, and the formulas are exact. Elsewhere some of them go on
// to the next message early, and the mean is about right: within 1% for more members than writers,
// and 2% too short to 8% too long for fewer, as simulated for 1 to 63 members and 2 to 64 writers
// at ρ = 0.1 and 0.5. Queue alone is further off then.
type FanOut struct {
	Members int     // K, users whom each message is written to
	Writers int     // P, writes that go on at once: processors
	Write   float64 // s, seconds that one write keeps a writer
	Rate    float64 // Λ, messages per second of all rooms that share the writers
}

// service returns the time that a message keeps all writers, S = Ks/P, in seconds.
func (f FanOut) service() float64 { return float64(f.Members) * f.Write / float64(f.Writers) }

// Busy returns the load, ρ = ΛS: the share of time that a writer writes while less than 1. From 1
// on the queue grows without end.
func (f FanOut) Busy() float64 { return f.Rate * f.service() }

// Queue returns the mean time that a message waits for those before it, ΛE[S²]/(2(1-ρ)), in
// seconds; +Inf from ρ = 1 on. It is the Pollaczek-Khinchine formula of the queue M/G/1 (Kleinrock,
// Queueing Systems I, 1975, section 5.5) with a constant S, all writers taken as one.
func (f FanOut) Queue() float64 {
	busy := f.Busy()
	if busy >= 1 {
		return math.Inf(1)
	}
	return busy * f.service() / (2 * (1 - busy))
}

// Turns returns the distribution, over the members, of the time from a message's first write to the
// end of the one to a member: the k-th member's takes ⌈k/P⌉ writes.
func (f FanOut) Turns() Distribution {
	return Sample(func(p float64) float64 {
		return f.Write * math.Ceil(p*float64(f.Members)/float64(f.Writers))
	})
}

// Mean returns the mean time from a message's being stored to the end of its write to a member, in
// seconds: Queue and the mean of Turns, which is s(K+P)/(2P) where P divides K, and s(K+1)/2 with
// one writer. It is +Inf from ρ = 1 on.
func (f FanOut) Mean() float64 {
	turns := math.Ceil(float64(f.Members) / float64(f.Writers))
	return f.Queue() + f.Write*turns*(1-float64(f.Writers)*(turns-1)/float64(2*f.Members))
}

// Distribution returns the distribution whose mean Mean returns, over messages and members; all of
// it is +Inf from ρ = 1 on.
//
// A message waits for a geometric number of residual services, P(N=n) = (1-ρ)ρⁿ, each U(0, S) (the
// Pollaczek-Khinchine transform as a series; Kleinrock, section 5.7). The binary digits of a
// geometric number are independent, and that of 2ⁱ is 1 with the odds ρ^(2ⁱ) to 1, as
// 1/(1-x) = Π (1+x^(2ⁱ)). Quantiles are within 0.1% of Erlang's for ρ up to 0.45, and within 0.3% at
// 0.8.
func (f FanOut) Distribution() Distribution {
	if f.Busy() >= 1 {
		return Of(math.Inf(1))
	}
	d := f.Turns()
	services := Uniform(0, f.service())
	for odds := f.Busy(); odds > rarest; odds *= odds {
		d = d.Plus(Mixture(odds/(1+odds), services, Distribution{}))
		services = services.Plus(services)
	}
	return d
}

// rarest is a probability too small to be seen at p99.9.
const rarest = 1e-6
