package result

import (
	"math"
	"testing"
)

// TestGrowth fits samples of which one is far off, and refuses those that no line goes through.
func TestGrowth(t *testing.T) {
	usual := func() []MemorySample { return joining(44_000, 1_500_000) }
	for name, c := range map[string]struct {
		change         func([]MemorySample) []MemorySample
		perUser, fixed float64 // 0: unknown
	}{
		"as usual":           {func(s []MemorySample) []MemorySample { return s }, 44_000, 1_500_000},
		"one is far off":     {func(s []MemorySample) []MemorySample { s[2].InUseBytes, s[2].RSSBytes = 9e6, 9e6; return s }, 44_000, 1_500_000},
		"two samples":        {func(s []MemorySample) []MemorySample { return s[:2] }, 0, 0},
		"none":               {func([]MemorySample) []MemorySample { return nil }, 0, 0},
		"none without users": {func(s []MemorySample) []MemorySample { return s[1:] }, 0, 0},
		"too few users":      {func(s []MemorySample) []MemorySample { return s[:3] }, 0, 0},
		"out of order":       {func(s []MemorySample) []MemorySample { s[1].Users = 11; return s }, 0, 0},
		"twice the same":     {func(s []MemorySample) []MemorySample { s[1].Users = 10; return s }, 0, 0},
	} {
		perUser, fixed, resident, ok := growth(c.change(usual()))
		if resident || ok != (c.perUser > 0) || math.Abs(perUser-c.perUser) > 1 || math.Abs(fixed-c.fixed) > 1 {
			t.Errorf("%s: %v and %v, %t; want %v and %v", name, perUser, fixed, ok, c.perUser, c.fixed)
		}
	}
}

// TestGrowthOfSomeRounds takes the mean over the rounds that know it: an interrupted one may not.
func TestGrowthOfSomeRounds(t *testing.T) {
	windows := rounds()
	windows[0].Joining = nil
	if s := Rows(windows)[0].Server; s.BytesPerUser == nil || *s.BytesPerUser != 300_000 || *s.FixedBytes != 60_000 {
		t.Errorf("%+v", s)
	}
}
