package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/fault"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/transports/store"
	"pushpull/transports/typo"
)

type faultsOptions struct {
	scenario         scenarioOptions
	against          againstOptions
	access           accessOptions
	faults           []string
	repeat           int
	parallel         int
	stores           []string
	servers          serversOptions
	destination      destination
	remarks          remarks
	printJSON, quiet bool
	colour           colouring
}

func newFaultsCommand() *cobra.Command {
	opts := faultsOptions{scenario: scenarioOptions{usual: "faults"}}
	cmd := &cobra.Command{
		Use:   "faults [SCENARIO]",
		Short: "Break things, and see what becomes of the messages",
		Long: `Make one thing break in each window, and report what became of every message and every member of
its room: whether it came in time or late, whether somebody was told that it didn't, or whether it was
lost in silence.

` + scenarioArgument + ` The default is faults. Flags override its values.

The faults, each at a time drawn from the seed in the first half of the window:

` + aboutFaults() + `

Users are connected through a proxy (toxiproxy) in a process of its own, and so is the store where
it is the store that breaks. A fault that can't happen, such as one of the store to a store in
memory, is an empty cell; the lines below the table say why. The servers give a sign of life every
second on a stream, so that a silent connection is noticed soon.

A cell of the table is the worst that happened to any message in --repeat windows, and the time from
the end of the fault until the last message that it had held up came:

` + aboutOutcomes() + `

Windows mostly wait, so several are measured at a time (--parallel), each with servers, users and rooms
of its own. Late means half a second later than usual: on a machine that is too busy for so many
windows, deliveries are late without a fault. Those that were late before it happened are counted, and
the report says so. With --parallel 1 the windows follow each other.

--store names the store of the messages; with several, each gets a table:

` + store.Usage() + `

Windows at the same time use SQLite files of their own beside the named one, which are removed at the
end. A server that is named by a command must listen on a free port then.

` + aboutAccess + `

` + aboutForeign + `

What other servers lose is a finding, not an error. Of them, only those that are given as a command can
be killed or stopped.

Ctrl-C ends the run, and what was measured until then is reported.

Exit code 4 means that pushpull's own server lost a message in silence, or that a user hung. The last
line names the cell.`,
		Example: `  pushpull faults
  pushpull faults --fault reset,restart --transports sse,websocket --repeat 20
  pushpull faults --store redis://127.0.0.1:6379 --servers 2`,
		Args:              operands,
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runFaults(cmd.Context(), cmd, opts, args)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// aboutFaults returns a line of help for each fault.
func aboutFaults() string {
	var lines []string
	for _, f := range fault.List() {
		lines = append(lines, fmt.Sprintf("  %-14s %s", f.Name, f.About))
	}
	return strings.Join(lines, "\n")
}

// aboutOutcomes returns a line of help for each outcome.
func aboutOutcomes() string {
	var lines []string
	for _, o := range result.Outcomes() {
		lines = append(lines, fmt.Sprintf("  %-14s %s", o.Name, o.About))
	}
	return strings.Join(lines, "\n")
}

func (o *faultsOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupFaults, func(f *pflag.FlagSet) {
		listVar(f, &o.faults, "fault", "`LIST` which faults, like reset,restart (default all)")
		intVar(f, &o.repeat, "repeat", 1, "`N` how many windows of each fault and transport, each with another time and other messages")
		intVar(f, &o.parallel, "parallel", 0, "`N` how many windows are measured at a time (default 4 for each CPU, at most 16, or as many as may be open; 1 with 100 users or more)")
	})
	for _, k := range result.Knobs() {
		if k.Usage != "" && k.Key != "rounds" { // --repeat stands in its place
			grouped(f, k.Group, func(f *pflag.FlagSet) { o.scenario.addFlag(f, k) })
		}
	}
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.stores, "store", nil, "`ADDRESS` where the servers keep messages (default "+store.Default+"); repeat it to compare stores")
		o.servers.addFlags(f)
		o.access.addFlags(f)
		o.against.addFlags(f)
	})
	grouped(f, groupOutput, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.colour.addFlag(f)
	})
}

// chosen returns the faults that the flags name.
func (o *faultsOptions) chosen() ([]fault.Fault, error) {
	all := fault.List()
	if len(o.faults) == 0 {
		return all, nil
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	for i, name := range o.faults {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("bad --fault: %w", typo.Unknown("fault", name, names))
		}
		if slices.Contains(o.faults[:i], name) {
			return nil, fmt.Errorf("bad --fault: it names %s twice", name)
		}
	}
	return slices.DeleteFunc(all, func(f fault.Fault) bool { return !slices.Contains(o.faults, f.Name) }), nil
}

// validate checks the stores, and the number of servers that share each. Without --store it sets the default.
func (o *faultsOptions) validate() error {
	like := runOptions{stores: o.stores, servers: o.servers, against: o.against, access: o.access}
	if err := like.validate(nil); err != nil {
		return err
	}
	o.stores = like.stores
	switch {
	case o.repeat < 1 || o.repeat > 10_000:
		return fmt.Errorf("--repeat must be 1 to 10000, not %d", o.repeat)
	case o.parallel < 0 || o.parallel > mostParallel:
		return fmt.Errorf("--parallel must be 1 to %d, not %d", mostParallel, o.parallel)
	}
	return nil
}

// relayFiles returns how many files the relay has for each connection: two, and as many again for the faults that happen in
// a proxy behind it.
func relayFiles(faults []fault.Fault) int {
	if slices.ContainsFunc(faults, func(f fault.Fault) bool { return f.Hop }) {
		return 4
	}
	return 2
}

// mostParallel is the largest number of windows at a time.
const mostParallel = 256

// atATime returns how many windows are measured at a time, given how many this process can have open.
func (o *faultsOptions) atATime(users, most int) (int, error) {
	switch {
	case o.parallel > most:
		return 0, fmt.Errorf("--parallel %d needs more open files than this process may have: use --parallel %d, or fewer users", o.parallel, most)
	case o.parallel > 0:
		return o.parallel, nil
	}
	if users >= result.Herd { // how a herd comes back depends on the processors
		return 1, nil
	}
	return min(4*runtime.GOMAXPROCS(0), 16, most), nil
}

func runFaults(ctx context.Context, cmd *cobra.Command, opts faultsOptions, args []string) error {
	against, err := opts.against.parse(nil)
	if err != nil {
		return usageError(err)
	}
	opts.scenario.against = against
	scenario, err := opts.scenario.scenario(cmd.Flags(), args)
	if err != nil {
		return usageError(err)
	}
	faults, err := opts.chosen()
	if err != nil {
		return usageError(err)
	}
	if err := opts.validate(); err != nil {
		return usageError(err)
	}
	note, tags, err := opts.remarks.parse()
	if err != nil {
		return usageError(err)
	}
	scenario.Rounds = opts.repeat
	layout := opts.servers.layout(opts.access.variant(), against)
	layout.Calls, layout.Relay = true, relayFiles(faults)
	if err := loadgen.CheckLimits(scenario, layout); err != nil {
		return err
	}
	parallel, err := opts.atATime(scenario.Users, loadgen.ConnectionLimit().Windows(scenario, against.all()...))
	if err != nil {
		return err
	}
	against.remark(cmd.ErrOrStderr())
	if err := against.reach(ctx); err != nil {
		return err
	}
	resolved, err := against.resolved(scenario)
	if err != nil {
		return usageError(err)
	}
	access := opts.access.variant()
	access.network = resolved.Network
	if resolved.Lacking = append(resolved.Lacking, access.lacking(resolved, against)...); len(resolved.Measured()) == 0 {
		return usageError(fmt.Errorf("transports can't be used, as none is left to be measured: %s", resolved.Lacking[0].Why))
	}
	back := &backing{names: []string{""}, addresses: []string{""}} // without a server of our own
	if measuresOwn(scenario.Transports) {
		if back, err = openBacking(ctx, opts.stores); err != nil {
			return err
		}
		defer back.close()
		if err := cmp.Or(access.findProxy(), access.front(&loadgen.Side{}, &back.authority)); err != nil { // makes the certificate
			return err
		}
	}
	m := &matrix{
		scenario: resolved, faults: faults, servers: opts.servers, parallel: parallel, backing: back, against: against, access: access,
		show: newProgress(cmd.ErrOrStderr(), opts.quiet, false, opts.colour),
	}
	begun := time.Now().UTC().Truncate(time.Second)
	dir, made, err := opts.destination.make("faults", begun)
	if err != nil {
		return err
	}
	m.plan()
	m.record, err = newRecord(dir, made, back.names, func(i int) result.Run {
		run := result.Run{
			Schema: result.Schema, Started: begun, Command: commandLine(cmd, args), Note: note, Tags: tags,
			Scenario: resolved.Result(), Environment: loadgen.Environment(), Faults: m.described(i),
		}
		if measuresOwn(scenario.Transports) {
			opts.servers.describe(&run.Scenario, store.Kind(opts.stores[i]))
		}
		access.describe(&run.Scenario, measuresOwn(scenario.Transports))
		return run
	})
	if err != nil {
		return err
	}
	defer m.record.close()
	measuring := m.measure(ctx)
	m.show.end()
	m.removeFiles()
	m.record.discard()
	windows := m.record.windows()
	switch {
	case windows == 0 && ctx.Err() != nil:
		return errors.New("interrupted before anything was measured")
	case windows == 0 && measuring == nil:
		return errors.New("no fault could be made to happen: " + m.reason())
	case windows == 0:
		return measuring
	case ctx.Err() != nil:
		measuring = fmt.Errorf("interrupted: %d of %d windows were measured and are in %s", windows, len(m.cells), dir)
	}
	return deliverFaults(cmd.OutOrStdout(), m.record.runs(), opts.colour, delivery{dir: dir, data: opts.printJSON, show: m.show, failed: measuring})
}

// deliverFaults draws a matrix of faults and prints it.
func deliverFaults(out io.Writer, runs []report.Run, colour colouring, d delivery) error {
	found := report.NewFaults(runs...)
	if bad := found.Verdict(); bad != "" {
		d.verdict = exitWith(exitDoubtful, "%s", bad)
	}
	return d.of("matrix", found, out, colour).deliver(out)
}
