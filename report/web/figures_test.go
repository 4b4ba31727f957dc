package web

import (
	"testing"

	"pushpull/loadgen/result"
)

// TestFigures holds that the figures of a run under way have what the page shows of them.
func TestFigures(t *testing.T) {
	row := Figures{Delivered: 1, Expected: 2, Lost: 1, P50: 3, P99: 4}.row()
	for _, m := range result.MetricsIn(result.InLive) {
		if value, ok := m.Value(row); !ok || value == 0 {
			t.Errorf("the live page shows %s, which its figures lack", m.Key)
		}
	}
}
