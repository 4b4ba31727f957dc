package theory

import "math"

// A LongPollScan is one user of a long poll whose server nobody wakes: it looks into the store as the
// question comes, and then every scan interval, until there is something or the hold has passed.
//
// A cycle goes from one answer to the next, as that of a LongPoll does. It begins with the gap, and
// with probability a = e^(-λG) the question finds nothing as it comes. After k scans that found
// nothing the next one takes place with probability qᵏ, q = e^(-λδ), for k below M = ⌊H/δ⌋: on
// average there are x = a (1 + q + … + q^(M-1)) = a (1-q^M)/(1-q) of them. The answer to a question
// that was held in vain comes with the last scan. Rates are means per cycle over its mean length, by
// the renewal-reward theorem.
//
// Timers are taken as exact. Those that are late by ε on average, and keep to their schedule, make the
// cycle and the wait longer by as much.
type LongPollScan struct {
	Gap  float64 // G, seconds from the server's reading an answer to its getting the next question: down, turnaround, up
	Rate float64 // λ, messages per second that the user is to get
	Hold float64 // H, seconds that a question waits at most
	Scan float64 // δ, seconds from one scan to the next, more than 0 and at most the hold
}

// most returns M, the scans of a question that is held in vain.
func (l LongPollScan) most() float64 {
	const rounding = 1e-9 // of 30 / .1
	return math.Floor(l.Hold / l.Scan * (1 + rounding))
}

// Scans returns the mean number of scans of a question, x = a (1-q^M)/(1-q); the read as it comes is
// not among them.
func (l LongPollScan) Scans() float64 {
	if l.Rate == 0 {
		return l.most() // the limit
	}
	return math.Exp(-l.Rate*l.Gap) * math.Expm1(-l.Rate*l.Scan*l.most()) / math.Expm1(-l.Rate*l.Scan)
}

// Cycle returns the mean time from one answer to the next, G + δx, in seconds.
func (l LongPollScan) Cycle() float64 { return l.Gap + l.Scan*l.Scans() }

// RequestsPerSecond returns the rate of the questions, f = 1/Cycle.
func (l LongPollScan) RequestsPerSecond() float64 { return 1 / l.Cycle() }

// Requests returns how many questions are answered from one time to another, in seconds since the
// first one was asked, as LongPoll.Requests does: nobody's hold has passed at first.
func (l LongPollScan) Requests(from, to float64) float64 {
	endless := l
	endless.Hold = math.Inf(1)
	return answers(from, to, endless.RequestsPerSecond(), l.Scan*l.most(), l.TimeoutShare())
}

// ReadsPerSecond returns the rate of reads of the store, (1+x)f. It is 1/δ for a room in which
// nothing happens, and little more while λδ is small.
func (l LongPollScan) ReadsPerSecond() float64 { return (1 + l.Scans()) * l.RequestsPerSecond() }

// Reads returns how many reads there are from one time to another: one for each of n Requests as it
// comes, and scans during the time that is left by n gaps.
func (l LongPollScan) Reads(from, to float64) float64 {
	n := l.Requests(from, to)
	return n + (to-from-n*l.Gap)/l.Scan
}

// RequestsPerMessage returns the questions for each message that came, f/λ; +Inf where none come.
func (l LongPollScan) RequestsPerMessage() float64 { return l.RequestsPerSecond() / l.Rate }

// TimeoutShare returns the share of the answers that bring nothing, a q^M = e^(-λ(G+Mδ)): that of no
// Poisson event from one reading to the last scan of the next question.
func (l LongPollScan) TimeoutShare() float64 { return math.Exp(-l.Rate * (l.Gap + l.Scan*l.most())) }

// GapShare returns the share of the messages that are stored while no question is pending, fG.
func (l LongPollScan) GapShare() float64 { return l.Gap / l.Cycle() }

// Wait returns the distribution of the time from a message's being stored to the next read: U(0, G)
// with probability GapShare, which ends with the next question's coming, otherwise U(0, δ).
func (l LongPollScan) Wait() Distribution { return Sample(l.WaitQuantile) }

// MeanWait returns the mean of Wait, fG·G/2 + (1-fG) δ/2, in seconds.
func (l LongPollScan) MeanWait() float64 {
	return (l.GapShare()*l.Gap + (1-l.GapShare())*l.Scan) / 2
}

// WaitQuantile returns the p-quantile of Wait, in seconds. A share fG t/G + (1-fG) t/δ of the waits
// is below t while t is below both G and δ; beyond the shorter of the two it has only the longer one's
// waits to go.
func (l LongPollScan) WaitQuantile(p float64) float64 {
	short, long, share := l.Gap, l.Scan, l.GapShare() // of the messages that wait for up to the shorter time
	if short > long {
		short, long, share = long, short, 1-share
	}
	if short == 0 {
		return p * long
	}
	if t := p / (share/short + (1-share)/long); t <= short {
		return t
	}
	return long * (p - share) / (1 - share)
}
