package network

import "math"

// Segment is how many bytes a segment of TCP carries: 1,500 bytes of an Ethernet, less 20 of IPv4, 20 of TCP and 12 of
// its timestamps (RFC 879; RFC 7323, section 3.2).
const Segment = 1448

// Times of TCP, in seconds.
const (
	opening = 1.  // until the first segment of a connection is sent again (RFC 6298, section 2)
	longest = 60. // between two retransmissions (RFC 6298, section 2.5)
	least   = .2  // that is added to the round trip, at least: Linux's TCP_RTO_MIN
)

// Followers is how many later segments must arrive until a lost one is sent again at once (RFC 5681, section 3.2).
const Followers = 3

// RTO returns the seconds until a lost segment is sent again, unless enough segments follow it: the round trip, and
// four times its mean deviation, but at least 200 ms (RFC 6298, section 2, with the minimum of Linux, which is that of
// the deviation: tcp_rtt_estimator in net/ipv4/tcp_input.c). The sum of two uniform jitters is triangular: its mean
// deviation is a third of the largest.
func (p Profile) RTO() float64 { return p.RTTS + max(least, 4*p.JitterS/3) }

// Retransmissions returns the seconds for which a lost segment is late if only time tells of it. draw returns a random
// number from 0 to 1: a retransmission may be lost, too, and the next one comes after twice the time (RFC 6298,
// section 5.5).
func (p Profile) Retransmissions(draw func() float64) float64 { return p.again(p.RTO(), p.Loss, draw) }

// Opening returns the seconds until the first bytes of a user can leave after it began to connect: a round trip, and
// more if one of the two segments of the handshake is lost.
func (p Profile) Opening(draw func() float64) float64 {
	either := 1 - (1-p.Loss)*(1-p.Loss)
	if draw() >= either {
		return p.RTTS
	}
	return p.RTTS + p.again(opening, either, draw)
}

// again returns the time until a segment arrives that is sent again after the first wait, and is lost with that
// probability.
func (p Profile) again(wait, loss float64, draw func() float64) float64 {
	late := wait
	for draw() < loss {
		wait = math.Min(2*wait, longest)
		late += wait
	}
	return late
}
