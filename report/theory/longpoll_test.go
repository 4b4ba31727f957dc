package theory_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pushpull/report/theory"
)

// longPollUser simulates a user whose request is answered at once if there are messages after its
// cursor, otherwise with the next message or when the hold time is over. The next request arrives a
// gap later. A message that the request waits for is read l.Wake after it was stored.
func longPollUser(l theory.LongPoll, requests int) func(random *rand.Rand) part {
	return func(random *rand.Rand) part {
		p := part{counts: map[string]float64{}}
		next := random.ExpFloat64() / l.Rate // the first message after the cursor
		for range requests {
			p.seconds += l.Gap // the request arrives
			asked := p.seconds
			p.counts["requests"]++
			switch {
			case next <= asked:
			case next <= asked+l.Hold:
				p.seconds = next + l.Wake
			default:
				p.seconds += l.Hold
				p.counts["timeouts"]++
			}
			for ; next <= p.seconds; next += random.ExpFloat64() / l.Rate {
				p.waits = append(p.waits, max(0, asked-next))
				if asked > next {
					p.counts["in the gap"]++
				}
			}
		}
		p.counts["messages"] = float64(len(p.waits))
		return p
	}
}

func TestLongPoll(t *testing.T) {
	for _, l := range []theory.LongPoll{
		{Gap: .05, Rate: 2, Hold: .4},
		{Gap: .3, Rate: 1, Hold: 1},
		{Gap: .2, Rate: 5, Hold: .05},
		{Gap: .05, Rate: 3, Hold: 1, Wake: .1},
	} {
		t.Run(fmt.Sprintf("%+v", l), func(t *testing.T) {
			all := simulate(longPollUser(l, 6000))
			agrees(t, "mean wait", l.MeanWait(), all, meanWait)
			agrees(t, "mean of the distribution", l.Wait().Mean(), all, meanWait)
			quantilesAgree(t, l.WaitQuantile, all)
			quantilesAgree(t, l.Wait().Quantile, all)
			agrees(t, "cycle", l.Cycle(), all, func(p part) float64 { return p.seconds / p.counts["requests"] })
			agrees(t, "requests per second", l.RequestsPerSecond(), all, perSecond("requests"))
			agrees(t, "requests per message", l.RequestsPerMessage(), all, ratio("requests", "messages"))
			agrees(t, "share in the gap", l.GapShare(), all, ratio("in the gap", "messages"))
			agrees(t, "share of timeouts", l.TimeoutShare(), all, ratio("timeouts", "requests"))
		})
	}
}

// TestLongPollBeginning counts the answers to users that send their first requests together.
func TestLongPollBeginning(t *testing.T) {
	for _, l := range []theory.LongPoll{
		{Rate: .5, Hold: 2},
		{Rate: .02, Hold: 30},
		{Rate: 2, Hold: 1, Gap: .005, Wake: .005},
	} {
		for _, window := range [][2]float64{{.1, .9}, {.5, 1.5}, {.9, 4.6}, {20.3, 25.7}} { // in holds
			from, to := window[0]*l.Hold, window[1]*l.Hold
			t.Run(fmt.Sprintf("%+v from %v to %v", l, from, to), func(t *testing.T) {
				const users = 2000
				all := simulate(func(random *rand.Rand) part {
					p := part{counts: map[string]float64{"users": users}}
					for range users {
						next := random.ExpFloat64() / l.Rate
						for at := 0.0; at < to; at += l.Gap {
							switch {
							case next <= at:
							case next <= at+l.Hold:
								at = next + l.Wake
							default:
								at += l.Hold
							}
							for next <= at {
								next += random.ExpFloat64() / l.Rate
							}
							if at >= from && at < to {
								p.counts["answers"]++
							}
						}
					}
					return p
				})
				agrees(t, "answers", l.Requests(from, to), all, ratio("answers", "users"))
			})
		}
	}
	// In a silent room there is one answer as each hold time ends.
	silent := theory.LongPoll{Hold: 2}
	for to, want := range map[float64]float64{1.999: 0, 2: 1, 3.999: 1, 4: 2, 5: 2} {
		if got := silent.Requests(0, to); got != want {
			t.Errorf("%v answers by %v s in a silent room, want %v", got, to, want)
		}
	}
	// In the long run Requests grows by RequestsPerSecond.
	l := theory.LongPoll{Rate: .3, Hold: 5}
	if got, want := l.Requests(1e4, 2e4)/1e4, l.RequestsPerSecond(); math.Abs(got/want-1) > 1e-3 {
		t.Errorf("%v requests per second in the long run, want %v", got, want)
	}
}

// TestLongPollLimits has rates at which a formula that cancels would lose all its digits.
func TestLongPollLimits(t *testing.T) {
	for _, test := range []struct {
		l        theory.LongPoll
		requests float64
	}{
		{theory.LongPoll{Gap: .1, Hold: 30}, 1 / 30.1},
		{theory.LongPoll{Gap: .1, Rate: 1e-300, Hold: 30}, 1 / 30.1},
		{theory.LongPoll{Gap: .1, Rate: 1e-15, Hold: 30}, 1 / 30.1},
		{theory.LongPoll{Gap: .1, Rate: 1e9, Hold: 30}, 10},
		{theory.LongPoll{Rate: 2, Hold: .5}, 2 / (1 - math.Exp(-1))},
		{theory.LongPoll{Rate: 2, Hold: math.Inf(1)}, 2},
	} {
		if got := test.l.RequestsPerSecond(); math.Abs(got/test.requests-1) > 1e-12 {
			t.Errorf("%+v: %v requests per second, want %v", test.l, got, test.requests)
		}
		if wait := test.l.WaitQuantile(.999); !(wait >= 0 && wait <= test.l.Gap) {
			t.Errorf("%+v: p99.9 of the wait is %v", test.l, wait)
		}
	}
}
