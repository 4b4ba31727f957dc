package theory

import "math"

// A Feed is a server process that reads a room from the store for all users waiting there, with
// held requests or WebSockets: they share one read per message, however many they are. A room
// whose members are connected to several processes has a Feed in each. A Feed reads once when it
// starts, and not at all while nothing is stored.
//
// The store notifies the feed of each message, and the feed then reads all new ones. Messages stored
// before it has been woken for the first of them share its read. A cycle goes from one wake-up to the
// next: the feed reads for S, and if nothing was stored meanwhile, which has probability e^(-λS), it
// waits for an exponential time and then for w, like a LongPoll with an infinite hold time.
type Feed struct {
	Rate float64 // λ, messages per second of the room
	Wake float64 // w, seconds from storing a message to waking the feed
	Read float64 // S, seconds that a read takes
}

// ReadsPerSecond returns the rate of store reads, 1/(S + e^(-λS) (1/λ + w)). It is λ while both S and
// w are short. A message stored during a read may cause another read that finds nothing.
func (f Feed) ReadsPerSecond() float64 {
	return LongPoll{Gap: f.Read, Rate: f.Rate, Hold: math.Inf(1), Wake: f.Wake}.RequestsPerSecond()
}
