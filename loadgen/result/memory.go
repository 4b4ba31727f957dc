package result

import "slices"

// A MemorySample is the memory of the servers under test, all together, while some of the users had joined. The
// servers had collected garbage for it: else a few users, whose joining leaves more garbage than they need,
// would seem to take twice as much as many.
type MemorySample struct {
	Users      int   `json:"users"`        // that had joined
	InUseBytes int64 `json:"in_use_bytes"` // objects on the heap and stacks of goroutines; 0: a foreign server doesn't report it
	RSSBytes   int64 `json:"rss_bytes"`    // resident memory
}

// fewestForMemory is the number of users from which on the memory of one more can be measured. Fewer take
// less than what other allocations of the server make it vary by.
const fewestForMemory = 16

// growth returns how many bytes of memory in use one more user takes, and how many of resident memory the
// first users brought for all. They are the slope of one line and the intercept of another one, of Theil and Sen
// (P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968), as one sample may be off. The
// sample without users is on neither line; the second figure is above its resident memory.
//
// The first figure is of the memory in use, as resident memory comes in pages and larger blocks: of 40
// users it varies by a fifth. The second one is of resident memory, as it is mostly code that is read for the
// first time. A server that doesn't report its memory in use has resident memory alone, and both are of that.
//
// ok is false if there are too few samples or users, or the samples are not in the order of their
// users, none first.
func growth(samples []MemorySample) (perUser, fixed float64, resident, ok bool) {
	for i, s := range samples {
		if i == 0 && s.Users != 0 || i > 0 && s.Users <= samples[i-1].Users {
			return 0, 0, false, false
		}
		resident = resident || s.InUseBytes == 0
	}
	if len(samples) < 3 || samples[len(samples)-1].Users < fewestForMemory {
		return 0, 0, false, false
	}
	idle, joined := samples[0], samples[1:]
	perUser, _ = line(joined, func(s MemorySample) int64 { return s.InUseBytes })
	slope, start := line(joined, func(s MemorySample) int64 { return s.RSSBytes })
	if resident {
		perUser = slope
	}
	return perUser, start - float64(idle.RSSBytes), resident, true
}

// meanGrowth returns the means of growth over the windows that have it; nil if none has, or the memory did not
// grow.
func meanGrowth(windows []Window) (perUser, fixed *float64, resident bool) {
	n, users, shared := 0, 0.0, 0.0
	for _, w := range windows {
		if each, first, of, ok := growth(w.Joining); ok {
			n, users, shared, resident = n+1, users+each, shared+first, of
		}
	}
	if n == 0 || users <= 0 {
		return nil, nil, false
	}
	users, shared = users/float64(n), max(0, shared/float64(n))
	return &users, &shared, resident
}

// line returns the line of Theil and Sen through samples of different numbers of users: the median of the slopes
// between all pairs, and that of the intercepts with this slope.
func line(samples []MemorySample, of func(MemorySample) int64) (slope, intercept float64) {
	var slopes, intercepts []float64
	for i, a := range samples {
		for _, b := range samples[i+1:] {
			slopes = append(slopes, float64(of(b)-of(a))/float64(b.Users-a.Users))
		}
	}
	slope = median(slopes)
	for _, s := range samples {
		intercepts = append(intercepts, float64(of(s))-slope*float64(s.Users))
	}
	return slope, median(intercepts)
}

// median returns the median of values, at least one, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
