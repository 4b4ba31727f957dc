package theory_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pushpull/report/theory"
)

// shortPollUser simulates a user that sends a request every interval, with a random phase.
func shortPollUser(s theory.ShortPoll, polls int) func(random *rand.Rand) part {
	return func(random *rand.Rand) part {
		p := part{counts: map[string]float64{}, seconds: float64(polls) * s.Interval}
		next := random.ExpFloat64() / s.Rate // time of the next message
		for poll := random.Float64() * s.Interval; poll < p.seconds; poll += s.Interval {
			p.counts["requests"]++
			messages := len(p.waits)
			for ; next <= poll; next += random.ExpFloat64() / s.Rate {
				p.waits = append(p.waits, poll-next)
			}
			if len(p.waits) == messages {
				p.counts["empty"]++
			} else {
				p.counts["full"]++
			}
		}
		p.counts["messages"] = float64(len(p.waits))
		return p
	}
}

func TestShortPoll(t *testing.T) {
	for _, s := range []theory.ShortPoll{{Interval: 1, Rate: .7}, {Interval: 5, Rate: .5}, {Interval: .2, Rate: 3}} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			all := simulate(shortPollUser(s, 3000))
			agrees(t, "mean wait", s.MeanWait(), all, meanWait)
			agrees(t, "mean of the distribution", s.Wait().Mean(), all, meanWait)
			quantilesAgree(t, s.WaitQuantile, all)
			quantilesAgree(t, s.Wait().Quantile, all)
			agrees(t, "share of empty answers", s.EmptyShare(), all, ratio("empty", "requests"))
			agrees(t, "messages per answer", s.MessagesPerAnswer(), all, ratio("messages", "full"))
			agrees(t, "requests per second", s.RequestsPerSecond(), all, perSecond("requests"))
			agrees(t, "reads per second", s.ReadsPerSecond(), all, perSecond("requests"))
			agrees(t, "requests per message", s.RequestsPerMessage(), all, ratio("requests", "messages"))
		})
	}
}

// TestFreshPolls simulates users in rooms that are new, and counts their polls before the first message.
func TestFreshPolls(t *testing.T) {
	for _, s := range []theory.ShortPoll{{Interval: 1, Rate: .7}, {Interval: 5, Rate: .02}, {Interval: 5}} {
		const users, from, to = 100_000, 2., 9.
		random := rand.New(rand.NewPCG(1, 2))
		polls := 0
		for range users {
			first := random.ExpFloat64() / s.Rate // +Inf at rate 0
			for poll := from + random.Float64()*s.Interval; poll < to && poll < first; poll += s.Interval {
				polls++
			}
		}
		if got, want := float64(polls)/users, s.FreshPolls(from, to); math.Abs(got-want) > .01*want {
			t.Errorf("%+v: %.4f polls in a new room, %.4f by the formula", s, got, want)
		}
	}
}

func TestShortPollSilent(t *testing.T) {
	s := theory.ShortPoll{Interval: 5}
	if s.EmptyShare() != 1 || s.MessagesPerAnswer() != 1 || !math.IsInf(s.RequestsPerMessage(), 1) {
		t.Errorf("a silent room: share of empty answers %v, %v messages per answer, %v requests per message; want 1, 1 and +Inf",
			s.EmptyShare(), s.MessagesPerAnswer(), s.RequestsPerMessage())
	}
}
