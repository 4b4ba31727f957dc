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
	scenario         scenarioOptions
	target           string
	place            place
	printJSON, quiet bool
	outputs          outputs
}

func newRunCommand() *cobra.Command {
	opts := runOptions{scenario: scenarioOptions{usual: loadgen.Builtins()[0]}}
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
	o.scenario.addFlags(f)
	f.StringVar(&o.target, "target", "", "`URL` of a running server, instead of a fresh one for each window")
	o.place.addFlags(f)
	f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	o.outputs.addFlags(f)
}

// targetURL returns the server to measure, which flag names; nil for one of our own.
func targetURL(ctx context.Context, flag, target string) (*url.URL, error) {
	if target == "" {
		return nil, nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, exitWith(exitUsage, "bad --%s %q: write it like http://127.0.0.1:8080", flag, target)
	}
	return u, loadgen.Reach(ctx, u)
}

func runRun(ctx context.Context, cmd *cobra.Command, opts runOptions, args []string) error {
	scenario, err := opts.scenario.scenario(cmd.Flags(), args)
	if err != nil {
		return usageError(cmd, err)
	}
	if err := loadgen.Fit(scenario); err != nil {
		return err
	}
	target, err := targetURL(ctx, "target", opts.target)
	if err != nil {
		return err
	}
	begun := time.Now().UTC().Truncate(time.Second)
	dir, made, err := opts.place.make(scenario.Name, begun)
	if err != nil {
		return err
	}
	rec, err := newRecorder(dir, made, result.Run{
		Schema: result.Schema, Started: begun, Command: commandLine(cmd, args),
		Scenario: scenario.Result(opts.target), Environment: loadgen.Environment(),
	})
	if err != nil {
		return err
	}
	defer rec.close()

	show := newProgress(cmd.ErrOrStderr(), opts.quiet, false)
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
