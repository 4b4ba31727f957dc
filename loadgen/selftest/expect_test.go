package selftest

import (
	"slices"
	"testing"
	"time"

	"pushpull/loadgen"
)

// TestLongRun compares longRun with the latencies of messages that are sent evenly for a long time.
func TestLongRun(t *testing.T) {
	var all []time.Duration
	for at := time.Duration(0); at < 20*stallPeriod; at += time.Millisecond {
		end, stalled := stallEnd(at)
		if !stalled {
			end = at
		}
		all = append(all, end-at)
	}
	slices.Sort(all)
	for p, want := range map[float64]time.Duration{.5: 0, .8: 0, .9: 500 * time.Millisecond, .99: 950 * time.Millisecond} {
		got := longRun(p)
		if off := (got - quantile(all, p)).Abs(); got != want || off > 2*time.Millisecond {
			t.Errorf("p%v: %v, want %v; the messages have %v", 100*p, got, want, quantile(all, p))
		}
	}
}

// simulate returns the latencies of a plan, sorted, by simulating each event: senders that wait for
// the response, and users that poll and are held up. Events that take no time take one nanosecond.
func simulate(plan *loadgen.Plan, t timing) (all []time.Duration) {
	held := func(at time.Duration) time.Duration {
		if end, stalled := stallEnd(at); t.stalls && stalled {
			return end
		}
		return at
	}
	free := map[int32]time.Duration{} // by sender, when the previous message was answered
	for _, send := range plan.Sends {
		begun := send.At
		if t.posts {
			begun = max(begun, free[send.User])
		}
		free[send.User] = held(begun) + 1
		for user := range plan.Users {
			if plan.Room(user) != plan.Room(int(send.User)) || user == int(send.User) {
				continue
			}
			if t.every == 0 {
				all = append(all, held(begun+t.delay)-send.At)
				continue
			}
			asked := time.Duration(plan.Phases[user] * float64(t.every))
			answered := held(asked)
			for answered < begun+t.delay {
				for asked <= answered {
					asked += t.every
				}
				answered = held(asked)
			}
			all = append(all, answered-send.At)
		}
	}
	slices.Sort(all)
	return all
}

// TestLatencies compares latencies with a simulation, for streams and for polls on a timer.
func TestLatencies(t *testing.T) {
	plan := loadgen.NewPlan(caseOf(t, "stall").load, 1)
	for _, timing := range []timing{
		{},
		{delay: delay},
		{stalls: true},
		{stalls: true, posts: true},
		{every: pollInterval, posts: true},
		{every: pollInterval, posts: true, delay: delay},
		{every: pollInterval, posts: true, stalls: true},
	} {
		got, want := timing.latencies(plan), simulate(plan, timing)
		if len(got) != len(want) || len(got) != len(plan.Sends) {
			t.Fatalf("%+v: %d latencies of %d messages, but %d simulated ones", timing, len(got), len(plan.Sends), len(want))
		}
		for i := range got {
			if (got[i] - want[i]).Abs() > time.Microsecond {
				t.Errorf("%+v: latency %d of the sorted ones is %v, simulated %v", timing, i, got[i], want[i])
				break
			}
		}
	}
}

// simulateScans is simulate for a server that scans. It scans when a poll comes and then once every
// scan interval, and a poll follows the previous response at once. A scan during a stall finds the
// messages that are stored at the end of the stall.
func simulateScans(plan *loadgen.Plan, t timing) (all []time.Duration) {
	held := func(at time.Duration) time.Duration {
		if end, stalled := stallEnd(at); t.stalls && stalled {
			return end
		}
		return at
	}
	free := map[int32]time.Duration{}
	stored := make([]time.Duration, len(plan.Sends))
	for i, send := range plan.Sends {
		begun := max(send.At, free[send.User])
		free[send.User] = held(begun) + 1
		stored[i] = begun + t.delay
	}
	for user := range plan.Users {
		var left []int
		for i, send := range plan.Sends {
			if plan.Room(user) == plan.Room(int(send.User)) {
				left = append(left, i)
			}
		}
		asked := time.Duration(plan.Phases[user] * float64(t.scans))
		for at := asked; len(left) > 0; {
			at = held(at)
			before := len(left)
			left = slices.DeleteFunc(left, func(i int) bool {
				if stored[i] <= at && int(plan.Sends[i].User) != user {
					all = append(all, at-plan.Sends[i].At)
				}
				return stored[i] <= at
			})
			if len(left) < before {
				asked = at + 1
				at = asked
				continue
			}
			at = asked + (at-asked)/t.scans*t.scans + t.scans
		}
	}
	slices.Sort(all)
	return all
}

// TestScanLatencies compares latencies with a simulation, for a server that scans.
func TestScanLatencies(t *testing.T) {
	plan := loadgen.NewPlan(caseOf(t, "stall").load, 1)
	for _, timing := range []timing{
		{scans: pollInterval, posts: true},
		{scans: pollInterval, posts: true, delay: delay},
		{scans: pollInterval, posts: true, stalls: true},
	} {
		got, want := timing.latencies(plan), simulateScans(plan, timing)
		if len(want) != len(plan.Sends) || len(got)%len(want) != 0 {
			t.Fatalf("%+v: %d latencies of %d messages, but %d simulated ones", timing, len(got), len(plan.Sends), len(want))
		}
		for _, p := range []float64{.5, .9, .99} {
			known, seen := quantile(got, p), quantile(want, p)
			if (known - seen).Abs() > seen/50+timing.scans/20 { // the quantiles of a thousand messages scatter
				t.Errorf("%+v: p%v is %v, simulated %v", timing, 100*p, known, seen)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	sorted := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for p, want := range map[float64]time.Duration{0: 1, .1: 1, .11: 2, .5: 5, .9: 9, .99: 10, 1: 10} {
		if got := quantile(sorted, p); got != want {
			t.Errorf("p%v is %d, want %d", 100*p, got, want)
		}
	}
}
