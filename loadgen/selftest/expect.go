package selftest

import (
	"math"
	"slices"
	"time"

	"pushpull/loadgen"
)

// The behaviour of the servers with a known timing.
const (
	delay       = 20 * time.Millisecond
	stallPeriod = 5 * time.Second
	stallFrom   = 2 * time.Second // after the start of each period
	stallLength = time.Second
)

// stallEnd reports whether at is within a stall, and returns the end of that stall. Both times count
// from the start of the window.
func stallEnd(at time.Duration) (end time.Duration, stalled bool) {
	within := at % stallPeriod
	return at - within + stallFrom + stallLength, within >= stallFrom && within < stallFrom+stallLength
}

// longRun returns the quantile p of the latency on a server with stalls, if messages are sent evenly
// over time and otherwise take no time. A message whose intended send time is x before the end of a
// stall has a latency of x. A share of length/period of all messages falls into stalls, and their x is
// uniformly distributed over the length of a stall:
//
//	P(latency > x) = (length - x) / period     so that     x = length - (1-p) period
//
// See G. Tene, "How NOT to Measure Latency" (2013), and the README of wrk2. They show that a closed
// loop sends nothing while the server stalls, and so measures each stall only once.
func longRun(p float64) time.Duration {
	x := stallLength.Seconds() - (1-p)*stallPeriod.Seconds()
	return max(0, time.Duration(1e3*x+.5)*time.Millisecond)
}

// A timing is the known timing with which a subject delivers messages.
type timing struct {
	delay  time.Duration
	stalls bool          // as in stallEnd
	every  time.Duration // poll interval of the users; 0: they don't poll on a timer
	scans  time.Duration // scan interval of the server; 0: it doesn't scan
	posts  bool          // a user sends a message only when the previous one is stored
}

// latencies returns the latencies of all deliveries of a plan, sorted, if only the known times pass.
// They are not those of the long run, but those of the plan's own messages and polls.
//
// A message that is sent in a stall is delivered at its end, also to the users whose polls the stall
// has delayed. A user that posts gets only one message stored by then. Its next ones are stored after
// the delayed polls have been answered, and wait for the polls after these.
//
// The times of scans are unknown: they count from the user's last poll, which came right after the
// last response. A message is equally likely to come at any time between two scans, so each is taken
// several times, with offsets spread evenly over the scan interval.
func (t timing) latencies(plan *loadgen.Plan) []time.Duration {
	offsets := 1 // per message
	if t.scans > 0 {
		offsets = 100
	}
	var known []time.Duration
	stalledUntil := map[int32]time.Duration{} // by sender, the end of the last stall in which it sent a message
	for _, send := range plan.Sends {
		shown := send.At + t.delay
		held := false
		if end, stalled := stallEnd(send.At); t.stalls && stalled {
			shown = end
			held = !t.posts || stalledUntil[send.User] != end
			stalledUntil[send.User] = end
		}
		if !plan.Measured(send) {
			continue
		}
		room := plan.Room(int(send.User))
		for user := room * plan.RoomSize; user < (room+1)*plan.RoomSize; user++ {
			if user == int(send.User) {
				continue
			}
			for offset := range offsets {
				came := shown
				switch {
				case held:
				case t.every > 0:
					came = nextPoll(shown, plan.Phases[user], t.every)
				case t.scans > 0:
					came += t.scans * time.Duration(2*offset+1) / time.Duration(2*offsets)
				}
				if end, stalled := stallEnd(came); t.stalls && stalled {
					came = end // it was stored before the stall, but polled for during it
				}
				known = append(known, came-send.At)
			}
		}
	}
	slices.Sort(known)
	return known
}

// nextPoll returns the time of a user's first poll at the given time or after it. phase is the share
// of the interval at which the user's first poll is.
func nextPoll(at time.Duration, phase float64, every time.Duration) time.Duration {
	first := time.Duration(phase * float64(every))
	if at <= first {
		return first
	}
	return first + (at-first+every-1)/every*every
}

// quantile returns the smallest of the sorted durations that a share p of them does not exceed.
func quantile(sorted []time.Duration, p float64) time.Duration {
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
