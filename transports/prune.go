package transports

// ClockSeq is the smallest seq that is a time, in September 2001: see FirstSeq. Logs that pushpull made
// before their places followed the clock have smaller ones.
const ClockSeq uint64 = 1e15

// Pruned is what pruning a store has removed, or would remove.
type Pruned struct {
	Rooms    int // rooms
	Messages int // messages in these rooms
	Undated  int // rooms that stay, as the place of their newest message is no time: see ClockSeq
}
