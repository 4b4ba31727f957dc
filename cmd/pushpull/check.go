package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen/result"
	"pushpull/report/check"
	"pushpull/report/ci"
	"pushpull/report/theory"
)

type checkOptions struct {
	rule      check.Options
	printJSON bool
	outputs   outputs
}

func newCheckCommand() *cobra.Command {
	var opts checkOptions
	cmd := &cobra.Command{
		Use:   "check BASE HEAD",
		Short: "The regression check on two results",
		Long: `Compare the result HEAD with the result BASE, directories or files result.jsonl, and fail when
HEAD is worse:

  a message lost, duplicated, reordered or delivered to the wrong room;
  requests, store reads or bytes for each delivery more than 5% above BASE, or above what
  theory says where BASE keeps to it;
  a timing above BASE by more than --min-effect, and significantly so.

Timings are compared in pairs, each round of BASE with the same round of HEAD: Wilcoxon's
signed-rank test with p < .05 for all gated timings together, and the Hodges-Lehmann ratio.
That takes 7 rounds or more. Gated are p50 and server-cpu, or what --metric names, and p99
at 50%; the rest is told. Timings from different machines are told, too.

Two results that were not measured in turns are a weak basis for timings, as the machine may
have changed in between: pushpull duet measures in turns.

Exit codes: 0 no regression, 1 they can't be compared, 3 a regression, 4 no regression in
numbers that are not to be believed.`,
		Example: `  pushpull check results/chat results/chat-20260301-120000
  pushpull check base head --metric p50,p95 --min-effect 10%`,
		Args: arguments(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error { return runCheck(cmd, opts, args[0], args[1]) },
	}
	addRuleFlags(cmd.Flags(), &opts.rule)
	cmd.Flags().BoolVar(&opts.printJSON, "json", false, "print one JSON object instead of the table")
	opts.outputs.addFlags(cmd.Flags())
	return cmd
}

// addRuleFlags adds the flags that choose what is a regression.
func addRuleFlags(f *pflag.FlagSet, o *check.Options) {
	f.SortFlags = false
	f.StringSliceVar(&o.Gate, "metric", nil, "`list` of the timings that are gated, like p50,server-cpu (the default)")
	f.Var((*effect)(&o.MinEffect), "min-effect", "`growth` of a timing that is still allowed, like 5% or 1.05 (default 5%; 25% for results that were not measured in turns)")
}

// An effect is a ratio on the command line, 1.05 or 5%. Its zero value is the default.
type effect float64

var _ pflag.Value = (*effect)(nil)

func (e *effect) Set(s string) error {
	share, percent := strings.CutSuffix(s, "%")
	x, err := strconv.ParseFloat(share, 64)
	if percent {
		x = 1 + x/100
	}
	if err != nil || (check.Options{MinEffect: x}).Validate() != nil || x == 0 {
		return errors.New("write it like 5% or 1.05")
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
		return usageError(cmd, err)
	}
	base, err := openResult(cmd.ErrOrStderr(), basePath)
	if err != nil {
		return err
	}
	head, err := openResult(cmd.ErrOrStderr(), headPath)
	if err != nil {
		return err
	}
	found, err := check.Compare(base, head, opts.rule)
	if err != nil {
		return err
	}
	if err := printCheck(cmd.OutOrStdout(), found, opts.printJSON); err != nil {
		return fmt.Errorf("printing the check: %w", err)
	}
	return finish(opts.outputs, base, head, found, nil)
}

// finish writes down what a check found and makes it an exit code: a regression says more than
// a file that could not be written, and that more than doubts. failed is what failed before.
func finish(o outputs, base, head *result.Result, found *check.Report, failed error) error {
	failed = errors.Join(failed, o.write(ci.Outcome{Words: found.Conclusion(), Check: found, Sides: []ci.Side{
		{Name: "base", Result: base, Rows: theory.Rows(base)},
		{Name: "head", Result: head, Rows: theory.Rows(head)},
	}}))
	judged := verdict(found)
	if failed != nil && exitCode(judged) != exitRegression {
		return failed
	}
	return errors.Join(judged, failed)
}

func printCheck(w io.Writer, r *check.Report, printJSON bool) error {
	if !printJSON {
		return check.Table(w, r)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(r)
}

// verdict makes what a check found an exit code.
func verdict(r *check.Report) error {
	switch failed := r.Regressions(); {
	case len(failed) > 0:
		return exitWith(exitRegression, "a regression: %s", check.Some(failed))
	case r.Doubts > 0:
		return exitWith(exitDoubtful, "no regression, but not to be believed: %s", r.Warnings[0])
	}
	return nil
}
