package check

import (
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// rare is the probability of a false alarm for late windows. It is smaller than that of the timings, as
// disturbances of a machine come in bursts, which hit one side more often than independent ones.
const rare = .01

// chance fills in c, which compares numbers of windows that chance distributes evenly between base and
// head.
func (s *both) chance(c *Comparison, m result.Metric) {
	c.Base, _ = m.Value(s.baseWhole)
	c.Head, _ = m.Value(s.headWhole)
	c.Pairs = len(s.rounds)
	if c.Base > 0 {
		c.Ratio = c.Head / c.Base
	}
	c.P = SignTest(c.Base, c.Head)
	switch {
	case c.Pairs == 0:
		c.Verdict, c.Gated = Missing, false
	case !c.Gated:
		c.Verdict = Same
	case c.P < rare:
		c.Verdict = Worse
		c.Note = fmt.Sprintf("the generator was late in %.0f windows of head and %.0f of base: the server of head leaves it no processor", c.Head, c.Base)
	case SignTest(c.Head, c.Base) < rare:
		c.Verdict = Better
	default:
		c.Verdict = Same
	}
}

// measuredAgain returns a warning with the number of windows that were measured again on each side, if any.
func measuredAgain(baseRows, headRows []result.Row) []string {
	count := func(rows []result.Row) (n int) {
		for _, row := range rows {
			n += row.Generator.Replaced
		}
		return n
	}
	base, head := count(baseRows), count(headRows)
	if base+head == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the generator was late in %s of base and %d of head: each was measured again with its counterpart of the other side", text.Plural(base, "window", "windows"), head)}
}

// SignTest returns the one-sided p-value of "head is larger" for two numbers of events: the probability
// of head or more out of base+head events if each falls on either side with probability 1/2. Without
// events it is 1.
//
// W. J. Dixon, A. M. Mood, The statistical sign test, Journal of the American Statistical Association 41
// (1946).
func SignTest(base, head float64) float64 {
	if base+head == 0 {
		return 1
	}
	return distuv.Binomial{N: base + head, P: .5}.CDF(base)
}
