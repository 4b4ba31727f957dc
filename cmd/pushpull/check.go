package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen/input"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/check"
	"pushpull/report/ci"
)

type checkOptions struct {
	rule      check.Options
	printJSON bool
	colour    colouring
	outputs   outputs
}

func newCheckCommand() *cobra.Command {
	var opts checkOptions
	cmd := &cobra.Command{
		Use:   "check BASE HEAD",
		Short: "The regression check on two results",
		Long: `Compare two results, each a result.jsonl or its directory, and fail if HEAD is worse than BASE.

A regression is

  - a message that was lost, duplicated, reordered or delivered to the wrong room;
  - requests, store reads or bytes per message more than 5% above BASE, or above theory if BASE agrees with theory; a message counts once for each member that receives it;
  - a timing significantly above BASE, by more than --min-effect;
  - in a duet, significantly more windows in which the generator was late (pushpull duet --help).

Timings are compared in pairs, each round of BASE with the same round of HEAD: by Wilcoxon's
signed-rank test with p < .05 for all gated timings together, and by the Hodges-Lehmann ratio.
This needs 7 rounds or more. Gated are p50 and server-cpu, or the timings in --metric, and p99
at 50%, if a round of BASE has 300 deliveries. Other timings are only reported.

What BASE gates and HEAD can't be judged on does not pass: a transport or a value that HEAD
lacks, too few rounds or deliveries, timings from another machine; and everything but faults if
only BASE knows its servers and store. --allow-missing names what is intended.

Two results that were not measured in turns are a weak basis for timings, as the machine may
have changed in between: pushpull duet measures in turns.

Exit codes: 0 no regression, 1 the results can't be compared, 2 wrong usage, 3 a regression,
4 not judged, or no regression in numbers that are not to be believed.`,
		Example: `  pushpull check results/chat results/chat-20260301-120000
  pushpull check base head --metric p50,p95 --min-effect 10%
  pushpull check base head --allow-missing websocket`,
		Args:              operands,
		ValidArgsFunction: completeResults(2),
		RunE:              func(cmd *cobra.Command, args []string) error { return runCheck(cmd, opts, args[0], args[1]) },
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *checkOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupRegression, func(f *pflag.FlagSet) { addRuleFlags(f, &o.rule) })
	grouped(f, groupOutput, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		o.colour.addFlag(f)
	})
	grouped(f, groupCI, o.outputs.addFlags)
}

// addRuleFlags adds the flags that define a regression.
func addRuleFlags(f *pflag.FlagSet, o *check.Options) {
	listVar(f, &o.Gate, "metric", "`LIST` gated timings, of "+strings.Join(check.Timings(), ", ")+" (default "+strings.Join(check.Defaults(), ",")+")")
	f.Var((*effect)(&o.MinEffect), "min-effect", "`GROWTH` how much a timing may grow, like 5% or 1.05 (default 5%; 25% for results that were not measured in turns)")
	listVar(f, &o.AllowMissing, "allow-missing", "`LIST` what need not be judged: transports, metrics or both (websocket,p50,long-poll/p99), and what HEAD need not know (servers,store)")
}

// An effect is a flag whose value is a ratio, written 1.05 or 5%. The zero value is the default.
type effect float64

var _ pflag.Value = (*effect)(nil)

func (e *effect) Set(s string) error {
	share, percent := strings.CutSuffix(s, "%")
	x, err := input.Float(share)
	if percent {
		x = 1 + x/100
	}
	if err != nil || (check.Options{MinEffect: x}).Validate() != nil || x == 0 {
		return errors.New("write it like 5% or 1.05")
	}
	if !percent && x >= 2 { // 10 is hardly meant to let the tenfold pass
		return fmt.Errorf("write %s%% if that is meant, or %v%% for a timing of up to %s times as much", share, 100*(x-1), share)
	}
	*e = effect(x)
	return nil
}

func (e *effect) String() string {
	if *e == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*e), 'f', -1, 64)
}

func (*effect) Type() string { return "growth" }

func runCheck(cmd *cobra.Command, opts checkOptions, basePath, headPath string) error {
	if err := opts.rule.Validate(); err != nil {
		return usageError(err)
	}
	if err := opts.outputs.distinct(basePath, headPath, filepath.Join(basePath, result.File), filepath.Join(headPath, result.File)); err != nil {
		return err
	}
	base, err := openResult(cmd.ErrOrStderr(), basePath)
	if err != nil {
		return err
	}
	head, err := openResult(cmd.ErrOrStderr(), headPath)
	if err != nil {
		return err
	}
	if err := opts.rule.ValidateNames(check.Transports(base, head)); err != nil {
		return usageError(err)
	}
	found, err := check.Compare(base, head, opts.rule)
	if err != nil {
		return err
	}
	return checked(found, base, head, delivery{files: opts.outputs}, opts.colour, opts.printJSON).deliver(cmd.OutOrStdout())
}

// checked completes d for the findings of a check.
func checked(found *check.Report, base, head *result.Result, d delivery, colour colouring, printJSON bool) delivery {
	d.runs = []report.Run{report.NewRun("base", base), report.NewRun("head", head)}
	d.outcome = ci.Outcome{Words: []string{found.Conclusion()}, Check: found, Sides: sidesOf(d.runs)}
	d.what, d.data = "check", printJSON
	d.print = func(out io.Writer) error {
		if printJSON {
			data := json.NewEncoder(out)
			data.SetEscapeHTML(false)
			return data.Encode(found)
		}
		return check.Table(out, colour.screen(out), found)
	}
	d.verdict = verdict(found)
	return d
}

// verdict returns the error for the findings of a check, or nil.
func verdict(r *check.Report) error {
	if failed := r.Regressions(); len(failed) > 0 {
		return exitWith(exitRegression, "a regression: %s", check.Some(failed))
	}
	var reasons []string
	if unjudged := r.Unjudged(); len(unjudged) > 0 {
		reasons = append(reasons, "not judged: "+r.SomeGaps(unjudged)+": measure it, or allow it with --allow-missing")
	}
	if r.Doubts > 0 {
		reasons = append(reasons, "not to be believed: "+r.Warnings[0])
	}
	if len(reasons) > 0 {
		return exitWith(exitDoubtful, "no regression, but %s", strings.Join(reasons, "; and "))
	}
	return nil
}
