package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/check"
	"pushpull/transports"
)

type duetOptions struct {
	base, head, ca   string
	dialects         dialectOptions
	access           accessOptions
	authority        authority // of the servers that speak TLS
	scenario         scenarioOptions
	slices           int
	brief            bool // --quick
	destination      destination
	remarks          remarks
	rule             check.Options
	printJSON, quiet bool
	colour           colouring
	outputs          outputs
}

func newDuetCommand() *cobra.Command {
	opts := duetOptions{scenario: scenarioOptions{usual: "duet"}}
	cmd := &cobra.Command{
		Use:   "duet --base SERVER [--head SERVER] [SCENARIO]",
		Short: "The regression check on two servers, measured in turns",
		Long: `Measure two servers in turns, in two to three minutes, and fail if the head is worse than the
base. Each is a pushpull binary, which is started anew for every window, or the URL of a running
server. Without --head it is this binary.

This binary simulates the users of both sides. If one of the servers is replaced meanwhile, the
windows that its successor served are not to be believed.

In each pair (--rounds) both sides are measured on every transport, in --slices short windows
that take turns, with the same messages at the same times. The side that goes first is random
in each pair. The median of the slices counts. pushpull check --help says what a regression is. A
timing that looks worse is measured again with other messages, and fails only if it is worse
again; this takes at most as long again.

A window in which the generator was late, as other processes kept the machine busy, is measured
again together with its counterpart of the other side; at most a quarter of all are. Significantly
more late windows in head than in base are a regression: its server starves the generator.

A SERVER like nchan=http://127.0.0.1:8900,pid=4711 is another one than pushpull's own: see
--against in pushpull run --help. Both sides are measured on the same transports.

` + aboutURLs + `

` + aboutAccess + `

A head that is a URL needs --allow-missing servers,store if the base is a binary: whether they
are the same is unknown.

` + scenarioArgument + ` The default is duet. Flags override its values.

The two results are kept as base and head in one directory, for pushpull check and report. They
and all other files are written before anything is printed, so a regression is exit code 3 even
if the table can't be printed. A file that can't be written is reported before anything is
measured.

Exit codes: 0 no regression, 1 a failure, 2 wrong usage, 3 a regression, 4 not judged, or no
regression in numbers that are not to be believed.`,
		Example: `  pushpull duet --base ./pushpull-main
  pushpull duet --base ./pushpull-main --head ./pushpull --quick
  pushpull duet --base http://127.0.0.1:8080 --head http://127.0.0.1:8081
  pushpull duet --base ./pushpull-main --metric p50,p95 --min-effect 10%
  pushpull duet --base nchan=http://127.0.0.1:8900 --transports long-poll`,
		Args:              operands,
		ValidArgsFunction: completeScenario,
		RunE:              func(cmd *cobra.Command, args []string) error { return runDuet(cmd.Context(), cmd, opts, args) },
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *duetOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		f.StringVar(&o.base, "base", "", "`SERVER` what to compare with: a pushpull binary, or the URL of a running server")
		f.StringVar(&o.head, "head", "", "`SERVER` what must not be worse, likewise (default this binary)")
		o.dialects.addFlags(f)
		o.access.addFlags(f)
		f.StringVar(&o.ca, "ca", "", "`FILE` certificates to trust, for servers at a URL")
	})
	o.scenario.addFlags(f)
	grouped(f, groupMeasurement, func(f *pflag.FlagSet) {
		intVar(f, &o.slices, "slices", 5, "`N` windows of each transport and side in a pair")
		f.BoolVar(&o.brief, "quick", false, "a rough answer in about a minute: --rounds 10 (more for many transports) --slices 2")
	})
	f.Lookup("rounds").Usage = "how many pairs are measured"
	grouped(f, groupRegression, func(f *pflag.FlagSet) { addRuleFlags(f, &o.rule) })
	grouped(f, groupOutput, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.colour.addFlag(f)
	})
	grouped(f, groupCI, o.outputs.addFlags)
}

// validate checks the flags that only fit together.
func (o *duetOptions) validate() error {
	if o.ca != "" && !isURL(o.base) && !isURL(o.head) {
		return errNoURL
	}
	foreign := isPlace(o.base) || isPlace(o.head)
	return o.access.validate(!foreign, !foreign && (isURL(o.base) || isURL(o.head)))
}

// plan returns the scenario and the number of slices.
func (o *duetOptions) plan(flags *pflag.FlagSet, args []string) (loadgen.Scenario, int, error) {
	s, err := o.scenario.scenario(flags, args)
	slices := o.slices
	if o.brief {
		if !flags.Changed("rounds") {
			// In fewer pairs all must agree to be significant, and one disturbance hides a regression.
			s.Rounds = max(10, 2+o.rule.Rounds(len(s.Transports)))
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

// side returns the side that a flag names, and the target if it is a running server.
func (o *duetOptions) side(ctx context.Context, flag, named string, s loadgen.Scenario, trusted *x509.CertPool) (loadgen.Side, *target, error) {
	side := loadgen.Side{Command: serverCommand(s)}
	var err error
	if named == "" || !isPlace(named) && !isURL(named) {
		if err = o.access.variant().front(&side, &o.authority); err != nil {
			return side, nil, err
		}
	}
	switch {
	case isPlace(named):
		return o.foreign(ctx, flag, named, s, trusted)
	case isURL(named):
		running, err := reach(ctx, flag, named, trusted)
		if err != nil {
			return side, nil, err
		}
		return running.side(), running, nil
	case named != "":
		if side.Program, err = findProgram(named); err != nil {
			return side, nil, exitWith(exitUsage, "bad --%s %q: %w: name a pushpull binary, or a URL like http://127.0.0.1:8080", flag, shown(named), err)
		}
		side.Command[0] = named
		if err = tryServer(ctx, side); err != nil && ctx.Err() == nil {
			err = fmt.Errorf("bad --%s %s: %w: name a pushpull binary, or a URL like http://127.0.0.1:8080", flag, named, err)
		}
	case flag == "base":
		err = exitWith(exitUsage, "a duet needs --base: a pushpull binary, or a URL like http://127.0.0.1:8080")
	default:
		side.Program, err = loadgen.OpenProgram("")
	}
	return side, nil, err
}

// foreign returns the side of a foreign server that a flag names.
func (o *duetOptions) foreign(ctx context.Context, flag, named string, s loadgen.Scenario, trusted *x509.CertPool) (loadgen.Side, *target, error) {
	known, err := o.dialects.open()
	if err != nil {
		return loadgen.Side{}, nil, usageError(err)
	}
	side, err := known.side(flag, named)
	if err != nil {
		return side, nil, usageError(err)
	}
	for _, spec := range s.Transports {
		if err := speaks(side.Dialect, spec); err != nil {
			return side, nil, usageError(err)
		}
	}
	if side.Target != nil {
		side.Authorities = trusted
	}
	return side, nil, reachForeign(ctx, &side)
}

// tryServer starts a server and stops it again, so that a wrong binary is reported before anything is
// measured.
func tryServer(ctx context.Context, side loadgen.Side) error {
	server, err := loadgen.StartServer(ctx, side.Program, side.Command)
	if err == nil {
		err = server.Stop()
	}
	if ctx.Err() != nil {
		return errors.New("interrupted before anything was measured")
	}
	return err
}

// findProgram opens a program named as in a shell.
func findProgram(name string) (*loadgen.Program, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		if failed, ok := errors.AsType[*exec.Error](err); ok {
			err = failed.Err // without the name, which may be meant as an address, and hold secrets
		}
		return nil, transports.SecretsOf(name).RedactError(err)
	}
	return loadgen.OpenProgram(path)
}

func runDuet(ctx context.Context, cmd *cobra.Command, opts duetOptions, args []string) error {
	scenario, slices, err := opts.plan(cmd.Flags(), args)
	if err == nil {
		err = cmp.Or(opts.validate(), opts.rule.Validate(), opts.rule.ValidateNames(scenario.Result().Transports))
	}
	if err != nil {
		return usageError(err)
	}
	note, tags, err := opts.remarks.parse()
	if err != nil {
		return usageError(err)
	}
	if err := loadgen.CheckLimits(scenario, loadgen.Layout{}); err != nil {
		return err
	}
	if err := opts.outputs.try(opts.destination.own(args, "base", "head", "again/base", "again/head")...); err != nil {
		return err
	}
	if err := opts.destination.vacant("again/base", "again/head"); err != nil {
		return err
	}
	d := &duet{
		options: loadgen.DuetOptions{Scenario: scenario, Slices: slices},
		run: result.Run{
			Schema: result.Schema, Started: time.Now().UTC().Truncate(time.Second),
			Command: commandLine(cmd, args), Note: note, Tags: tags, Environment: loadgen.Environment(),
		},
		show: newProgress(cmd.ErrOrStderr(), opts.quiet, true, opts.colour), access: opts.access.variant(),
	}
	if err := d.access.findProxy(); err != nil {
		return err
	}
	defer opts.authority.close()
	trusted, err := authorities(opts.ca)
	if err != nil {
		return err
	}
	if d.options.Base, d.targets[0], err = opts.side(ctx, "base", opts.base, scenario, trusted); err != nil {
		return err
	}
	defer d.options.Base.Program.Close()
	if d.options.Head, d.targets[1], err = opts.side(ctx, "head", opts.head, scenario, trusted); err != nil {
		return err
	}
	defer d.options.Head.Program.Close()
	d.access.network = scenario.Network
	both := d.access.reachAll([]loadgen.Side{d.options.Base, d.options.Head})
	d.options.Base, d.options.Head = both[0], both[1]
	if d.dir, d.made, err = opts.destination.make("duet", d.run.Started); err != nil {
		return err
	}
	if needed := opts.rule.Rounds(len(scenario.Transports)); scenario.Rounds < needed {
		d.show.few(scenario.Rounds, needed)
	}
	base, head, err := d.measure(ctx, "")
	if err != nil {
		return d.unjudged(cmd.OutOrStdout(), err, base, head)
	}
	found, err := check.Compare(base, head, opts.rule)
	if err != nil {
		return d.unjudged(cmd.OutOrStdout(), err, base, head)
	}
	if suspects := found.Suspects(); len(suspects) > 0 {
		d.show.again(suspects)
		d.options.First = scenario.Rounds + 1
		d.options.Scenario.Transports = suspects
		baseAgain, headAgain, err := d.measure(ctx, "again")
		if err != nil {
			return d.unjudged(cmd.OutOrStdout(), err, base, head)
		}
		again, err := check.Compare(baseAgain, headAgain, opts.rule)
		if err != nil {
			return d.unjudged(cmd.OutOrStdout(), err, base, head)
		}
		found = check.Confirm(found, again)
	}
	return checked(found, base, head, delivery{
		dir: d.dir, files: opts.outputs, show: d.show,
		kept: "the results are in " + d.dir + ", judge them with pushpull check",
	}, opts.colour, opts.printJSON).deliver(cmd.OutOrStdout())
}

// A duet is two results in one directory.
type duet struct {
	options loadgen.DuetOptions
	run     result.Run
	targets [2]*target // base and head; nil: one that is started for each window
	access  variant    // how users reach both
	dir     string
	made    bool // the duet has created the directory, so it may remove it
	show    *progress
	last    []*recorder // of the last measure
}

// unjudged draws what was measured before err ended the duet, and prints what no disk had room for.
func (d *duet) unjudged(out io.Writer, err error, base, head *result.Result) error {
	var runs []report.Run
	for i, res := range []*result.Result{base, head} {
		if res != nil && len(res.Windows) > 0 {
			runs = append(runs, report.NewRun([]string{"base", "head"}[i], res))
		}
	}
	rec := &record{results: d.last}
	if len(runs) == 0 && !rec.full() {
		return err
	}
	unfinished := delivery{runs: runs, what: "result", print: rec.writeLines, data: true, failed: err}
	if !rec.full() {
		unfinished.dir = d.dir
	}
	return unfinished.deliver(out)
}

// measure measures both sides and keeps their results in a subdirectory of the duet's directory.
func (d *duet) measure(ctx context.Context, within string) (base, head *result.Result, err error) {
	var sides [2]*recorder
	ofBase, ofHead, err := d.options.Resolved()
	if err != nil {
		return nil, nil, usageError(err)
	}
	for i, name := range []string{"base", "head"} {
		dir, _, err := destination{out: filepath.Join(d.dir, within, name)}.make("", d.run.Started)
		if err != nil {
			return nil, nil, err
		}
		run := d.run
		run.Scenario = []loadgen.Scenario{ofBase, ofHead}[i].Result()
		run.Scenario.Slices = d.options.Slices
		d.targets[i].describe(&run.Scenario)
		d.access.describe(&run.Scenario, true)
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
	d.last = sides[:]
	err = loadgen.Duet(ctx, d.options, func(head bool, w *result.Window) error {
		if head {
			return sides[1].add(w)
		}
		return sides[0].add(w)
	})
	d.show.end()
	windows := sides[0].measured() + sides[1].measured()
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
