package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
)

type runOptions struct {
	users, rounds, size     int
	rate                    float64
	duration, warmup, drain time.Duration
	seed                    uint64
	transports              []string
	target, results, out    string
	printJSON, quiet        bool
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
the generator was the bottleneck. The doubts below the table say why.`,
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
	reported := rec.report(cmd, opts.printJSON)
	if measuring != nil && exitCode(reported) == exitDoubtful {
		return measuring // that it ended early says more; the doubts are printed beside the numbers
	}
	return errors.Join(measuring, reported)
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

// A recorder keeps what a run measures, on the disk and in memory.
type recorder struct {
	result result.Result
	dir    string
	made   bool // the directory is ours to remove
	file   *result.Writer
}

// create makes the directory of the run and begins its result.
func (r *recorder) create(opts runOptions) error {
	run := r.result.Run
	if err := r.makeDir(opts); err != nil {
		return fmt.Errorf("creating the results directory: %w: use --results with one that can be written", err)
	}
	var err error
	if r.file, err = result.Create(r.dir); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s holds a result already: use --out with another directory", r.dir)
		}
		return fmt.Errorf("%w: use --results with a directory that can be written", err)
	}
	if err := r.write(result.Line{Run: &run}); err != nil {
		r.discard()
		return fmt.Errorf("%w: free some space, or use --results with another disk", err)
	}
	return nil
}

// makeDir makes the directory that is asked for, or one with a name of its own: a second run may
// begin in the same second.
func (r *recorder) makeDir(opts runOptions) error {
	if r.dir = opts.out; r.dir != "" {
		_, err := os.Stat(r.dir)
		r.made = errors.Is(err, os.ErrNotExist)
		return os.MkdirAll(r.dir, 0o755)
	}
	if err := os.MkdirAll(opts.results, 0o755); err != nil {
		return err
	}
	run := r.result.Run
	name := filepath.Join(opts.results, run.Scenario.Name+"-"+run.Started.Format("20060102-150405"))
	r.dir, r.made = name, true
	err := os.Mkdir(r.dir, 0o755)
	for n := 2; errors.Is(err, os.ErrExist); n++ {
		r.dir = fmt.Sprintf("%s-%d", name, n)
		err = os.Mkdir(r.dir, 0o755)
	}
	return err
}

// add keeps a window. When the disk doesn't take it, everything measured so far goes elsewhere.
func (r *recorder) add(w *result.Window) error {
	r.result.Windows = append(r.result.Windows, *w)
	err := r.write(result.Line{Window: w})
	if err == nil {
		return nil
	}
	dir, copyErr := os.MkdirTemp("", "pushpull-")
	if copyErr == nil {
		copyErr = r.copy(dir)
	}
	if copyErr != nil {
		return fmt.Errorf("%w: free some space; what was measured so far is in %s", err, r.dir)
	}
	r.dir = dir
	return fmt.Errorf("%w: free some space; what was measured is in %s", err, dir)
}

func (r *recorder) write(line result.Line) error { return r.file.Write(line) }

// copy writes the whole result into dir, and goes on there.
func (r *recorder) copy(dir string) error {
	file, err := result.Create(dir)
	if err != nil {
		return err
	}
	r.file.Close()
	r.file = file
	if err := r.write(result.Line{Run: &r.result.Run}); err != nil {
		return err
	}
	for i := range r.result.Windows {
		if err := r.write(result.Line{Window: &r.result.Windows[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) close() {
	if r.file != nil {
		r.file.Close() // each line is on the disk already
	}
}

// discard removes a result in which nothing was measured.
func (r *recorder) discard() {
	r.close()
	os.Remove(filepath.Join(r.dir, result.File))
	if r.made {
		os.Remove(r.dir)
	}
}

// report prints the rows and draws the report. A row that is not to be believed is an error.
func (r *recorder) report(cmd *cobra.Command, printJSON bool) error {
	rows := r.result.Rows()
	laid := report.Run{Result: &r.result}
	var err error
	if printJSON {
		err = writeSummary(cmd.OutOrStdout(), r.result)
	} else {
		err = report.Table(cmd.OutOrStdout(), laid)
	}
	if err != nil {
		return fmt.Errorf("printing the result: %w: it is in %s", err, filepath.Join(r.dir, result.File))
	}
	if err := report.Write(r.dir, laid); err != nil {
		return fmt.Errorf("%w: the result is in %s, draw it with pushpull report", err, r.dir)
	}
	if !printJSON {
		fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", filepath.Join(r.dir, report.Page))
	}
	if result.Fatal(rows) {
		return exitWith(exitDoubtful, "measured, but not to be believed: %s", firstDoubt(rows))
	}
	return nil
}

func firstDoubt(rows []result.Row) string {
	for _, row := range rows {
		for _, d := range row.Doubts {
			if d.Fatal {
				return row.Transport + ": " + d.Text
			}
		}
	}
	return ""
}

// writeSummary prints a result as the one object of --json.
func writeSummary(w io.Writer, r result.Result) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(struct {
		Schema      int                `json:"schema"`
		Scenario    result.Scenario    `json:"scenario"`
		Environment result.Environment `json:"environment"`
		Windows     []result.Window    `json:"windows"`
		Transports  []result.Row       `json:"transports"`
	}{r.Run.Schema, r.Run.Scenario, r.Run.Environment, r.Windows, r.Rows()})
}
