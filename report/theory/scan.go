package theory

import "math"

// A LongPollScan is one user of a long poll whose server is not woken by the store: the server reads
// the store when the request arrives and then once per scan interval, until there is a message or
// the hold time is over.
//
// A cycle goes from one answer to the next, like that of a LongPoll. It begins with the gap, and with
// probability a = e^(-λG) the first read finds nothing. The scan after k empty ones takes place with
// probability qᵏ, q = e^(-λδ), for k below M = ⌊H/δ⌋: on average there are
// x = a (1 + q + … + q^(M-1)) = a (1-q^M)/(1-q) scans. An empty answer is sent with the last scan.
// Rates are means per cycle divided by its mean length, by the renewal-reward theorem.
//
// Timers are assumed to be exact. Timers that keep their schedule but fire ε late on average make the
// cycle and the wait longer by ε.
type LongPollScan struct {
	Gap  float64 // G, seconds from reading the log for an answer to receiving the next request: down, turnaround, up
	Rate float64 // λ, messages per second for this user
	Hold float64 // H, hold time: seconds that a request waits at most
	Scan float64 // δ, seconds from one scan to the next, more than 0 and at most Hold
}

// most returns M, the number of scans of a request that times out.
func (l LongPollScan) most() float64 {
	const rounding = 1e-9 // 30 / .1 may be just below 300
	return math.Floor(l.Hold / l.Scan * (1 + rounding))
}

// Scans returns the mean number of scans of a request, x = a (1-q^M)/(1-q), without the read when
// the request arrives.
func (l LongPollScan) Scans() float64 {
	if l.Rate == 0 {
		return l.most() // the limit for a rate to 0
	}
	return math.Exp(-l.Rate*l.Gap) * math.Expm1(-l.Rate*l.Scan*l.most()) / math.Expm1(-l.Rate*l.Scan)
}

// Cycle returns the mean time from one answer to the next, G + δx, in seconds.
func (l LongPollScan) Cycle() float64 { return l.Gap + l.Scan*l.Scans() }

// RequestsPerSecond returns the rate of requests, f = 1/Cycle.
func (l LongPollScan) RequestsPerSecond() float64 { return 1 / l.Cycle() }

// Requests returns the mean number of requests answered between two times, both in seconds since
// the user's first request. Like [LongPoll.Requests] it starts slower than in the long run.
func (l LongPollScan) Requests(from, to float64) float64 {
	endless := l
	endless.Hold = math.Inf(1)
	return answers(from, to, endless.RequestsPerSecond(), l.Scan*l.most(), l.TimeoutShare())
}

// ReadsPerSecond returns the rate of store reads, (1+x)f. It is about 1/δ in a silent room, and
// little more while λδ is small.
func (l LongPollScan) ReadsPerSecond() float64 { return (1 + l.Scans()) * l.RequestsPerSecond() }

// Reads returns the mean number of store reads between two times, in seconds as in Requests: one as
// each of n requests arrives, and scans during the time that n gaps leave.
func (l LongPollScan) Reads(from, to float64) float64 {
	n := l.Requests(from, to)
	return n + (to-from-n*l.Gap)/l.Scan
}

// RequestsPerMessage returns the number of requests per message, f/λ; +Inf if Rate is 0.
func (l LongPollScan) RequestsPerMessage() float64 { return l.RequestsPerSecond() / l.Rate }

// TimeoutShare returns the share of the answers without a message, a q^M = e^(-λ(G+Mδ)): the
// probability of no Poisson event from the read for one answer to the last scan of the next request.
func (l LongPollScan) TimeoutShare() float64 { return math.Exp(-l.Rate * (l.Gap + l.Scan*l.most())) }

// GapShare returns the share of the messages that are stored while no request is pending, fG.
func (l LongPollScan) GapShare() float64 { return l.Gap / l.Cycle() }

// Wait returns the distribution of the time from the storing of a message to the next read: U(0, G)
// with probability GapShare, as the gap ends with the next request, otherwise U(0, δ).
func (l LongPollScan) Wait() Distribution { return Sample(l.WaitQuantile) }

// MeanWait returns the mean of Wait, fG·G/2 + (1-fG) δ/2, in seconds.
func (l LongPollScan) MeanWait() float64 {
	return (l.GapShare()*l.Gap + (1-l.GapShare())*l.Scan) / 2
}

// WaitQuantile returns the p-quantile of Wait, in seconds. A share fG t/G + (1-fG) t/δ of the waits
// is below t as long as t is below both G and δ; beyond the shorter of the two, only waits of the
// longer one remain.
func (l LongPollScan) WaitQuantile(p float64) float64 {
	short, long, share := l.Gap, l.Scan, l.GapShare() // share: of the messages whose wait ends within short
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
