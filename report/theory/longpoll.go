package theory

import "math"

// A LongPoll is one user who asks again as soon as an answer has come. The question waits until
// there is a message after its cursor, or the hold has passed, and brings everything that is new.
//
// A cycle goes from one answer to the next. It begins with the gap in which no question is
// pending; with probability e^(-λG) nothing was stored meanwhile, and the question waits for the
// shorter of an exponential time and the hold. Cycles are independent, as a Poisson process has no
// memory, so that every rate is the mean per cycle over the mean length of a cycle (the
// renewal-reward theorem; Ross, Stochastic Processes, 1996, theorem 3.6.1).
//
// The gap is taken as constant. One of standard deviation σ makes the mean wait f(G²+σ²)/2.
type LongPoll struct {
	Gap  float64 // G, seconds from the server's reading an answer to its getting the next question: down, turnaround, up
	Rate float64 // λ, messages per second that the user is to get
	Hold float64 // H, seconds that a question waits at most, more than 0
	Wake float64 // w, seconds from the storing of a message that a question waits for to the reading of the log: what is stored meanwhile comes in the same answer
}

// Cycle returns the mean time from one answer to the next, G + e^(-λG) (1-e^(-λH)) (1/λ + w), in
// seconds: where no message came in the gap, the question waits, and where one wakes it, for w more.
func (l LongPoll) Cycle() float64 {
	if l.Rate == 0 {
		return l.Gap + l.Hold // the limit
	}
	return l.Gap - math.Exp(-l.Rate*l.Gap)*math.Expm1(-l.Rate*l.Hold)*(1/l.Rate+l.Wake)
}

// RequestsPerSecond returns the rate of the questions, f = 1/Cycle. It goes from 1/(G+H) in a silent
// room to 1/G in a busy one; with neither gap nor wake it is λ/(1-e^(-λH)).
func (l LongPoll) RequestsPerSecond() float64 { return 1 / l.Cycle() }

// Requests returns how many questions are answered from one time to another, in seconds since the
// first one was asked. RequestsPerSecond is what it comes to per second in the long run; at first
// there are fewer, as nobody's hold has passed before H, and then everybody's at once who has not
// been woken.
//
// An answer comes at rate r of messages alone, or H after the one before it, which a share
// a = e^(-λH) of the answers is followed by: N(t) = rt + Σ aᵏ (1 + r(t-kH)) for kH ≤ t. It is exact
// where there is neither gap nor wake, and otherwise r is RequestsPerSecond of an endless hold.
func (l LongPoll) Requests(from, to float64) float64 {
	endless := l
	endless.Hold = math.Inf(1)
	return answers(from, to, endless.RequestsPerSecond(), l.Hold, l.TimeoutShare())
}

// answers returns how many there are from one time to another, at a rate of those that messages
// bring and where a share is of those that come when a hold has passed.
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

// RequestsPerMessage returns the questions for each message that came, f/λ; +Inf where none come.
func (l LongPoll) RequestsPerMessage() float64 { return l.RequestsPerSecond() / l.Rate }

// TimeoutShare returns the share of the answers that bring nothing, e^(-λ(G+H)): that of no Poisson
// event from one reading to the end of the next question's hold.
func (l LongPoll) TimeoutShare() float64 { return math.Exp(-l.Rate * (l.Gap + l.Hold)) }

// GapShare returns the share of the messages that are stored while no question is pending, fG: λG
// of the λE[C] of a cycle. These wait; without a cursor they would be lost.
func (l LongPoll) GapShare() float64 { return l.Gap / l.Cycle() }

// Wait returns the distribution of the time from a message's being stored to the next question:
// U(0, G) with probability GapShare, otherwise 0, as a question is waiting. With the way of the
// answer it is the delay of up to three transits of RFC 6202, section 2.2.
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
