package theory

import (
	"math"

	"pushpull/loadgen/network"
)

// A Link is one direction of a connection over a network, as package relay replays it, and a Poisson stream of
// messages on it.
//
// A message of n segments loses at least one with probability q = 1-(1-p)ⁿ. Then it is late by the recovery L, and
// TCP, which keeps the order, holds back what comes after until then. The message itself is late by more than x with
// probability q P(L > x). Of the earlier messages, those that hold it back beyond x are a Poisson process thinned by q
// and by their age, with a mean of λq E[(L-x)⁺]. So it arrives late by at most x with probability
//
//	(1 - q P(L > x)) e^(-λq E[(L-x)⁺])
//
// With a constant L the share of the delayed messages is 1-(1-q)e^(-λqL), and the mean delay about qL(1+λL/2).
//
// L is the timeout (RFC 6298), or a round trip after the third later message if that is sooner (RFC 5681), which it is
// with messages that are frequent for the network. That messages wait for each other because of jitter is left out: it
// needs as many messages as are frequent for the jitter. The formulas are within some percent of a simulation for losses
// of up to 3%.
type Link struct {
	Network network.Profile
	Up      bool    // from the user to the server
	Bytes   float64 // of a message
	Rate    float64 // λ, messages per second on the connection; 0: none that would follow, or hold it back
}

// Transit returns the distribution of the time that a message takes: half of the round trip and its jitter, the time
// of its bits, and the time for which it is held back.
func (l Link) Transit() Distribution {
	bps := l.Network.DownBPS
	if l.Up {
		bps = l.Network.UpBPS
	}
	bits := 0.
	if bps > 0 {
		bits = 8 * l.Bytes / bps
	}
	near, far := (l.Network.RTTS-l.Network.JitterS)/2, (l.Network.RTTS+l.Network.JitterS)/2
	return Uniform(near+bits, far+bits).Plus(l.Stall())
}

// lost returns q.
func (l Link) lost() float64 {
	segments := max(1, math.Ceil(l.Bytes/network.Segment))
	return -math.Expm1(segments * math.Log1p(-l.Network.Loss))
}

// recovery returns the distribution of L.
func (l Link) recovery() Distribution {
	p := l.Network
	late, share := []mass{}, 1.
	for wait, at := p.RTO(), p.RTO(); share > rarest; wait, at = 2*wait, at+2*wait {
		late = append(late, mass{at, share * (1 - p.Loss)})
		share *= p.Loss
	}
	if l.Rate == 0 {
		return gather(late)
	}
	// The third of the later messages that arrive comes after a time with the gamma distribution. The retransmission that
	// it causes may be lost, too.
	var all []mass
	for i := range strata {
		third := p.RTTS + gamma3(middle(i))/(l.Rate*(1-p.Loss))
		for _, timeout := range late {
			all = append(all, mass{min(third, timeout.value), (1 - p.Loss) * width(i) * timeout.share})
		}
	}
	for _, timeout := range late {
		all = append(all, mass{timeout.value, p.Loss * timeout.share})
	}
	return gather(all)
}

// gamma3 returns the q-quantile of the sum of three exponential times with mean 1, whose survival function is
// e^-x (1 + x + x²/2).
func gamma3(q float64) float64 {
	lo, hi := 0., 60.
	for range 60 {
		if x := (lo + hi) / 2; 1-math.Exp(-x)*(1+x+x*x/2) < q {
			lo = x
		} else {
			hi = x
		}
	}
	return lo
}

// Stall returns the distribution of the time for which a message is held back.
func (l Link) Stall() Distribution {
	q := l.lost()
	if q <= 0 {
		return Distribution{}
	}
	recovery := l.recovery()
	return cumulative(func(x float64) float64 {
		share, excess := recovery.beyond(x)
		return (1 - q*share) * math.Exp(-l.Rate*q*excess)
	}, l.Network.RTO(), recovery.at[strata-1])
}

// cumulative returns the distribution with a cumulative distribution function, of which most changes are up to one
// time, and none after another one.
func cumulative(of func(x float64) float64, often, most float64) Distribution {
	const steps = 1000
	masses, before, below := make([]mass, 0, 2*steps), 0., of(0)
	masses = append(masses, mass{0, below})
	to := func(x float64) {
		if at := of(x); at > below {
			masses = append(masses, mass{(before + x) / 2, at - below})
			below = at
		}
		before = x
	}
	for i := range steps {
		to(often * float64(i+1) / steps)
	}
	for i := range steps {
		to(often + (most-often)*float64(i+1)/steps)
	}
	return gather(masses)
}

// beyond returns the probability of a time longer than x, and the mean by which times exceed x, E[(D-x)⁺].
func (d Distribution) beyond(x float64) (share, excess float64) {
	for i := strata - 1; i >= 0 && d.at[i] > x; i-- {
		share += width(i)
		excess += width(i) * (d.at[i] - x)
	}
	return share, excess
}

// Residual returns the distribution of the time until the end of the gaps with that distribution, of which there are
// rate in a second: a wait is longer than x with probability rate E[(G-x)⁺], as for a part of the time a gap has
// longer than x to go (PASTA). It is 0 for the rest, which is outside of gaps.
func Residual(gap Distribution, rate float64) Distribution {
	return cumulative(func(x float64) float64 {
		_, excess := gap.beyond(x)
		return 1 - min(1, rate*excess)
	}, gap.Quantile(.9), gap.at[strata-1])
}
