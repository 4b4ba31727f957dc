package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report/web"
	"pushpull/transports/store"
)

type runOptions struct {
	scenario         scenarioOptions
	target           string
	stores           []string
	servers          int
	place            place
	watch            watchOptions
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

A fresh server is started for every measured window, unless --target names one that runs. It
keeps the messages where --store says:

` + store.Usage() + `

With several --store the same is measured on each, and they are laid side by side. --servers
starts several servers on one store, and spreads the members of each room over them.

Each window is written to result.jsonl as it ends; charts and report.html follow. Ctrl-C
ends the window under way and keeps what was measured; a second one ends at once.

--watch serves a page that shows the run as it goes, and ends with it: what was delivered, p50
and p99 of each transport. --open serves the report once it is drawn, on the same address or on
a free port of loopback, and opens it in the browser. Without a browser it prints the address
alone; Ctrl-C ends it, and the exit code is that of the run. Both authenticate nobody.

Exit code 4 says that the numbers are there but not to be believed: a message was lost, or
the generator was the bottleneck. The doubts below the table say why.

--junit, --markdown, --benchfmt and --benchmark-action write what CI systems read, with any of
these exit codes, as long as something was measured. In a step of a GitHub workflow the Markdown
is added to the step's summary, too.`,
		Example: `  pushpull run
  pushpull run rooms --users 500 --transports short-poll@1s,long-poll,websocket
  pushpull run chat --watch 127.0.0.1:8090 --open
  pushpull run chat --target http://127.0.0.1:8080 --json
  pushpull run chat --store memory: --store sqlite:/tmp/chat.db
  pushpull run chat --servers 3 --store postgres://user@localhost/chat`,
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
	f.StringArrayVar(&o.stores, "store", nil, "`address` of the store of our own servers (default memory:); several are measured side by side")
	f.IntVar(&o.servers, "servers", 1, "how many `servers` share the store and the users")
	o.place.addFlags(f)
	o.watch.addFlags(f)
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
	if err := opts.validate(); err != nil {
		return usageError(cmd, err)
	}
	listener, err := opts.watch.listen()
	if err != nil {
		return err
	}
	if listener != nil {
		defer listener.Close()
	}
	target, err := targetURL(ctx, "target", opts.target)
	if err != nil {
		return err
	}
	sides, stop, err := opts.sides(ctx, scenario, target)
	if err != nil {
		return err
	}
	stop = sync.OnceFunc(stop)
	defer stop()
	begun := time.Now().UTC().Truncate(time.Second)
	dir, made, err := opts.place.make(scenario.Name, begun)
	if err != nil {
		return err
	}
	var names []string
	for _, side := range sides {
		names = append(names, side.Name)
	}
	rec, err := newRecord(dir, made, names, func(i int) result.Run {
		run := result.Run{
			Schema: result.Schema, Started: begun, Command: commandLine(cmd, args),
			Scenario: scenario.Result(opts.target), Environment: loadgen.Environment(),
		}
		if target == nil {
			run.Scenario.Store, run.Scenario.Servers = store.Kind(opts.stores[i]), opts.servers
		}
		return run
	})
	if err != nil {
		return err
	}
	defer rec.close()

	var watch *watcher
	if listener != nil {
		watch = newWatcher(cmd.ErrOrStderr(), listener, &web.Results{Dir: opts.place.root(dir)}, rec)
	}
	if opts.watch.address != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "watching on %s/\n", watch.base)
	}
	err = opts.measure(ctx, cmd, scenario, sides, rec, watch)
	stop() // whoever reads the report needs no store
	page := ""
	if opts.watch.open {
		page = reportURL(opts.place.root(dir), rec)
	}
	watch.end(ctx, rec.place(), page, err)
	return err
}

// measure runs the scenario on all sides into rec, and reports what it found.
func (o *runOptions) measure(ctx context.Context, cmd *cobra.Command, scenario loadgen.Scenario, sides []loadgen.Side, rec *record, watch *watcher) error {
	show := newProgress(cmd.ErrOrStderr(), o.quiet, false)
	measuring := loadgen.Run(ctx, loadgen.Options{
		Scenario: scenario, Sides: sides,
		Progress: func(now loadgen.Progress) {
			if ctx.Err() != nil {
				show.stopping()
				now.Phase = "stopping"
			}
			show.update(now)
			watch.update(now)
		},
	}, func(side int, w *result.Window) error {
		show.window(w)
		defer watch.window(rec)
		return rec.results[side].add(w)
	})
	show.end()
	rec.discard()
	windows := rec.windows()
	switch {
	case ctx.Err() == nil:
	case windows == 0:
		measuring = errors.New("interrupted before anything was measured")
	default:
		measuring = fmt.Errorf("interrupted: %d of %d windows were measured and are in %s",
			windows, scenario.Rounds*len(scenario.Transports)*len(sides), rec.place())
	}
	if windows == 0 {
		return measuring
	}
	watch.drawing()
	reported := rec.report(cmd.OutOrStdout(), o.printJSON)
	if o.printJSON && measuring == nil {
		show.kept(rec.place()) // standard output holds the object alone
	}
	failed := errors.Join(measuring, o.outputs.write(rec.outcome()))
	if failed != nil && exitCode(reported) == exitDoubtful {
		return failed // that it was not all done says more; the doubts are printed beside the numbers
	}
	return errors.Join(failed, reported)
}

// validate says what is wrong with the address of the live page, or with where the servers keep
// their messages. Without --store it is the default.
func (o *runOptions) validate() error {
	if o.watch.address != "" {
		if _, err := listenAddress("watch", o.watch.address); err != nil {
			return err
		}
	}
	switch {
	case o.target != "" && (len(o.stores) > 0 || o.servers != 1):
		return errors.New("--target names a server that has its store: leave out --store and --servers")
	case o.servers < 1 || o.servers > 100:
		return fmt.Errorf("--servers must be 1 to 100, not %d", o.servers)
	}
	if len(o.stores) == 0 {
		o.stores = []string{store.Default}
	}
	for _, address := range o.stores {
		if err := store.Validate(address); err != nil {
			return fmt.Errorf("bad --store: %w", err)
		}
		if o.servers > 1 && address == store.Default {
			return fmt.Errorf("--servers %d need a --store that they can share, which %s is not: see pushpull run --help", o.servers, address)
		}
	}
	return nil
}

// sides returns what is measured: the target, or our own servers on each store. stop ends what had
// to be started for it.
func (o *runOptions) sides(ctx context.Context, s loadgen.Scenario, target *url.URL) (sides []loadgen.Side, stop func(), err error) {
	if target != nil {
		return []loadgen.Side{{Target: target}}, func() {}, nil
	}
	var started []*loadgen.Server
	stop = func() {
		for _, server := range started {
			_ = server.Stop() // nothing was measured on it any more
		}
	}
	seen := map[string]int{}
	for _, address := range o.stores {
		name := store.Kind(address)
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name])
		}
		if store.IsEmbedded(address) {
			// In a process of its own: its CPU is neither the servers' nor the generator's.
			server, err := loadgen.StartServer(ctx, "", []string{os.Args[0], "store", address})
			if err != nil {
				stop()
				return nil, nil, fmt.Errorf("starting the store %s: %w", address, err)
			}
			started, address = append(started, server), server.Base.String()
		} else if err := tryStore(ctx, address); err != nil {
			stop()
			return nil, nil, err
		}
		if len(o.stores) == 1 {
			name = ""
		}
		sides = append(sides, loadgen.Side{
			Name: name, Servers: o.servers,
			Command: append(serverCommand(s), "--store", address),
		})
	}
	return sides, stop, nil
}

// tryStore opens a store and closes it again: what can't be reached shall be known before its turn.
func tryStore(ctx context.Context, address string) error {
	s, err := store.Open(ctx, address, store.Options{})
	if err == nil {
		err = s.Close()
	}
	return err
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
		if f.Name == "store" {
			stores, _ := cmd.Flags().GetStringArray(f.Name)
			for _, address := range stores {
				words = append(words, "--store="+store.Redacted(address))
			}
			return
		}
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
