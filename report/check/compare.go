package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

const (
	// Tolerance is the largest allowed ratio of a count, and the default of MinEffect. It can be
	// small, as counts have no noise of the machine.
	Tolerance = 1.05

	// blockEffect is the default of MinEffect if base and head were not measured in turns.
	blockEffect = 1.25

	significance = .05 // divided among all gated timings (Bonferroni)

	fewestRounds     = 7   // p is 2^-n at best, so fewer never reach p < .01
	fewestDeliveries = 500 // for a count: in fewer, what is under way at the edges of a window weighs a percent or more
)

// Compare compares head with base, on each transport of base, in the rounds that both have measured to
// their end.
//
//   - A fault (lost, duplicated, reordered, misdelivered) fails if head has any.
//   - A count (requests, store reads, bytes, per message) fails if over all rounds together it is more
//     than 5% above base. It also fails if it is more than 5% above its prediction by theory, and base
//     is not. If base and head planned different messages, as with different seeds, the limit of
//     5% grows by three standard errors of the number of messages.
//   - A timing is compared in pairs, each round of base with the same round of head. The value of a
//     round with several windows is their median. A gated timing fails if it is significantly larger
//     (Wilcoxon, p < .05/m for m gated timings on all transports), and by a ratio (Hodges-Lehmann)
//     above MinEffect. p99 is always gated; unless Options.Gate names it, its limit is 1.5 or more
//     (Metric.Limit).
//   - The windows that the generator spoiled by being late, those replaced included, must not be
//     significantly more in head (sign test, p < .01): a server that leaves the generator no processor
//     spoils its own. They are gated only if base and head were measured in turns.
//
// A timing is not gated with fewer than 7 rounds, or too few for p < .05/m; p99 also with fewer than 300
// deliveries in a round; and no timing is if base and head ran on machines that differ in processor,
// cores or architecture.
//
// A comparison is Unjudged if base gates it and head can't be judged on it. Base gates the faults, and
// the counts and gated timings of which it has a value: p99 only with 300 deliveries in a round. A
// timing that Options.Gate names is gated even if base has no value. Head can't be judged on a
// transport or a metric that it lacks, in too few rounds or deliveries, without a complete window, not on
// timings of another machine, and on faults alone if its servers or store are unknown.
//
// The error says in one line why the two can't be compared and what to do: bad options, different loads,
// different servers or stores, no common transport, or no complete window. What only weakens the
// comparison is in the Warnings.
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
	r.Warnings = append(r.Warnings, measuredAgain(baseRows, headRows)...)

	inTurns, sameMachine := measuredInTurns(base, head), len(machine(base, head)) == 0
	if limit := o.effect(inTurns); !inTurns {
		r.Warnings = append(r.Warnings, fmt.Sprintf("base and head were measured one after the other: a machine that changed in between looks like a regression, so timings may grow by %s; pushpull duet measures them in turns", percent(limit)))
	}

	if o.MinEffect > 2 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("timings may grow by %s: a smaller regression passes", percent(o.MinEffect)))
	}

	var drafts []draft
	judged, needed := 0, 0 // numbers of gated timings: with a value, and all that base gates
	for _, row := range baseRows {
		if row.Lacking != "" {
			continue // there is nothing to compare with
		}
		var headRow result.Row // of no windows, if head lacks the transport
		if i := slices.IndexFunc(headRows, func(r result.Row) bool { return r.Transport == row.Transport }); i >= 0 {
			headRow = headRows[i]
		}
		s := bothSides(row, headRow, base, head)
		for _, m := range gated() {
			d := draft{Comparison: Comparison{Transport: row.Transport, Metric: m.Key, Unit: m.Measure(), P: 1, Gated: true}}
			switch m.Gate {
			case result.Uncompared:
			case result.Fault:
				s.fault(&d.Comparison, m)
			case result.Count:
				s.count(&d.Comparison, m)
			case result.Timing:
				d.Gated, d.Limit = o.gated(m, inTurns)
				d.needed = d.Gated && s.gates(m, slices.Contains(o.Gate, m.Key))
				s.timing(&d, m)
				if d.Gated {
					d.needed = true
					judged++
				}
				if d.needed {
					needed++
				}
			case result.Chance:
				d.Gated = inTurns && sameMachine
				s.chance(&d.Comparison, m)
			}
			drafts = append(drafts, d)
		}
	}
	unknown := without(unknownInHead(base, head), o.AllowMissing)
	again := advice{base: base, head: head, rounds: roundsFor(significance / float64(max(1, needed)))}
	for _, d := range drafts {
		if d.Verdict == "" {
			d.judge(significance / float64(max(1, judged)))
			if d.Verdict == TooFew {
				d.Note = fewRounds(d.Pairs, again.rounds)
				if d.needed {
					d.unjudge(TooFew, d.Note+": "+again.String())
				}
			}
		}
		if gateOf(d.Metric) == result.Timing && !sameMachine {
			d.otherMachine()
		}
		if gate := gateOf(d.Metric); len(unknown) > 0 && d.Gated && d.Verdict != Worse && (gate == result.Count || gate == result.Timing) {
			d.unjudge(d.Verdict, fmt.Sprintf("only base knows its %s: measure both alike, or allow it with --allow-missing %s", listed(unknown), strings.Join(unknown, ",")))
		}
		r.Comparisons = append(r.Comparisons, d.Comparison)
	}
	r.allow(without(o.AllowMissing, unknownInHead(base, head)))
	return r, nil
}

// mayCompare returns an error of one line if base and head can't be compared.
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
