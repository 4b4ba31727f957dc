package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/cost"
	"pushpull/transports/all"
	"pushpull/transports/store"
)

type chooseOptions struct {
	users, room, size, most, cores int
	every, within                  time.Duration
	busy                           share
	prices                         prices
	transports                     []string
	against                        againstOptions
	access                         accessOptions
	network                        network.Profile
	networks                       []network.Profile // of the flag
	servers                        *foreigns         // of against
	store, from                    string
	quick, thorough                bool
	printJSON, quiet               bool
	markdown                       string
	destination                    destination
	remarks                        remarks
	colour                         colouring
}

func newChooseCommand() *cobra.Command {
	var opts chooseOptions
	cmd := &cobra.Command{
		Use:   "choose [SCENARIO]",
		Short: "Which transport suits your numbers",
		Long: `Measure a smaller version of your load on every transport, and predict from it what all of it
costs: cores, memory, requests, traffic, store reads and servers. The answer is the cheapest
transport that delivers 99% of the messages within the time that you allow, and the condition under
which the answer changes.

The rooms, rates and sizes are those of a SCENARIO, or pairs of users, with the flags in their
place. The numbers of users are some that this machine can hold. The largest one is left out and
predicted from the others, and so are both sides of the nearest change of the answer, which are
measured last. Where a prediction is refuted the exit code is 4. It takes about three minutes.

Users that poll on a timer get the longest interval that is in time. Costs are those of this
machine's processors and of pushpull's server. --from answers from costs that were measured
before, for rooms of the same size, without measuring anything.

` + aboutAccess + `

` + aboutNetwork + `

` + aboutForeign + `
choose needs the CPU of each server: name the process of a running one.

--price makes money decide: cpu-hour (a core), gb-hour (memory), gb-out (traffic to the users),
million-requests, and million-messages (each one sent, and each copy delivered). No price is built
in.

Ctrl-C keeps what was measured; --from goes on with it if it is enough. Exit code 4 means that the
answer is not to be believed, or that no transport is in time.`,
		Example: `  pushpull choose --users 20000 --room 2 --every 30s --within 1s
  pushpull choose broadcast --users 100000 --within 500ms --price cpu-hour=0.04,gb-out=0.09
  pushpull choose --from results/costs/pairs --users 5000 --every 1m --within 5s`,
		Args:              operands,
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runChoose(cmd.Context(), cmd, opts, args)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *chooseOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupLoad, func(f *pflag.FlagSet) {
		intVar(f, &o.users, "users", 0, "`N` how many users there are, all rooms together")
		intVar(f, &o.room, "room", 0, "`N` members of a room")
		durationVar(f, &o.every, "every", 0, "`TIME` how often each sender sends a message, like 30s")
		durationVar(f, &o.within, "within", time.Second, "`TIME` within which 99% of the messages must arrive")
		intVar(f, &o.size, "size", 0, "`BYTES` size of a message")
	})
	f.Lookup("every").DefValue = ""
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		listVar(f, &o.transports, "transports", "`LIST` which transports; users that poll on a timer get the interval that suits (default all but those that scan)")
		f.StringVar(&o.store, "store", "", "`ADDRESS` where the servers keep messages (default "+store.Default+")")
		networkVar(f, networksValue{&o.network, &o.networks}, "`NETWORK` between users and servers: a name like 4g, or one like {rtt: 80ms, loss: 1%}", false)
		o.access.addFlags(f)
		o.against.addFlags(f)
		o.busy = .6
		f.Var(&o.busy, "load", "`SHARE` how busy the cores of your servers may be, like 60%; the rest is for peaks")
		intVar(f, &o.cores, "server-cores", 0, "`N` cores of each of your servers (default those of this machine)")
		f.Var(&o.prices, "price", "`LIST` what your provider charges, like cpu-hour=0.04,gb-out=0.09; any currency")
	})
	grouped(f, groupMeasurement, func(f *pflag.FlagSet) {
		f.StringVar(&o.from, "from", "", "`DIR` costs that were measured before, instead of measuring")
		f.BoolVar(&o.quick, "quick", false, "measure for about two minutes")
		f.BoolVar(&o.thorough, "thorough", false, "measure for about six minutes")
		intVar(f, &o.most, "most", 0, "`N` largest number of users to measure (default what this machine can hold)")
	})
	grouped(f, groupOutput, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the words and the table")
		f.StringVar(&o.markdown, "markdown", "", "`FILE` write the answer in Markdown, too")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.colour.addFlag(f)
	})
}

func runChoose(ctx context.Context, cmd *cobra.Command, opts chooseOptions, args []string) error {
	base, wanted, err := opts.question(cmd.Flags(), args)
	if err != nil {
		return usageError(err)
	}
	if opts.from != "" {
		return opts.answerFrom(cmd, base, wanted)
	}
	note, tags, err := opts.remarks.parse()
	if err != nil {
		return usageError(err)
	}
	if opts.markdown != "" {
		if err := tryFile(opts.markdown, true); err != nil {
			return fmt.Errorf("writing --markdown %s: %w: name a file that can be written", opts.markdown, err)
		}
	}
	if err := store.Validate(opts.store); err != nil {
		return usageError(fmt.Errorf("bad --store: %w", err))
	}
	opts.servers.remark(cmd.ErrOrStderr())
	if err := opts.servers.reach(ctx); err != nil {
		return err
	}
	var b *backing // of pushpull's own server
	access := opts.access.variant()
	if measuresOwn(base.Transports) {
		if err := access.findProxy(); err != nil {
			return err
		}
		if b, err = openBacking(ctx, []string{opts.store}); err != nil {
			return err
		}
		defer b.close()
	}
	begun := time.Now().UTC().Truncate(time.Second)
	dir, made, err := opts.destination.make("choose", begun)
	if err != nil {
		return err
	}
	s := &survey{
		dir: dir, backing: b, against: opts.servers, access: access, begun: begun, store: store.Kind(opts.store),
		show: newProgress(cmd.ErrOrStderr(), opts.quiet, false, opts.colour),
		index: result.Index{
			Schema: result.Schema, Kind: result.KindChoice, Started: begun, Command: commandLine(cmd, args), Note: note, Tags: tags,
			Wanted: &wanted,
		},
	}
	c := &choosing{survey: s, base: base, wanted: wanted, most: opts.most, effort: opts.effort()}
	measuring := c.measure(ctx)
	s.show.end()
	s.close()
	if len(s.measured()) == 0 {
		_ = os.Remove(filepath.Join(dir, result.IndexFile)) // of nothing; what remains harms nobody
		if made {
			_ = os.RemoveAll(dir)
		}
		if ctx.Err() != nil {
			measuring = errors.New("interrupted before anything was measured")
		}
		return measuring
	}
	if exitCode(measuring) == exitUsage && made { // nothing was asked that what was measured can answer
		return errors.Join(measuring, os.RemoveAll(dir))
	}
	if ctx.Err() != nil {
		measuring = fmt.Errorf("interrupted: what was measured is in %s", dir)
	}
	advice, err := report.NewAdvice(s.index, s.results(), "")
	if err != nil {
		return errors.Join(measuring, fmt.Errorf("%w: what was measured is in %s", err, dir))
	}
	return opts.deliver(cmd, advice, dir, measuring)
}

// effort is how much is measured.
func (o *chooseOptions) effort() effort {
	switch {
	case o.quick:
		return effort{rounds: 2, extra: 1}
	case o.thorough:
		return effort{rounds: 5, extra: 4}
	}
	return effort{rounds: 3, extra: 1}
}

// question returns the scenario whose smaller versions are measured, and what is asked.
func (o *chooseOptions) question(flags *pflag.FlagSet, args []string) (base loadgen.Scenario, wanted result.Wanted, err error) {
	name := loadgen.Builtins()[0]
	if len(args) > 0 {
		name = args[0]
	}
	if base, err = loadScenario(name); err != nil {
		return base, wanted, err
	}
	switch {
	case o.quick && o.thorough:
		return base, wanted, errors.New("--quick and --thorough exclude each other: leave one out")
	case o.from != "" && slices.ContainsFunc(measuringFlags(), flags.Changed):
		given := slices.DeleteFunc(measuringFlags(), func(name string) bool { return !flags.Changed(name) })
		return base, wanted, fmt.Errorf("--from measures nothing: leave out --%s", strings.Join(given, ", --"))
	case flags.Changed("users") && (o.users < 2 || o.users > 1e9):
		return base, wanted, fmt.Errorf("--users must be 2 to 1000000000, not %d", o.users)
	case flags.Changed("every") && (o.every < 100*time.Microsecond || o.every > 30*24*time.Hour):
		return base, wanted, fmt.Errorf("--every must be a time from 100us to 720h, not %v: each sender sends one message in that time", o.every)
	case o.within < 10*time.Microsecond || o.within > 24*time.Hour:
		return base, wanted, fmt.Errorf("--within must be a time from 10us to 24h, not %v", o.within)
	case o.busy < .01 || o.busy > .99:
		return base, wanted, fmt.Errorf("--load must be a share from 1%% to 99%%, not %s: the rest is for peaks", o.busy.String())
	case flags.Changed("server-cores") && (o.cores < 1 || o.cores > 10_000):
		return base, wanted, fmt.Errorf("--server-cores must be 1 to 10000, not %d", o.cores)
	case flags.Changed("most") && o.most < 8:
		return base, wanted, fmt.Errorf("--most must be 8 or more, not %d: there are to be several numbers of users", o.most)
	case len(o.prices) > 0 && cost.PriceOf(o.prices).Free():
		return base, wanted, errors.New("--price has nothing that costs anything: give one that is more than 0")
	}
	if flags.Changed(networkFlag) {
		base.Network = o.network
	}
	if err := oneNetwork(o.networks); err != nil {
		return base, wanted, err
	}
	if base.RoomSize == 0 {
		base.RoomSize = base.Users
	}
	wanted.Users = base.Users
	if flags.Changed("users") {
		wanted.Users = o.users
	}
	if flags.Changed("room") {
		base.RoomSize = o.room
	}
	if base.RoomSize < 2 || base.RoomSize > wanted.Users {
		return base, wanted, fmt.Errorf("--room must be 2 to the number of users, which is %d, not %d", wanted.Users, base.RoomSize)
	}
	base.Senders = min(base.Senders, base.RoomSize)
	if flags.Changed("every") {
		base.Rate = 1 / o.every.Seconds()
	}
	if flags.Changed("size") {
		base.Size = o.size
	}
	base.Users = base.RoomSize
	if o.servers, err = o.against.parse(nil); err != nil {
		return base, wanted, err
	}
	for _, side := range o.servers.sides {
		if side.Target != nil && side.PID == 0 {
			return base, wanted, fmt.Errorf("choose needs the CPU of %s: name its process, as in --against %s=%s,pid=4711", side.Name, side.Name, shown(side.Target.String()))
		}
	}
	if o.servers.only && o.store != "" {
		return base, wanted, errors.New("--only-against leaves out pushpull's own server: leave out --store")
	}
	if base.Transports, err = o.chosen(base); err != nil {
		return base, wanted, err
	}
	if err := o.access.validate(measuresOwn(base.Transports), false); err != nil {
		return base, wanted, err
	}
	if o.store == "" {
		o.store = store.Default
	}
	wanted.Rate, wanted.WithinS, wanted.Busy, wanted.Processors = base.Rate, result.SecondsOf(o.within), float64(o.busy), o.cores
	if wanted.Processors == 0 {
		wanted.Processors = runtime.NumCPU()
	}
	wanted.Prices = o.prices
	for _, name := range all.Names() {
		if client, err := all.Client(name); err == nil && client.Way().Every > 0 {
			wanted.CustomaryS = result.SecondsOf(client.Way().Every)
		}
	}
	if _, err := o.servers.resolved(base); err != nil {
		return base, wanted, err
	}
	return base, wanted, nil
}

// measuringFlags returns the flags that say what is measured, and how.
func measuringFlags() []string {
	return []string{
		"quick", "thorough", "most", "store", "transports", networkFlag, "tls", "via", "http", "against", "only-against", "note", "tag",
	}
}

// longestMeasured is the longest poll interval that is measured: what polls cost at longer ones follows from their
// number, and a window lasts as long as the last poll.
const longestMeasured = 2 * time.Second

// chosen returns the transports to measure, of those of the flags or of all, in a scenario.
func (o *chooseOptions) chosen(base loadgen.Scenario) ([]string, error) {
	every := max(20*time.Millisecond, min(longestMeasured, o.within.Truncate(time.Millisecond)))
	var specs []string
	seen := map[string]bool{}
	names := o.transports
	if len(names) == 0 {
		names = slices.DeleteFunc(all.Names(), func(name string) bool { return o.servers.way(name).Scan > 0 })
	}
	for _, spec := range o.servers.expand(names, len(o.transports) > 0) {
		client, err := o.servers.client(spec)
		if o.servers.lacks(spec) {
			return nil, fmt.Errorf("--transports has %s: %w", spec, err)
		}
		if err != nil {
			return nil, err
		}
		way := client.Way()
		if way.Every > 0 && !strings.Contains(spec, "@") {
			spec += "@" + result.SecondsOf(every).String()
		}
		if kind := result.Kind(spec); seen[kind] {
			return nil, fmt.Errorf("--transports has %s twice: name it once", kind)
		}
		seen[result.Kind(spec)] = true
		specs = append(specs, spec)
	}
	base.Transports = specs
	for _, l := range o.access.variant().lacking(base, o.servers) {
		if len(o.transports) > 0 {
			return nil, fmt.Errorf("--transports has %s: %s", l.Transport, l.Why)
		}
		specs = slices.DeleteFunc(specs, func(spec string) bool { return spec == l.Transport })
	}
	return specs, nil
}

// reportChoice is runReport for the directory of a choice.
func reportChoice(cmd *cobra.Command, opts reportOptions, dir string, index result.Index) error {
	if opts.printCSV {
		return usageError(errors.New("a choice has no --csv: use --json, or name one of the results below it"))
	}
	results, err := openPoints(cmd.ErrOrStderr(), dir, index)
	if err != nil {
		return err
	}
	advice, err := report.NewAdvice(index, results, "")
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	into := cmp.Or(opts.out, dir)
	if opts.printJSON {
		into = opts.out
	}
	o := chooseOptions{printJSON: opts.printJSON, colour: opts.look.colour}
	return o.deliver(cmd, advice, into, nil)
}

// deliver writes the answer to the disk, if dir is set, and to standard output.
func (o *chooseOptions) deliver(cmd *cobra.Command, advice *report.Advice, dir string, failed error) error {
	var verdict error
	if text := advice.Refuted(); text != "" {
		verdict = exitWith(exitDoubtful, "%s", text)
	}
	var drawn error
	if dir != "" {
		drawn = errors.Join(os.MkdirAll(dir, 0o755), advice.Write(dir))
	}
	if o.markdown != "" {
		if err := replaceFile(o.markdown, advice.Markdown); err != nil {
			drawn = errors.Join(drawn, fmt.Errorf("writing --markdown %s: %w", o.markdown, err))
		}
	}
	out := cmd.OutOrStdout()
	var err error
	if o.printJSON {
		err = advice.JSON(out)
	} else {
		err = advice.Table(out, o.colour.screen(out))
		if err == nil && dir != "" && drawn == nil {
			fmt.Fprintf(out, "\n%s\n", filepath.Join(dir, report.Page))
		}
	}
	return settle(verdict, errors.Join(failed, drawn, err, flush(out)))
}

// secondsFor returns the length of a window's measured part in which a scenario sends enough messages to tell what
// one costs, within bounds.
func secondsFor(s loadgen.Scenario) result.Seconds {
	const enough, least, most = 120, 1.2, 2
	perSecond := s.Rate * float64(s.Users) * float64(sendersOf(result.Scenario(s))) / float64(s.RoomSize)
	return result.Seconds(math.Round(10*min(most, max(least, enough/perSecond))) / 10)
}
