package theory

import "math"

// A LongPoll is one user that sends the next request as soon as an answer has arrived. The server
// holds the request until there is a message after its cursor or the hold time is over, and answers
// with all new messages.
//
// A cycle goes from one answer to the next. It begins with the gap, in which no request is pending.
// With probability e^(-λG) nothing was stored in the gap, and the request waits for an exponential
// time or the hold time, whichever is shorter. Cycles are independent, as a Poisson process has no
// memory, so every rate is the mean per cycle divided by the mean length of a cycle (the
// renewal-reward theorem; Ross, Stochastic Processes, 1996, theorem 3.6.1).
//
// The gap is assumed to be constant. With a standard deviation σ the mean wait would be f(G²+σ²)/2.
type LongPoll struct {
	Gap  float64 // G, seconds from reading the log for an answer to receiving the next request: down, turnaround, up
	Rate float64 // λ, messages per second for this user
	Hold float64 // H, hold time: seconds that a request waits at most, more than 0
	Wake float64 // w, seconds from storing a message that a request waits for to reading the log; the answer includes the messages stored in between

	Batch float64 // B, most messages in an answer; 0: no limit
}

// Cycle returns the mean time from one answer to the next, G + e^(-λG) (1-e^(-λH)) (1/λ + w), in
// seconds: the request waits if no message arrived in the gap, and w longer if a message wakes it.
func (l LongPoll) Cycle() float64 {
	if l.Rate == 0 {
		return l.Gap + l.Hold // the limit for a rate to 0
	}
	return l.Gap - math.Exp(-l.Rate*l.Gap)*math.Expm1(-l.Rate*l.Hold)*(1/l.Rate+l.Wake)
}

// RequestsPerSecond returns the rate of requests, f = 1/Cycle. It is 1/(G+H) in a silent room and
// approaches 1/G in a busy one; with neither gap nor wake it is λ/(1-e^(-λH)). With a Batch it is at least λ/B.
func (l LongPoll) RequestsPerSecond() float64 {
	if l.Batch > 0 {
		return max(1/l.Cycle(), l.Rate/l.Batch)
	}
	return 1 / l.Cycle()
}

// Requests returns the mean number of requests answered between two times, both in seconds since
// the user's first request. In the long run it grows by RequestsPerSecond. It starts slower: no hold
// time is over before H, and then those of all users that no message has woken end together.
//
// Messages alone cause answers at rate r, and a share a = e^(-λH) of the answers is followed by an
// empty one H later: N(t) = rt + Σ aᵏ (1 + r(t-kH)) for kH ≤ t. This is exact with neither gap nor
// wake; otherwise r is the RequestsPerSecond of an infinite hold time.
func (l LongPoll) Requests(from, to float64) float64 {
	endless := l
	endless.Hold = math.Inf(1)
	return answers(from, to, endless.RequestsPerSecond(), l.Hold, l.TimeoutShare())
}

// answers returns the mean number of answers between two times, where messages cause answers at
// that rate and a share silent of the answers is followed by an empty one, a hold time later.
func answers(from, to, rate, hold, silent float64) float64 {
	by := func(t float64) float64 {
		n, share := rate*t, 1.0
		for left := t - hold; left >= 0 && share > 0; left -= hold {
			share *= silent
			n += share * (1 + rate*left)
		}
		return n
	}
	return by(to) - by(from)
}

// RequestsPerMessage returns the number of requests per message, f/λ; +Inf if Rate is 0.
func (l LongPoll) RequestsPerMessage() float64 { return l.RequestsPerSecond() / l.Rate }

// TimeoutShare returns the share of the answers without a message, e^(-λ(G+H)): the probability of
// no Poisson event from one read of the log to the end of the next request's hold time.
func (l LongPoll) TimeoutShare() float64 { return math.Exp(-l.Rate * (l.Gap + l.Hold)) }

// GapShare returns the share of the messages that are stored while no request is pending, fG: λG of
// the λE[C] messages of a cycle C. These messages wait; without a cursor they would be lost.
func (l LongPoll) GapShare() float64 { return l.Gap / l.Cycle() }

// Wait returns the distribution of the time from the storing of a message to the next request:
// U(0, G) with probability GapShare, otherwise 0, as a request is pending. Together with the
// answer's way back it is the delay of up to three transits in RFC 6202, section 2.2.
func (l LongPoll) Wait() Distribution { return Sample(l.WaitQuantile) }

// MeanWait returns the mean of Wait, fG²/2, in seconds.
func (l LongPoll) MeanWait() float64 { return l.GapShare() * l.Gap / 2 }

// WaitQuantile returns the p-quantile of Wait, in seconds: 0 up to p = 1-fG, then G (p-1+fG)/(fG).
func (l LongPoll) WaitQuantile(p float64) float64 {
	waiting := l.GapShare()
	if p <= 1-waiting {
		return 0
	}
	return l.Gap * (p - 1 + waiting) / waiting
}
