package check

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
	"pushpull/report/theory"
)

const (
	// Tolerance is the ratio up to which a count may grow, as what determines it has no noise, and
	// the default of MinEffect.
	Tolerance = 1.05

	// blockEffect is the default of MinEffect where base and head were not measured in turns.
	blockEffect = 1.25

	// p99Effect is what p99 is gated at unless it is chosen. It varies by a factor on a machine
	// that is shared: a closer gate would cry wolf.
	p99Effect = 1.5

	significance = .05 // of all gated timings together: each has its share

	fewestRounds     = 7   // fewer can never reach a p below .01
	fewestForP99     = 300 // deliveries in a round, as for any p99
	fewestDeliveries = 500 // to judge a count by: what is under way as a window begins and ends is a percent of fewer
)

// Options choose what fails a check. The zero value is the default.
type Options struct {
	Gate      []string // names of the timings that are gated at MinEffect; nil: p50 and server-cpu
	MinEffect float64  // the ratio up to which a timing may grow, 1 or more; 0: 1.05, or 1.25 where base and head were not measured in turns
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	for _, name := range o.Gate {
		m, ok := named(name)
		switch {
		case !ok:
			return fmt.Errorf("there is no metric %q: use %s", name, strings.Join(timings(), ", "))
		case m.Kind != Timing:
			return fmt.Errorf("metric %s is always gated: choose among %s", name, strings.Join(timings(), ", "))
		}
	}
	if o.MinEffect != 0 && !(o.MinEffect >= 1 && o.MinEffect <= 1000) {
		return fmt.Errorf("bad smallest effect %v: it is a ratio, from 1 to 1000", o.MinEffect)
	}
	return nil
}

// gated says whether a timing is gated, and the ratio up to which it may grow.
func (o Options) gated(metric string, inTurns bool) (bool, float64) {
	limit := o.MinEffect
	switch {
	case limit != 0:
	case inTurns:
		limit = Tolerance
	default:
		limit = blockEffect
	}
	chosen := o.Gate
	if chosen == nil {
		chosen = []string{"p50", "server-cpu"}
	}
	if metric == "p99" && !slices.Contains(chosen, metric) {
		return true, max(limit, p99Effect)
	}
	return slices.Contains(chosen, metric), limit
}

// Compare compares head with base, on each transport that both have measured, in the rounds that
// both have measured to their end.
//
//   - A fault (lost, duplicated, reordered, misdelivered) fails when head has any.
//   - A count (requests, store reads, bytes, for each delivery) fails when over all rounds together
//     it is more than 5% above base, or above what theory says and base keeps to; when the two sent
//     other messages at other times, as with another seed, by more than that and three standard
//     errors of how many messages there were.
//   - A timing is compared in pairs, a round of base with the same round of head. Where a round has
//     several windows, their median is its value. A gated one fails when it is significantly larger
//     (Wilcoxon, p < .05/m for m gated timings on all transports) and by more than MinEffect
//     (Hodges-Lehmann). p99 is gated at 1.5 unless it is chosen.
//
// Timings are told and not gated with fewer than 7 rounds, or too few for p < .05/m; p99 also with
// fewer than 300 deliveries in a round; all of them if base and head ran on machines that differ
// in processor, cores or architecture.
//
// An error says in one line why the two can't be compared and what to do: their users do not do
// the same, their servers or stores differ, they share no transport, or nothing was measured. What makes the comparison weaker is
// in the Warnings.
func Compare(base, head *result.Result, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := mayCompare(base, head); err != nil {
		return nil, err
	}
	r := &Report{Scenario: base.Run.Scenario, Warnings: []string{}}
	baseRows, headRows := base.Rows(), head.Rows()
	r.Warnings = append(r.Warnings, doubts("base", baseRows)...)
	r.Warnings = append(r.Warnings, doubts("head", headRows)...)
	r.Doubts = len(r.Warnings)
	r.Warnings = append(r.Warnings, differences(base, head)...)

	inTurns, sameMachine := measuredInTurns(base, head), len(machine(base, head)) == 0
	if _, limit := o.gated("p50", inTurns); !inTurns {
		r.Warnings = append(r.Warnings, fmt.Sprintf("base and head were measured one after the other: a machine that changed in between looks like a regression, so timings may grow by %s; pushpull duet measures them in turns", percent(limit)))
	}

	var drafts []draft
	gated := 0 // timings
	for _, row := range baseRows {
		other := slices.IndexFunc(headRows, func(r result.Row) bool { return r.Transport == row.Transport })
		if other < 0 {
			continue
		}
		s := bothSides(row, headRows[other], base, head)
		for _, m := range Metrics() {
			d := draft{Comparison: Comparison{Transport: row.Transport, Metric: m.Name, Unit: m.Unit, P: 1, Gated: true}}
			switch m.Kind {
			case Fault:
				s.fault(&d.Comparison, m)
			case Count:
				s.count(&d.Comparison, m)
			case Timing:
				d.Gated, d.Limit = o.gated(m.Name, inTurns)
				s.timing(&d, m)
				if d.Gated {
					gated++
				}
				d.Gated = d.Gated && sameMachine
			}
			drafts = append(drafts, d)
		}
	}
	for _, d := range drafts {
		if d.Verdict == "" {
			d.judge(significance / float64(max(1, gated)))
		}
		r.Comparisons = append(r.Comparisons, d.Comparison)
	}
	return r, nil
}

// both is one transport in base and head.
type both struct {
	base, head result.Row // all windows, for the faults
	rounds     []pair     // of rows: the windows of a round that both sides have whole

	baseWhole, headWhole result.Row // the windows of those rounds together
	basePlan, headPlan   int        // messages that were to be sent in them
	sameSeed             bool
}

// A pair is a round: a row for each window, as one may have several.
type pair struct{ base, head []result.Row }

func bothSides(baseRow, headRow result.Row, base, head *result.Result) *both {
	s := &both{base: baseRow, head: headRow, sameSeed: base.Run.Scenario.Seed == head.Run.Scenario.Seed}
	inBase, inHead := whole(base, baseRow.Transport), whole(head, headRow.Transport)
	var baseWhole, headWhole []result.Window
	for _, round := range slices.Sorted(maps.Keys(inBase)) {
		if inHead[round] == nil {
			continue
		}
		baseWhole = append(baseWhole, inBase[round]...)
		headWhole = append(headWhole, inHead[round]...)
		s.rounds = append(s.rounds, pair{rowsOf(inBase[round]), rowsOf(inHead[round])})
	}
	s.baseWhole, s.basePlan = together(base.Run, baseWhole)
	s.headWhole, s.headPlan = together(head.Run, headWhole)
	return s
}

// whole returns the windows of a transport that were measured to their end, by round.
func whole(r *result.Result, transport string) map[int][]result.Window {
	windows := map[int][]result.Window{}
	for _, w := range r.Windows {
		if w.Transport == transport && !w.Interrupted {
			windows[w.Round] = append(windows[w.Round], w)
		}
	}
	return windows
}

// rowsOf makes each window a row of its own.
func rowsOf(windows []result.Window) []result.Row {
	rows := make([]result.Row, len(windows))
	for i := range windows {
		rows[i] = result.Rows(windows[i : i+1])[0]
	}
	return rows
}

func together(run result.Run, windows []result.Window) (row result.Row, planned int) {
	if len(windows) == 0 {
		return result.Row{}, 0
	}
	for _, w := range windows {
		planned += w.Planned
	}
	return theory.Rows(&result.Result{Run: run, Windows: windows})[0], planned
}

func (s *both) fault(c *Comparison, m Metric) {
	c.Base, _ = m.Of(s.base)
	c.Head, _ = m.Of(s.head)
	if c.Base > 0 {
		c.Ratio = c.Head / c.Base
	}
	switch {
	case c.Head > 0:
		c.Verdict = Worse
	case c.Base > 0:
		c.Verdict = Better
	default:
		c.Verdict = Same
	}
}

func (s *both) count(c *Comparison, m Metric) {
	c.Limit = s.tolerance()
	var inBase, inHead bool
	c.Base, inBase = m.Of(s.baseWhole)
	c.Head, inHead = m.Of(s.headWhole)
	if inBase && inHead && c.Base > 0 {
		c.Ratio = c.Head / c.Base
	}
	few := min(s.baseWhole.Delivered, s.headWhole.Delivered)
	switch {
	case !inBase || !inHead:
		c.Verdict, c.Gated = Unknown, false
	case c.Base == c.Head:
		c.Verdict = Same
	case c.Base == 0:
		c.Verdict, c.Note = Worse, "there were none before"
	case few < fewestDeliveries:
		c.Verdict, c.Gated = TooFew, false
		c.Note = fmt.Sprintf("%d deliveries are too few to judge a count by: %d are needed", few, fewestDeliveries)
	case c.Ratio > c.Limit:
		c.Verdict = Worse
	case s.leavesTheory(*c):
		want, _ := expected(c.Metric, s.headWhole)
		c.Verdict, c.Note = Worse, fmt.Sprintf("theory says %s, which base keeps to", text.Number(want, 3))
	case c.Ratio < 1/c.Limit:
		c.Verdict, c.Note = Better, "fewer than before: if that was meant, take head as the new base"
	default:
		c.Verdict = Same
	}
}

// leavesTheory says whether head is above what theory says by more than base may be above it, and
// base is not. What both do is no regression: it is a doubt of both.
func (s *both) leavesTheory(c Comparison) bool {
	ofBase, inBase := expected(c.Metric, s.baseWhole)
	ofHead, inHead := expected(c.Metric, s.headWhole)
	return inBase && inHead && c.Head > c.Limit*ofHead && c.Base <= c.Limit*ofBase
}

// tolerance is the ratio up to which a count may grow. Where the plans differ, so does the number
// of messages that it is shared among: a Poisson number, whose logarithm has a standard deviation
// of 1/sqrt(n).
func (s *both) tolerance() float64 {
	if s.sameSeed && s.basePlan == s.headPlan || s.basePlan == 0 || s.headPlan == 0 {
		return Tolerance
	}
	return Tolerance * math.Exp(3*math.Sqrt(1/float64(s.basePlan)+1/float64(s.headPlan)))
}

// timing fills in all but the verdict, as that needs the number of gated timings.
func (s *both) timing(d *draft, m Metric) {
	var bases, heads []float64
	var deliveries int
	for _, p := range s.rounds {
		base, inBase := middle(p.base, m)
		head, inHead := middle(p.head, m)
		if !inBase || !inHead {
			continue
		}
		bases, heads = append(bases, base), append(heads, head)
		d.logs = append(d.logs, math.Log(head/base))
		deliveries += min(deliveriesOf(p.base), deliveriesOf(p.head))
	}
	if len(d.logs) == 0 {
		d.Gated, d.Verdict = false, Unknown
		return
	}
	d.describe(bases, heads)
	if each := deliveries / len(d.logs); m.Name == "p99" && each < fewestForP99 {
		d.Gated, d.Verdict = false, TooFew
		d.Note = fmt.Sprintf("%d deliveries in a round are too few for a p99: %d are needed", each, fewestForP99)
	}
}

// middle returns the median of a metric over the windows of a round that tell it. A value of 0 is
// below what could be measured, and has no ratio.
func middle(rows []result.Row, m Metric) (float64, bool) {
	var values []float64
	for _, row := range rows {
		if x, ok := m.Of(row); ok && x > 0 {
			values = append(values, x)
		}
	}
	slices.Sort(values)
	return median(values), len(values) > 0
}

func deliveriesOf(rows []result.Row) (n int) {
	for _, row := range rows {
		n += row.Delivered
	}
	return n
}

// A draft is a comparison before its verdict.
type draft struct {
	Comparison
	logs []float64 // of head to base, a pair each
}

// describe fills in what the pairs say.
func (d *draft) describe(bases, heads []float64) {
	slices.Sort(bases)
	slices.Sort(heads)
	d.Base, d.Head = median(bases), median(heads)
	centre, low, high := HodgesLehmann(d.logs)
	d.Ratio = math.Exp(centre)
	if !math.IsInf(high, 1) {
		d.Low, d.High = math.Exp(low), math.Exp(high)
	}
	d.P = Wilcoxon(d.logs)
	d.Pairs = len(d.logs)
	d.Detectable = Detectable(d.logs)
}

// judge decides on a timing, at a probability alpha of calling it worse when it is not.
func (d *draft) judge(alpha float64) {
	need := roundsFor(alpha)
	switch {
	case d.Pairs < need:
		d.Verdict, d.Gated = TooFew, false
		d.Note = fmt.Sprintf("%s too few to tell a change from noise: %d are needed", text.Plural(d.Pairs, "round is", "rounds are"), need)
	case d.P < alpha && d.Ratio > d.Limit:
		d.Verdict = Worse
	case d.Ratio < 1/d.Limit && Wilcoxon(negated(d.logs)) < alpha:
		d.Verdict = Better
	default:
		d.Verdict = Same
	}
}

// roundsFor returns how many pairs it takes for a p below alpha, which is 2^-n at best.
func roundsFor(alpha float64) int {
	n := fewestRounds
	for math.Ldexp(1, -n) >= alpha {
		n++
	}
	return n
}

func negated(d []float64) []float64 {
	opposite := make([]float64, len(d))
	for i, x := range d {
		opposite[i] = -x
	}
	return opposite
}

// Confirm returns first, with each timing that is worse in it called so only if it is worse in
// again too, a fresh run of the same comparison: a single alarm in a noisy hour is none. Faults
// and counts of first stand, as they have no noise; a fault that only the fresh run has is one, too.
func Confirm(first, again *Report) *Report {
	r := *first
	r.Comparisons = slices.Clone(first.Comparisons)
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		fresh := again.find(c.Transport, c.Metric)
		m, _ := named(c.Metric)
		switch {
		case m.Kind == Fault && c.Verdict != Worse && fresh.Verdict == Worse:
			*c = fresh
			c.Note = "in the fresh run only"
		case m.Kind != Timing || c.Verdict != Worse || fresh.Verdict == Worse:
		case fresh.Pairs == 0:
			c.Verdict, c.Note = Unsure, "worse at first, and not measured again"
		default:
			c.Verdict, c.Note = Unsure, fmt.Sprintf("worse at first (x%s), and not in the fresh run (x%s)", ratio(c.Ratio), ratio(fresh.Ratio))
		}
	}
	var doubts []string
	for _, doubt := range again.Warnings[:again.Doubts] {
		doubts = append(doubts, "in the fresh run, "+doubt)
	}
	r.Warnings = slices.Concat(first.Warnings[:first.Doubts], doubts, first.Warnings[first.Doubts:])
	r.Doubts = first.Doubts + len(doubts)
	return &r
}

// find returns the comparison of a metric on a transport; the zero value where there is none.
func (r *Report) find(transport, metric string) Comparison {
	for _, c := range r.Comparisons {
		if c.Transport == transport && c.Metric == metric {
			return c
		}
	}
	return Comparison{}
}

// mayCompare says in one line why base and head can't be compared.
func mayCompare(base, head *result.Result) error {
	if err := cmp.Or(measured("base", base), measured("head", head)); err != nil {
		return err
	}
	if different := load(base, head); len(different) > 0 {
		return fmt.Errorf("the users of base and head do not do the same (%s): measure both with one scenario", strings.Join(different, ", "))
	}
	if different := setup(base, head); len(different) > 0 {
		return fmt.Errorf("base and head do not measure the same (%s): measure both with the same servers and store", strings.Join(different, ", "))
	}
	inBase, inHead := transports(base), transports(head)
	if len(without(inBase, inHead)) == len(inBase) {
		return fmt.Errorf("base and head share no transport: base has %s, head has %s: measure the same ones", text.Clean(strings.Join(inBase, ", ")), text.Clean(strings.Join(inHead, ", ")))
	}
	return nil
}
