package result

import (
	"cmp"
	"slices"
)

// A JoinStep is some users that joined one after the other, how evenly is unknown.
type JoinStep struct {
	Users   int     `json:"users"`
	LengthS float64 `json:"length_s"` // seconds that it took
	BeforeS float64 `json:"before_s"` // seconds from its begin to that of the warm-up, by when all users have joined
}

// joinsPerS returns how many users of windows joined in a second while any did: between two steps the memory of the
// servers is counted. It is 0 if that is unknown.
func joinsPerS(windows []Window) float64 {
	users, seconds := 0, 0.0
	for _, w := range windows {
		steps := slices.Clone(w.JoinSteps)
		slices.SortFunc(steps, func(a, b JoinStep) int { return cmp.Compare(b.BeforeS, a.BeforeS) })
		left := 0.0 // until when no earlier step took part, before the warm-up
		for i, s := range steps {
			if i == 0 {
				left = s.BeforeS
			}
			users += s.Users
			end := s.BeforeS - s.LengthS
			seconds += max(0, min(left, s.BeforeS)-end) // steps of several agents overlap
			left = min(left, end)
		}
	}
	if seconds == 0 {
		return 0
	}
	return float64(users) / seconds
}
