package theory

import (
	"math"
	"math/rand/v2"
	"testing"

	"pushpull/loadgen/result"
)

// TestSinceJoined counts the holds that end in a window, of users that join in two steps and are sent nothing.
func TestSinceJoined(t *testing.T) {
	const hold = 30
	steps := []result.JoinStep{{Users: 4000, LengthS: 6, BeforeS: 25}, {Users: 12000, LengthS: 10, BeforeS: 17}}
	for _, window := range [][2]float64{{3, 13}, {3, 4}, {14, 24}, {20, 60}} {
		m := parameters{
			way:   result.Way{HoldS: hold},
			users: 16000, windows: 1, warmup: window[0], seconds: window[1] - window[0], steps: steps,
		}
		random := rand.New(rand.NewPCG(1, 2))
		ended := 0.0
		for _, s := range steps {
			for range s.Users {
				joined := -s.BeforeS + s.LengthS*random.Float64()
				for end := joined + hold; end < window[1]; end += hold {
					if end >= window[0] {
						ended++
					}
				}
			}
		}
		got := m.sinceJoined(LongPoll{Hold: hold}.Requests)
		if math.Abs(got-ended) > m.uneven()+4*math.Sqrt(ended) {
			t.Errorf("%v: %.0f holds end, theory says %.0f", window, ended, got)
		}
		all := m.users * LongPoll{Hold: hold}.Requests(m.begun())
		if m.steps = nil; m.sinceJoined(LongPoll{Hold: hold}.Requests) != all || m.uneven() != 0 {
			t.Errorf("%v: of users that join at once other numbers than of all alike", window)
		}
	}
}
