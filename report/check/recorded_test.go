package check_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/check"
	"pushpull/report/text"
)

// TestRecordedDuets judges recorded duets like those that make timed measures: a server compared with
// itself shows no regression, and a slowed server only in what was slowed. See testdata/duet.
func TestRecordedDuets(t *testing.T) {
	t.Run("itself", func(t *testing.T) {
		found := judged(t, "../../testdata/results/duet", check.Options{})
		if failed := found.Regressions(); len(failed) > 0 {
			t.Errorf("regressions %v\n%s", failed, table(found))
		}
	})
	t.Run("burn", func(t *testing.T) {
		found := judged(t, "testdata/duet/burn", check.Options{MinEffect: 1.1})
		if failed := metrics(found.Regressions()); !slices.Equal(failed, []string{"server-cpu"}) {
			t.Errorf("regressions %v, want server-cpu alone\n%s", failed, table(found))
		}
	})
	t.Run("delay", func(t *testing.T) {
		found := judged(t, "testdata/duet/delay", check.Options{})
		failed := found.Regressions()
		if !slices.Contains(metrics(failed), "p50") {
			t.Errorf("regressions %v, want p50\n%s", failed, table(found))
		}
		for _, c := range failed {
			if c.P == 1 { // not a timing
				t.Errorf("a delay must not cause %v", c)
			}
		}
	})
}

// judged judges a recorded duet by the rule of pushpull duet: a metric that looks worse fails only if the
// second measurement is worse, too.
func judged(t *testing.T, dir string, rule check.Options) *check.Report {
	t.Helper()
	compare := func(dir string) *check.Report {
		var sides [2]*result.Result
		for i, side := range []string{"base", "head"} {
			var err error
			if sides[i], err = result.Open(filepath.Join(dir, side)); err != nil {
				t.Fatal(err)
			}
		}
		found, err := check.Compare(sides[0], sides[1], rule)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	found := compare(dir)
	if len(found.Suspects()) > 0 {
		found = check.Confirm(found, compare(filepath.Join(dir, "again")))
	}
	return found
}

func metrics(comparisons []check.Comparison) (names []string) {
	for _, c := range comparisons {
		names = append(names, c.Metric)
	}
	return names
}

func table(r *check.Report) string {
	var words strings.Builder
	check.Table(&words, text.Screen{}, r)
	return words.String()
}
