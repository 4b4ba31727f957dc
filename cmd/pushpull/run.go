package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/report/web"
	"pushpull/transports/store"
)

type runOptions struct {
	scenario         scenarioOptions
	against          againstOptions
	ca               string
	stores           []string
	servers          serversOptions
	at               targetsOptions
	access           accessOptions
	agents           agentsOptions
	variants         []variant // set by validate
	destination      destination
	remarks          remarks
	watch            watchOptions
	printJSON, quiet bool
	profile          bool
	pprof            profilesOptions
	look             look
	outputs          outputs
}

func newRunCommand() *cobra.Command {
	opts := runOptions{scenario: scenarioOptions{usual: loadgen.Builtins()[0], several: true}, access: accessOptions{several: true}}
	cmd := &cobra.Command{
		Use:   "run [SCENARIO]",
		Short: "Run the transports side by side",
		Long: `Run the same simulated users against every transport, side by side, and report what each
costs: how late messages are, requests, bytes, CPU and memory.

` + scenarioArgument + ` The default is chat. Flags override its values.

A server is started for every measured window, unless --target or --server-at names running ones. --store names
the store of its messages:

` + store.Usage() + `

With several --store every transport is measured on each, and the results are shown side by side;
so it is with --http 1.1,2. Over HTTP/2 each user has one connection, for polls, long polls and
server-sent events; there is no WebSocket on it.
` + aboutSpread + `
` + aboutServerAt + `

--tls measures everything twice, on servers without TLS and on servers with it, and shows both
side by side; --tls=only leaves out those without. The certificate is made for the run, users trust it
alone, and each connection makes a handshake of its own.

--via starts a proxy before each server, a program from the PATH that gets a configuration for the
window; several are shown side by side. Its CPU and memory are in no figure. With TLS users speak it
with the proxy, and the proxy plain HTTP with the server.

` + aboutProxies() + `

` + aboutAgents + `

` + aboutNetwork + ` With several --network every transport is measured over each, and
the results are shown side by side.

` + aboutForeign + `

` + aboutURLs + `

Each window is written to result.jsonl as it ends; charts, report.html and the files for CI
systems follow, and what is printed comes last. Ctrl-C, SIGTERM or a closed terminal ends the
window under way and keeps what was measured; a second Ctrl-C ends at once. A slow reader of the
output does not hold up the run, and one that is gone, as in pushpull run | head, does not end it
or change its exit code. A full disk under the output is exit code 1.

--watch serves a page that shows the deliveries, p50 and p99 of each transport during the run.
--open serves the finished report, at the same address or on a free port of loopback, and opens it
in the browser, or only prints the address if there is none. Ctrl-C ends it, and the exit code is
that of the run. Neither page has authentication.

--profile writes CPU and heap profiles of the servers and of the generator in the measured part of
each window into the directory profiles of the result, for go tool pprof. That costs CPU, and the
report says so. With --target only the generator is profiled. --pprof serves profiles of the generator
during the run, and prints where; keep it on loopback.

A window that can't be measured, as its users can't join or its servers don't start, costs that
window: the row of its transport says why, and the others are measured. Exit code 1 means that
nothing at all could be measured. A transport that takes longer than ten seconds to fail is not
tried again in later rounds.

Exit code 4 means that there are numbers, but they are not to be believed, or not all of them: a
message was lost, the generator was the bottleneck, a server or its store ended during a window,
or a window could not be measured. The doubts below the table say why.

The files for CI systems are written with any of these exit codes, as long as something was
measured. In a step of a GitHub workflow the Markdown is also added to the step's summary. A file
that can't be written is reported before anything is measured.`,
		Example: `  pushpull run
  pushpull run rooms --users 500 --transports long-poll,websocket
  pushpull run chat --watch 127.0.0.1:8090 --open
  pushpull run chat --store memory: --store sqlite:/tmp/chat.db
  pushpull run idle --tls
  pushpull run chat --target http://127.0.0.1:8080 --json
  pushpull run chat --against nchan=./nchan.sh`,
		Args:              operands,
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRun(cmd.Context(), cmd, opts, args)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *runOptions) addFlags(f *pflag.FlagSet) {
	o.scenario.addFlags(f)
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.stores, "store", nil, "`ADDRESS` where the servers keep messages (default "+store.Default+"); repeat it to compare stores")
		o.servers.addFlags(f)
		o.access.addFlags(f)
		o.at.addFlags(f)
		o.against.addFlags(f)
		f.StringVar(&o.ca, "ca", "", "`FILE` certificates to trust, for servers at a URL")
	})
	grouped(f, groupAgents, o.agents.addFlags)
	grouped(f, groupOutput, o.watch.addFlags, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		f.BoolVar(&o.profile, "profile", false, "profile the CPU and the heap of server and generator in each window")
		o.pprof.addFlag(f)
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.look.addFlags(f)
	})
	grouped(f, groupCI, o.outputs.addFlags)
}

func runRun(ctx context.Context, cmd *cobra.Command, opts runOptions, args []string) error {
	if opts.ca != "" && !opts.at.urls() && !opts.against.urls() {
		return usageError(errNoURL)
	}
	trusted, pem, err := readAuthorities(opts.ca)
	if err != nil {
		return err
	}
	against, err := opts.against.parse(trusted)
	if err != nil {
		return usageError(err)
	}
	opts.scenario.against = against
	scenario, err := opts.scenario.scenario(cmd.Flags(), args)
	if err != nil {
		return usageError(err)
	}
	networks := opts.scenario.networks
	if len(networks) == 0 {
		networks = []network.Profile{scenario.Network}
	}
	if err := opts.agents.settle(scenario, &opts.servers, opts.at.given()); err != nil {
		return err
	}
	if err := opts.validate(networks); err != nil {
		return usageError(err)
	}
	if err := opts.agents.validate(scenario, opts.withoutAgents()); err != nil {
		return usageError(err)
	}
	if err := loadgen.CheckLimits(scenario, opts.layout(networks)); err != nil {
		return err
	}
	note, tags, err := opts.remarks.parse()
	if err != nil {
		return usageError(err)
	}
	if err := opts.outputs.try(opts.destination.own(args, namesOf(opts.variants)...)...); err != nil {
		return err
	}
	profiles, stopProfiles, err := opts.pprof.serve(cmd.Flags())
	if err != nil {
		return err
	}
	defer stopProfiles()
	listener, err := opts.watch.listen()
	if err != nil {
		return err
	}
	if listener != nil {
		defer listener.Close()
	}
	fmt.Fprint(cmd.ErrOrStderr(), profiles)
	against.remark(cmd.ErrOrStderr())
	if err := against.reach(ctx); err != nil {
		return err
	}
	running, err := opts.at.reach(ctx, trusted)
	if err != nil {
		return err
	}
	for _, one := range running {
		one.pem = pem
	}
	sides, stop, err := opts.sides(ctx, scenario, running)
	if err != nil {
		return err
	}
	stop = sync.OnceFunc(stop)
	defer stop()
	crowd, err := opts.agents.gather(ctx, !opts.at.given())
	if err != nil {
		return err
	}
	defer crowd.close()
	if !opts.quiet {
		fmt.Fprint(cmd.ErrOrStderr(), crowd.where())
	}
	for i := range sides {
		if crowd.team != nil {
			sides[i].Team = crowd.team
		}
	}
	begun := time.Now().UTC().Truncate(time.Second)
	options := loadgen.Options{Scenario: scenario, Sides: sides, Against: against.all()}
	for i := range options.Against {
		opts.variants[0].reach(&options.Against[i])
	}
	resolved, err := options.Resolved()
	if err != nil {
		return usageError(err)
	}
	for i := range opts.variants {
		if lacking := options.Lacking(i, resolved); len(lacking) > 0 && len(lacking) == len(resolved.Measured()) {
			return usageError(fmt.Errorf("transports can't be used, as none is left to be measured: %s", lacking[0].Why))
		}
	}
	dir, made, err := opts.destination.make(scenario.Name, begun)
	if err != nil {
		return err
	}
	rec, err := newRecord(dir, made, namesOf(opts.variants), func(i int) result.Run {
		run := result.Run{
			Schema: result.Schema, Started: begun, Command: commandLine(cmd, args), Note: note, Tags: tags,
			Scenario: resolved.Result(), Environment: loadgen.Environment(),
		}
		running.describe(&run.Scenario)
		v, started := opts.variants[i], len(running) == 0 && len(sides) > 0
		if v.describe(&run.Scenario, started); started {
			opts.servers.describe(&run.Scenario, store.Kind(opts.stores[v.store]))
		} else if len(running) > 0 && opts.servers.spread() {
			run.Scenario.Spread = opts.servers.by
		}
		run.Scenario.Lacking = slices.Concat(run.Scenario.Lacking, options.Lacking(i, resolved))
		return run
	})
	if err != nil {
		return err
	}
	defer rec.close()
	rec.against = against

	var watch *watcher
	if listener != nil {
		watch = newWatcher(cmd.ErrOrStderr(), listener, opts.watch.host(), &web.Results{Dir: opts.destination.root(dir)}, rec)
	}
	if opts.watch.address != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "watching on %s/\n", watch.base)
	}
	err = opts.measure(ctx, cmd, options, rec, watch)
	crowd.close() // the report, which may be served for long, needs no agents, and no store
	stop()
	kept, page := "", ""
	if rec.windows() > 0 {
		kept = rec.location()
		if opts.watch.open {
			page = reportURL(opts.destination.root(dir), rec)
		}
	}
	watch.end(ctx, kept, page, err)
	return err
}

// measure runs the scenario on all sides, records the windows in rec, and delivers the result.
func (o *runOptions) measure(ctx context.Context, cmd *cobra.Command, options loadgen.Options, rec *record, watch *watcher) error {
	show := newProgress(cmd.ErrOrStderr(), o.quiet, false, o.look.colour)
	show.runs = rec.underWay()
	if o.profile {
		options.Profile = func(side int, p loadgen.Profile) (string, error) { return rec.results[side].keepProfile(p) }
	}
	options.Progress = func(now loadgen.Progress) {
		if ctx.Err() != nil {
			show.stopping()
			now.Phase = "stopping"
		}
		if isForeign(now.Transport) {
			now.Side = rec.names[0]
		}
		show.update(now)
		watch.update(now)
	}
	measuring := loadgen.Run(ctx, options, func(side int, w *result.Window) error {
		defer watch.window(rec)
		err := rec.results[side].add(w)
		show.window(loadgen.Progress{Round: w.Round, Rounds: options.Scenario.Rounds, Transport: w.Transport, Side: rec.names[side]}, w, rec.underWay())
		return err
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
			windows, rec.planned(), rec.location())
	}
	if windows == 0 {
		return measuring
	}
	done := rec.delivery(delivery{
		files: o.outputs, data: o.printJSON, show: show, failed: measuring,
	}, o.look)
	watch.drawing(done.runs)
	return done.deliver(cmd.OutOrStdout())
}

// validate checks the address of the live page, the stores, and the number of servers that share
// each. Without --store it sets the default.
func (o *runOptions) validate(networks []network.Profile) error {
	if o.watch.address != "" {
		if _, err := listenAddress("watch", o.watch.address); err != nil {
			return err
		}
	}
	switch {
	case o.against.only && (o.at.given() || len(o.stores) > 0 || o.servers.given()):
		return errors.New("--only-against leaves out pushpull's own server: leave out --target, --server-at, --store, --servers, --spread and --heartbeat")
	case o.at.given() && (len(o.stores) > 0 || o.servers.n != 1):
		return fmt.Errorf("%s names running servers, which have a store: leave out --store and --servers", o.at.flag())
	}
	if err := o.at.validate(o.servers); err != nil {
		return err
	}
	if err := o.access.validate(!o.against.only, o.at.given()); err != nil {
		return err
	}
	choices := o.choices(networks)
	for _, c := range choices {
		if len(o.against.named) > 0 && c.n > 1 {
			return fmt.Errorf("--against is measured beside one --%s: leave out the others, or --against", c.flag)
		}
	}
	o.variants = variantsOf(choices)
	if len(o.stores) == 0 {
		o.stores = []string{store.Default}
	}
	if o.at.given() {
		return nil
	}
	return o.servers.validate(o.stores...)
}

// layout returns what carries the load over the networks. The options must be valid.
func (o *runOptions) layout(networks []network.Profile) loadgen.Layout {
	l := o.servers.layout(o.variants[0], o.scenario.against)
	for _, v := range o.variants {
		l.HTTP2, l.Proxied = l.HTTP2 && v.http == http2, l.Proxied || v.via != ""
	}
	if slices.ContainsFunc(networks, func(n network.Profile) bool { return !n.IsNone() }) {
		l.Relay = 2
	}
	if o.at.given() {
		l.Running, l.Servers, l.Far = true, o.at.servers(), o.at.far()
	}
	l.Agents, l.Elsewhere = o.agents.number, o.agents.place.URL != ""
	l.Scalable = true
	return l
}

// sides returns the sides to measure: the target, or servers to start for each variant. stop stops the
// embedded stores that it has started.
func (o *runOptions) sides(ctx context.Context, s loadgen.Scenario, running targets) (sides []loadgen.Side, stop func(), err error) {
	switch {
	case !measuresOwn(s.Transports):
		return nil, func() {}, nil
	case len(running) > 0:
		for range o.variants {
			sides = append(sides, running.side(o.servers.spread()))
		}
		stop = func() {}
	default:
		for _, v := range o.variants {
			if err := v.findProxy(); err != nil {
				return nil, nil, err
			}
		}
		b, err := openBacking(ctx, o.stores)
		if err != nil {
			return nil, nil, err
		}
		for _, v := range o.variants {
			side := b.side(v.store, o.servers, o.serverCommand(s))
			if err := v.front(&side, &b.authority); err != nil {
				b.close()
				return nil, nil, err
			}
			sides = append(sides, side)
		}
		stop = b.close
	}
	for i, v := range o.variants {
		sides[i].Name = v.name
		v.reach(&sides[i])
	}
	return sides, stop, nil
}

// serverCommand is that of all runs, with what the flags ask of the servers.
func (o *runOptions) serverCommand(s loadgen.Scenario) []string {
	command := serverCommand(s)
	if o.profile {
		command = append(command, "--pprof", "127.0.0.1:0")
	}
	return command
}
