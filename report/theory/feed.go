package theory

import "math"

// A Feed is a process that reads a room of the store for all of its users who wait there, be it on
// held questions or on WebSockets: they share one read for each message, however many they are. A
// room whose members sit on several processes has a Feed in each. To begin with it reads once,
// and nothing while nothing is stored.
//
// The store rings as it stores a message, and the feed reads what is there. Rings that come before
// it has heard the first of them are one. So a cycle goes from one hearing to the next: the feed
// reads for S, and if nothing was stored meanwhile, which has probability e^(-λS), it waits for an
// exponential time and for w more, as a LongPoll without end waits after its gap.
type Feed struct {
	Rate float64 // λ, messages per second of the room
	Wake float64 // w, seconds from the storing of a message to the feed's hearing of it
	Read float64 // S, seconds that a read takes
}

// ReadsPerSecond returns the rate of reads of the store, 1/(S + e^(-λS) (1/λ + w)). It is λ as long as
// both S and w are short; a message that is stored while the feed reads can be read twice, the second
// time in vain.
func (f Feed) ReadsPerSecond() float64 {
	return LongPoll{Gap: f.Read, Rate: f.Rate, Hold: math.Inf(1), Wake: f.Wake}.RequestsPerSecond()
}
