package selftest

import (
	"math"
	"slices"
	"time"

	"pushpull/loadgen"
)

// What the servers of known times do.
const (
	delay       = 20 * time.Millisecond
	stallPeriod = 5 * time.Second
	stallFrom   = 2 * time.Second // from the start of each period
	stallLength = time.Second
)

// stallEnd returns when the stall ends in which at falls, both from the start of the window.
func stallEnd(at time.Duration) (end time.Duration, stalled bool) {
	within := at % stallPeriod
	return at - within + stallFrom + stallLength, within >= stallFrom && within < stallFrom+stallLength
}

// longRun returns the quantile p of the latency behind the stalls, when messages are to be sent
// evenly over time and take no time otherwise. A message that is to be sent x before the end of a
// stall is delivered x late, and x is uniform over the stall, in which a share of length/period
// of all messages falls:
//
//	P(latency > x) = (length - x) / period     so that     x = length - (1-p) period
//
// See G. Tene, "How NOT to Measure Latency" (2013), and wrk2, whose README shows what a closed
// loop makes of it: while the server stalls it sends nothing, and so it measures the stall once.
func longRun(p float64) time.Duration {
	x := stallLength.Seconds() - (1-p)*stallPeriod.Seconds()
	return max(0, time.Duration(1e3*x+.5)*time.Millisecond)
}

// A timing is what is known of when a subject shows a message.
type timing struct {
	delay  time.Duration
	stalls bool          // by stallEnd
	every  time.Duration // from one poll of a user to the next; 0: users needn't ask
	scans  time.Duration // from one look of the server for a user to the next; 0: it needn't look
	posts  bool          // a user's message is sent once the one before is stored
}

// latencies returns the latency of each delivery of a plan, in order, when nothing takes any time but what
// is known to: not the long-run answer, but that of these very messages and polls.
//
// A message that falls in a stall is shown at its end, and so it is to whoever has asked meanwhile.
// A user who posts has then sent one; what follows is stored when the polls that the stall has
// held have been answered, and waits for the next one.
//
// Nobody knows when the server looks: it does so from the user's last question on, which came when
// the last answer did. Each message is as likely to come at any place between two looks, and stands
// for itself at several of them.
func (t timing) latencies(plan *loadgen.Plan) []time.Duration {
	places := 1 // of each message
	if t.scans > 0 {
		places = 100
	}
	var known []time.Duration
	stalledUntil := map[int32]time.Duration{} // by sender, the end of the last stall that held a message
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
			for place := range places {
				came := shown
				switch {
				case held:
				case t.every > 0:
					came = nextPoll(shown, plan.Phases[user], t.every)
				case t.scans > 0:
					came += t.scans * time.Duration(2*place+1) / time.Duration(2*places)
				}
				if end, stalled := stallEnd(came); t.stalls && stalled {
					came = end // it came in time, and was asked for too late
				}
				known = append(known, came-send.At)
			}
		}
	}
	slices.Sort(known)
	return known
}

// nextPoll returns when a user asks, at the given time or after it.
func nextPoll(at time.Duration, phase float64, every time.Duration) time.Duration {
	first := time.Duration(phase * float64(every))
	if at <= first {
		return first
	}
	return first + (at-first+every-1)/every*every
}

// quantile returns the smallest of sorted durations that a share p of them does not exceed.
func quantile(sorted []time.Duration, p float64) time.Duration {
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
