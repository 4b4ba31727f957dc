package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/check"
)

type duetOptions struct {
	base, head       string
	scenario         scenarioOptions
	slices           int
	brief            bool // --quick
	place            place
	rule             check.Options
	printJSON, quiet bool
	outputs          outputs
}

func newDuetCommand() *cobra.Command {
	opts := duetOptions{scenario: scenarioOptions{usual: "duet"}}
	cmd := &cobra.Command{
		Use:   "duet --base A [--head B] [SCENARIO]",
		Short: "The regression check on two servers, measured in turns",
		Long: `Measure two servers in turns and fail when the head is worse than the base. Each of the two is
a pushpull binary, of which a fresh server is started for every window, or the URL of a server
that runs; the head is this binary unless another one is named. The users are those of this
binary for both.

In each pair (--rounds) both sides are measured on every transport in --slices short windows
that take turns, with the same messages at the same times; who goes first is drawn for each
pair. The median of the slices counts. What is a regression is said by pushpull check --help.
A timing that looks worse is measured once more, with other messages, and fails only if it is
worse again.

It takes two to three minutes, and as long again at most for what looked worse. --quick gives a
rough answer in about a minute: 8 pairs of two slices.

The two results are kept as base and head in one directory, for pushpull check and report.

Exit codes: 0 no regression, 1 it could not be done, 2 wrong usage, 3 a regression, 4 no
regression in numbers that are not to be believed.`,
		Example: `  pushpull duet --base ./pushpull-main --head ./pushpull
  pushpull duet --base http://127.0.0.1:8080 --head http://127.0.0.1:8081 --quick
  pushpull duet --base ./pushpull-main --transports websocket --metric p50,p95 --min-effect 10%`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return runDuet(cmd.Context(), cmd, opts, args) },
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *duetOptions) addFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.base, "base", "", "`server` to compare with: a pushpull binary, or the URL of a server that runs")
	f.StringVar(&o.head, "head", "", "`server` that must not be worse, likewise (default: this binary)")
	addRuleFlags(f, &o.rule)
	f.BoolVar(&o.brief, "quick", false, "a rough answer in about a minute: --rounds 8 --slices 2")
	f.IntVar(&o.slices, "slices", 5, "`windows` that each pair takes of each transport on each side")
	o.scenario.addFlags(f)
	f.Lookup("rounds").Usage = "how many `pairs` are measured"
	o.place.addFlags(f)
	f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	o.outputs.addFlags(f)
}

// plan returns the scenario and the number of slices.
func (o *duetOptions) plan(flags *pflag.FlagSet, args []string) (loadgen.Scenario, int, error) {
	s, err := o.scenario.scenario(flags, args)
	slices := o.slices
	if o.brief {
		if !flags.Changed("rounds") {
			s.Rounds = 8 // fewer could not tell a change from noise
		}
		if !flags.Changed("slices") {
			slices = 2
		}
	}
	if err == nil && (slices < 1 || slices > 100) {
		err = fmt.Errorf("--slices must be 1 to 100, not %d", slices)
	}
	return s, slices, err
}

// side returns the server that a flag names.
func (o *duetOptions) side(ctx context.Context, flag, named string, s loadgen.Scenario) (loadgen.Side, error) {
	side := loadgen.Side{Command: serverCommand(s)}
	var err error
	switch {
	case strings.Contains(named, "://"):
		side.Target, err = targetURL(ctx, flag, named)
	case named != "":
		if side.Binary, err = exec.LookPath(named); err != nil {
			return side, exitWith(exitUsage, "bad --%s: %w: name a pushpull binary, or a URL like http://127.0.0.1:8080", flag, err)
		}
		side.Command[0] = named
		if err = tryServer(ctx, side); err != nil && ctx.Err() == nil {
			err = fmt.Errorf("bad --%s %s: %w: name a pushpull binary, or a URL like http://127.0.0.1:8080", flag, named, err)
		}
	case flag == "base":
		err = exitWith(exitUsage, "a duet needs --base: a pushpull binary, or a URL like http://127.0.0.1:8080")
	}
	return side, err
}

// tryServer starts a server and stops it again: what is none shall be known before its turn comes.
func tryServer(ctx context.Context, side loadgen.Side) error {
	server, err := loadgen.StartServer(ctx, side.Binary, side.Command)
	if err == nil {
		err = server.Stop()
	}
	if ctx.Err() != nil {
		return errors.New("interrupted before anything was measured")
	}
	return err
}

func runDuet(ctx context.Context, cmd *cobra.Command, opts duetOptions, args []string) error {
	scenario, slices, err := opts.plan(cmd.Flags(), args)
	if err == nil {
		err = opts.rule.Validate()
	}
	if err != nil {
		return usageError(cmd, err)
	}
	if err := loadgen.Fit(scenario); err != nil {
		return err
	}
	d := &duet{
		options: loadgen.DuetOptions{Scenario: scenario, Slices: slices},
		run: result.Run{
			Schema: result.Schema, Started: time.Now().UTC().Truncate(time.Second),
			Command: commandLine(cmd, args), Environment: loadgen.Environment(),
		},
		targets: [2]string{opts.base, opts.head},
		show:    newProgress(cmd.ErrOrStderr(), opts.quiet, true),
	}
	if d.options.Base, err = opts.side(ctx, "base", opts.base, scenario); err != nil {
		return err
	}
	if d.options.Head, err = opts.side(ctx, "head", opts.head, scenario); err != nil {
		return err
	}
	if d.dir, d.made, err = opts.place.make("duet", d.run.Started); err != nil {
		return err
	}
	base, head, err := d.measure(ctx, "")
	if err != nil {
		return err
	}
	found, err := check.Compare(base, head, opts.rule)
	if err != nil {
		return err
	}
	if suspects := found.Suspects(); len(suspects) > 0 {
		d.show.again(suspects)
		d.options.First = scenario.Rounds + 1
		d.options.Scenario.Transports = suspects
		baseAgain, headAgain, err := d.measure(ctx, "again")
		if err != nil {
			return err
		}
		again, err := check.Compare(baseAgain, headAgain, opts.rule)
		if err != nil {
			return err
		}
		found = check.Confirm(found, again)
	}
	return d.report(cmd, opts, base, head, found)
}

// A duet is two results in one directory.
type duet struct {
	options loadgen.DuetOptions
	run     result.Run
	targets [2]string // as they were named
	dir     string
	made    bool // the directory is ours to remove
	show    *progress
}

// measure measures both sides into a directory within that of the duet.
func (d *duet) measure(ctx context.Context, within string) (base, head *result.Result, err error) {
	var sides [2]*recorder
	for i, name := range []string{"base", "head"} {
		dir, _, err := place{out: filepath.Join(d.dir, within, name)}.make("", d.run.Started)
		if err != nil {
			return nil, nil, err
		}
		run := d.run
		run.Scenario = d.options.Scenario.Result("")
		run.Scenario.Slices = d.options.Slices
		if strings.Contains(d.targets[i], "://") {
			run.Scenario.Target = d.targets[i]
		}
		if sides[i], err = newRecorder(dir, true, run); err != nil {
			return nil, nil, err
		}
		defer sides[i].close()
	}
	d.options.Progress = func(now loadgen.Progress) {
		if ctx.Err() != nil {
			d.show.stopping()
		}
		d.show.update(now)
	}
	err = loadgen.Duet(ctx, d.options, func(head bool, w *result.Window) error {
		if head {
			return sides[1].add(w)
		}
		return sides[0].add(w)
	})
	d.show.end()
	windows := len(sides[0].result.Windows) + len(sides[1].result.Windows)
	switch {
	case windows == 0:
		sides[0].discard()
		sides[1].discard()
		if d.made && within == "" {
			os.Remove(d.dir)
		}
		if ctx.Err() != nil {
			err = errors.New("interrupted before anything was measured")
		}
	case ctx.Err() != nil:
		err = errors.New("interrupted")
		fallthrough
	case err != nil:
		err = fmt.Errorf("%w: what was measured of base and head is in %s", err, filepath.Join(d.dir, within))
	}
	return &sides[0].result, &sides[1].result, err
}

// report prints and draws what was found, and makes it an exit code.
func (d *duet) report(cmd *cobra.Command, opts duetOptions, base, head *result.Result, found *check.Report) error {
	out := cmd.OutOrStdout()
	if err := printCheck(out, found, opts.printJSON); err != nil {
		return fmt.Errorf("printing the check: %w: the results are in %s", err, d.dir)
	}
	drawn := report.Write(d.dir, report.Run{Name: "base", Result: base}, report.Run{Name: "head", Result: head})
	if drawn != nil {
		drawn = fmt.Errorf("%w: the results are in %s, judge them with pushpull check", drawn, d.dir)
	} else if opts.printJSON {
		d.show.kept(d.dir)
	} else {
		fmt.Fprintf(out, "\n%s\n", filepath.Join(d.dir, report.Page))
	}
	return finish(opts.outputs, base, head, found, drawn)
}
