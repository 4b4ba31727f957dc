package check

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

func (s *both) fault(c *Comparison, m result.Metric) {
	c.Base, _ = m.Value(s.base)
	c.Head, _ = m.Value(s.head)
	if c.Base > 0 {
		c.Ratio = c.Head / c.Base
	}
	switch {
	case c.Head > 0:
		c.Verdict = Worse
	case len(s.headRounds) == 0:
		c.unjudge(Missing, s.absent)
	case s.head.Expected == 0 && s.base.Expected > 0:
		c.unjudge(Missing, "head expected no delivery")
	case c.Base > 0:
		c.Verdict = Better
	default:
		c.Verdict = Same
	}
}

// unjudge sets the verdict on a comparison that base gates and on which head can't be judged.
func (c *Comparison) unjudge(v Verdict, why string) {
	c.Verdict, c.Note, c.Gated, c.Unjudged = v, why, false, true
}

func (s *both) count(c *Comparison, m result.Metric) {
	c.Limit = s.tolerance()
	var inBase, inHead bool
	c.Base, inBase = m.Value(s.baseWhole)
	c.Head, inHead = m.Value(s.headWhole)
	if s.absent == "" && inBase && inHead && c.Base > 0 {
		c.Ratio = c.Head / c.Base
	}
	few := min(s.baseWhole.Delivered, s.headWhole.Delivered)
	switch {
	case inBase && (s.absent != "" || !inHead):
		c.Head = 0 // nothing to compare with
		c.unjudge(Missing, cmp.Or(s.absent, s.lacks))
	case !inBase && inHead && s.absent != "":
		c.unjudge(Unknown, s.absent)
	case !inBase:
		c.Verdict, c.Gated = Unknown, false
	case c.Base == c.Head:
		c.Verdict = Same
	case c.Base == 0:
		c.Verdict, c.Note = Worse, "there were none before"
	case few < fewestDeliveries:
		c.unjudge(TooFew, fmt.Sprintf("%d deliveries are too few to judge a count by, %d are needed: measure longer or more rounds", few, fewestDeliveries))
	case c.Ratio > c.Limit:
		c.Verdict = Worse
	case s.leavesTheory(*c, m):
		want, _ := expected(m, s.headWhole)
		c.Verdict, c.Note = Worse, fmt.Sprintf("theory says %s, and base is within its limit", text.Value(m, want))
	case c.Ratio < 1/c.Limit:
		c.Verdict, c.Note = Better, "fewer than before: if that was intended, use head as the new base"
	default:
		c.Verdict = Same
	}
}

// leavesTheory reports whether head exceeds its prediction by more than the limit, and base does not. If
// both do, it is no regression, but a reason to doubt both.
func (s *both) leavesTheory(c Comparison, m result.Metric) bool {
	ofBase, inBase := expected(m, s.baseWhole)
	ofHead, inHead := expected(m, s.headWhole)
	return inBase && inHead && c.Head > c.Limit*ofHead && c.Base <= c.Limit*ofBase
}

// tolerance returns the largest allowed ratio of a count per message. If the plans differ, so does the
// number of messages. It is Poisson distributed, and the logarithm of a Poisson number n has a standard
// deviation of about 1/sqrt(n).
func (s *both) tolerance() float64 {
	if s.sameSeed && s.basePlan == s.headPlan || s.basePlan == 0 || s.headPlan == 0 || s.absent != "" {
		return Tolerance
	}
	return Tolerance * math.Exp(3*math.Sqrt(1/float64(s.basePlan)+1/float64(s.headPlan)))
}

// timing fills in d. A verdict that needs significance is left to judge, which needs the number of all
// gated timings.
func (s *both) timing(d *draft, m result.Metric) {
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
	switch each := deliveries / max(1, len(d.logs)); {
	case len(d.logs) > 0:
		d.describe(bases, heads)
		if each < m.Samples {
			d.Gated, d.Verdict, d.Unjudged = false, TooFew, d.needed
			d.Note = fmt.Sprintf("%d deliveries in a round are too few for a %s: %d are needed", each, m.Heading(false), m.Samples)
			if d.Unjudged {
				d.Note += ", by more users or a longer --duration"
			}
		}
	case has(s.baseRounds, m):
		d.Gated, d.Verdict, d.Unjudged = false, Missing, d.needed
		d.Base = middleOf(s.baseRounds, m)
		if d.Unjudged {
			d.Note = cmp.Or(s.absent, s.lacks)
		}
	default:
		d.Gated, d.Verdict, d.Unjudged = false, Unknown, d.needed
		if d.Unjudged {
			d.Note = cmp.Or(s.absent, "base has no value of what --metric names")
		}
	}
}

// gates reports whether base gates a timing: if it has enough deliveries in a round for it, if a person
// has named it, or if head has it and only the windows of base were interrupted.
func (s *both) gates(m result.Metric, named bool) bool {
	switch {
	case named:
		return true
	case len(s.baseRounds) == 0:
		return has(s.headRounds, m)
	}
	deliveries := 0
	for _, round := range s.baseRounds {
		deliveries += deliveriesOf(round)
	}
	return has(s.baseRounds, m) && deliveries/len(s.baseRounds) >= m.Samples
}

// A draft is a comparison before its verdict.
type draft struct {
	Comparison
	logs   []float64 // logarithm of head/base for each pair
	needed bool      // a timing that base gates
}

// describe fills in the statistics of the pairs. It sorts bases and heads.
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

// judge sets the verdict on a timing. alpha is the probability of a false alarm.
func (d *draft) judge(alpha float64) {
	need := roundsFor(alpha)
	switch {
	case d.Pairs < need:
		d.Verdict, d.Gated, d.Note = TooFew, false, fewRounds(d.Pairs, need)
	case d.P < alpha && d.Ratio > d.Limit:
		d.Verdict = Worse
	case d.Ratio < 1/d.Limit && Wilcoxon(negated(d.logs)) < alpha:
		d.Verdict = Better
	default:
		d.Verdict = Same
	}
}

func fewRounds(rounds, need int) string {
	return fmt.Sprintf("%s too few to tell a change from noise, %d are needed", text.Plural(rounds, "round is", "rounds are"), need)
}

// otherMachine takes back the verdict on a timing that differs with the machine. A missing value stays the
// reason, as no machine mends it.
func (d *draft) otherMachine() {
	d.Gated = false
	if d.needed && d.Verdict != Missing && d.Verdict != Unknown {
		d.unjudge(d.Verdict, "base and head ran on different machines: measure both on one, as pushpull duet does")
	}
}

// An advice is how to measure in enough rounds.
type advice struct {
	base, head *result.Result
	rounds     int // needed for a verdict on all timings that base gates
}

// String returns a command for the side that has too few rounds.
func (a advice) String() string {
	side, of := "both", a.base
	switch {
	case len(rounds(a.base)) >= a.rounds && len(rounds(a.head)) < a.rounds:
		side, of = "head", a.head
	case len(rounds(a.head)) >= a.rounds && len(rounds(a.base)) < a.rounds:
		side = "base"
	}
	command := replaced.ReplaceAllString(of.Run.Command, "")
	if command == "" {
		command = "pushpull run " + of.Run.Scenario.Name
	}
	said := fmt.Sprintf("measure %s with %s --rounds=%d", side, text.Clean(command), a.rounds)
	if !strings.HasPrefix(command, "pushpull duet") {
		said += ", or in turns with pushpull duet"
	}
	return said
}

// replaced matches the flags of a recorded command that another measurement replaces. A word of the
// command is quoted if the shell needs it.
var replaced = regexp.MustCompile(` (?:--(?:rounds|out|quiet)=\S*|'--(?:rounds|out|quiet)=(?:[^']|'\\'')*')`)

// roundsFor returns the number of pairs needed for p < alpha: with n pairs p is 2^-n at best.
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
