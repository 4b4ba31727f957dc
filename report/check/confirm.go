package check

import (
	"fmt"
	"slices"

	"pushpull/loadgen/result"
)

// Confirm returns a copy of first in which a timing stays worse only if it is worse in again too, which
// is a fresh run of the same comparison. Otherwise it becomes Unsure: one alarm may come from a busy
// machine. So does an alarm of late windows. A gated one that was not judged again is Unjudged. Faults and
// counts of first stand, as they have no noise, and so does what was not judged. A fault that only again
// has is added. So are the doubts of again.
func Confirm(first, again *Report) *Report {
	r := *first
	r.Comparisons = slices.Clone(first.Comparisons)
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		fresh := again.find(c.Transport, c.Metric)
		gate := gateOf(c.Metric)
		switch {
		case gate == result.Fault && c.Verdict != Worse && fresh.Verdict == Worse:
			*c = fresh
			c.Note = "in the fresh run only"
		case !noisy(c.Metric) || c.Verdict != Worse || fresh.Verdict == Worse:
		case fresh.Pairs == 0, fresh.Verdict == TooFew, fresh.Unjudged:
			note := "worse at first, and not measured again"
			if fresh.Pairs > 0 {
				note = "worse at first, and not judged in the fresh run"
			}
			if c.Gated { // nothing has refuted the alarm
				c.unjudge(Unsure, note)
				c.Allowed = fresh.Allowed
			} else {
				c.Verdict, c.Note = Unsure, note
			}
		case gate == result.Chance:
			c.Verdict, c.Note = Unsure, fmt.Sprintf("more at first, and in the fresh run %.0f of base and %.0f of head", fresh.Base, fresh.Head)
		default:
			c.Verdict, c.Note = Unsure, fmt.Sprintf("worse at first (x%s), and not in the fresh run (x%s)", ratio(c.Ratio), ratio(fresh.Ratio))
		}
	}
	var doubts []string
	for _, doubt := range again.Warnings[:again.Doubts] {
		doubts = append(doubts, "in the fresh run, "+doubt)
	}
	r.Warnings = slices.Concat(first.Warnings[:first.Doubts], doubts, first.Warnings[first.Doubts:])
	r.Doubts = first.Doubts + len(doubts)
	return &r
}

// find returns the comparison of a metric on a transport; the zero value if there is none.
func (r *Report) find(transport, metric string) Comparison {
	for _, c := range r.Comparisons {
		if c.Transport == transport && c.Metric == metric {
			return c
		}
	}
	return Comparison{}
}
