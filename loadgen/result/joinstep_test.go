package result

import "testing"

func TestJoinsPerS(t *testing.T) {
	for _, c := range []struct {
		what  string
		steps []JoinStep
		want  float64
	}{
		{"none", nil, 0},
		{"no time", []JoinStep{{Users: 5}}, 0},
		{"two, and a count of memory between them", []JoinStep{{30, 2, 10}, {10, 2, 6}}, 10},
		{"of two agents that overlap", []JoinStep{{30, 2, 10}, {30, 2, 9}}, 20},
		{"one within the other, in any order", []JoinStep{{30, 1, 9}, {30, 3, 10}}, 20},
	} {
		w := sound()
		w.JoinSteps = c.steps
		if got := joinsPerS([]Window{w, w}); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
