package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

type runOptions struct {
	users, rounds, size     int
	rate                    float64
	duration, warmup, drain time.Duration
	seed                    uint64
	transports              []string
	target, results, out    string
	printJSON, quiet        bool
	outputs                 outputs
}

func newRunCommand() *cobra.Command {
	var opts runOptions
	cmd := &cobra.Command{
		Use:   "run [SCENARIO]",
		Short: "Run the transports side by side",
		Long: `Run the same simulated users against every transport, side by side, and report what each
costs. SCENARIO is the name of a built-in scenario (see pushpull scenarios) or the path of a
YAML file; without one it is chat. Flags override what the scenario says.

A fresh server is started for every measured window, unless --target names one that runs.
Each window is written to result.jsonl as it ends; charts and report.html follow. Ctrl-C
ends the window under way and keeps what was measured; a second one ends at once.

Exit code 4 says that the numbers are there but not to be believed: a message was lost, or
the generator was the bottleneck. The doubts below the table say why.

--junit, --markdown, --benchfmt and --benchmark-action write what CI systems read, with any of
these exit codes, as long as something was measured. In a step of a GitHub workflow the Markdown
is added to the step's summary, too.`,
		Example: `  pushpull run
  pushpull run rooms --users 500 --transports short-poll@1s,long-poll,websocket
  pushpull run chat --target http://127.0.0.1:8080 --json`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRun(cmd.Context(), cmd, opts, args)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *runOptions) addFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.IntVar(&o.users, "users", 0, "how many `users`, all rooms together")
	f.Float64Var(&o.rate, "rate", 0, "`messages` per second of each user who talks")
	f.DurationVar(&o.duration, "duration", 0, "measured `time` of each window")
	f.DurationVar(&o.warmup, "warmup", 0, "`time` before it that is not measured")
	f.DurationVar(&o.drain, "drain", 0, "longest `time` to wait for what is under way; a poll interval comes on top")
	f.IntVar(&o.rounds, "rounds", 0, "how many `times` every transport is measured")
	f.IntVar(&o.size, "size", 0, "`bytes` of a message")
	f.Uint64Var(&o.seed, "seed", 0, "`number` that all that is random is drawn from")
	f.StringSliceVar(&o.transports, "transports", nil, "`list` like short-poll@5s,long-poll,websocket; behind the @ the poll interval or hold")
	f.StringVar(&o.target, "target", "", "`URL` of a running server, instead of a fresh one for each window")
	f.StringVar(&o.results, "results", "results", "`directory` in which the run gets one of its own")
	f.StringVar(&o.out, "out", "", "`directory` of this run itself, which must not hold a result yet")
	f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	o.outputs.addFlags(f)
}

// scenario returns the scenario that is named, with the flags that were set on top.
func (o *runOptions) scenario(flags *pflag.FlagSet, args []string) (loadgen.Scenario, error) {
	name := loadgen.Builtins()[0]
	if len(args) > 0 {
		name = args[0]
	}
	s, err := loadScenario(name)
	if err != nil {
		return s, err
	}
	for flag, override := range map[string]func(){
		"users":      func() { s.Users = o.users },
		"rate":       func() { s.Rate = o.rate },
		"duration":   func() { s.Duration = o.duration },
		"warmup":     func() { s.Warmup = o.warmup },
		"drain":      func() { s.Drain = o.drain },
		"rounds":     func() { s.Rounds = o.rounds },
		"size":       func() { s.Size = o.size },
		"seed":       func() { s.Seed = o.seed },
		"transports": func() { s.Transports = o.transports },
	} {
		if flags.Changed(flag) {
			override()
		}
	}
	if err := s.Validate(); err != nil {
		field, ok := errors.AsType[*loadgen.FieldError](err)
		if ok && flags.Changed(field.Key) {
			return s, fmt.Errorf("--%w", err)
		}
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// loadScenario reads a built-in scenario by its name, or a file by its path.
func loadScenario(name string) (loadgen.Scenario, error) {
	if !strings.ContainsAny(name, `./\`) {
		return loadgen.Builtin(name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return loadgen.Scenario{}, fmt.Errorf("reading the scenario: %w", err)
	}
	return loadgen.Parse(name, data)
}

// targetURL returns the server to measure; nil for one of our own.
func (o *runOptions) targetURL(ctx context.Context) (*url.URL, error) {
	if o.target == "" {
		return nil, nil
	}
	u, err := url.Parse(o.target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, exitWith(exitUsage, "bad --target %q: write it like http://127.0.0.1:8080", o.target)
	}
	return u, loadgen.Reach(ctx, u)
}

func runRun(ctx context.Context, cmd *cobra.Command, opts runOptions, args []string) error {
	scenario, err := opts.scenario(cmd.Flags(), args)
	if err != nil {
		return usageError(cmd, err)
	}
	if err := loadgen.Fit(scenario); err != nil {
		return err
	}
	target, err := opts.targetURL(ctx)
	if err != nil {
		return err
	}
	rec := &recorder{result: result.Result{Run: result.Run{
		Schema: result.Schema, Started: time.Now().UTC().Truncate(time.Second), Command: commandLine(cmd, args),
		Scenario: scenario.Result(opts.target), Environment: loadgen.Environment(),
	}}}
	if err := rec.create(opts); err != nil {
		return err
	}
	defer rec.close()

	show := newProgress(cmd.ErrOrStderr(), opts.quiet)
	measuring := loadgen.Run(ctx, loadgen.Options{
		Scenario: scenario, Target: target, Command: serverCommand(scenario),
		Progress: func(now loadgen.Progress) {
			if ctx.Err() != nil {
				show.stopping()
			}
			show.update(now)
		},
	}, func(w *result.Window) error {
		show.window(w)
		return rec.add(w)
	})
	show.end()
	windows := len(rec.result.Windows)
	switch {
	case ctx.Err() == nil:
	case windows == 0:
		measuring = errors.New("interrupted before anything was measured")
	default:
		measuring = fmt.Errorf("interrupted: %d of %d windows were measured and are in %s",
			windows, scenario.Rounds*len(scenario.Transports), rec.dir)
	}
	if windows == 0 {
		rec.discard()
		return measuring
	}
	reported := rec.report(cmd.OutOrStdout(), opts.printJSON)
	if opts.printJSON && measuring == nil {
		show.kept(rec.dir) // standard output holds the object alone
	}
	failed := errors.Join(measuring, opts.outputs.write(rec.outcome()))
	if failed != nil && exitCode(reported) == exitDoubtful {
		return failed // that it was not all done says more; the doubts are printed beside the numbers
	}
	return errors.Join(failed, reported)
}

// serverCommand starts a server of this binary that ends when its parent does, and has room for
// the scenario's users.
func serverCommand(s loadgen.Scenario) []string {
	return []string{
		os.Args[0], "serve", "--listen", "127.0.0.1:0", "--until-eof",
		"--max-connections", strconv.Itoa(loadgen.Connections(s) + 100),
	}
}

// commandLine returns what repeats the run.
func commandLine(cmd *cobra.Command, args []string) string {
	words := append([]string{"pushpull", cmd.Name()}, args...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		value := strings.TrimSuffix(strings.TrimPrefix(f.Value.String(), "["), "]")
		words = append(words, "--"+f.Name+"="+value)
	})
	for i, word := range words {
		if strings.ContainsAny(word, " \t\n'\"$`\\*?[]{}()<>|&;#~!") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
