package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/search"
	"pushpull/report"
	"pushpull/report/text"
	"pushpull/transports/store"
)

type capacityOptions struct {
	scenario         scenarioOptions
	against          againstOptions
	access           accessOptions
	p99              time.Duration
	vary             string
	from, most       float64
	precision        share
	repeat           int
	store            string
	servers          serversOptions
	cpus             int
	quick            bool
	destination      destination
	remarks          remarks
	printJSON, quiet bool
	colour           colouring
}

func newCapacityCommand() *cobra.Command {
	opts := capacityOptions{scenario: scenarioOptions{usual: loadgen.Builtins()[0]}, precision: .05}
	cmd := &cobra.Command{
		Use:   "capacity [SCENARIO]",
		Short: "Find the largest load that each transport holds",
		Long: `Find the largest load that the servers hold on each transport, and what breaks first beyond it.

` + scenarioArgument + ` The default is chat. Flags override its values.

A load holds if in each of its windows no message was lost, doubled or reordered, 99 of 100
deliveries came within --p99, in every part of the window too, and the deliveries did not become
later and later. The search doubles the load until it doesn't hold, and then bisects, until the
largest load that holds and the smallest one that doesn't are as close as --precision. Each load
next to the answer is measured --repeat times. A load counts as broken once two of its windows
are, as one may be noise; a lost message counts at once. A window is as long as it takes to see
that a queue grows, and has 600 deliveries or more.

--vary says what grows: the number of users, each as busy as in the scenario, or the rate at which
as many users as in the scenario send.

The load generator runs on the same machine. --server-cpus keeps it and the servers, with an
embedded store, apart: on Linux each is bound to CPUs of its own. On other systems the Go code of
each server gets no more CPUs (GOMAXPROCS), which is a weaker limit. Where the generator, a limit
of this process or the machine as a whole was met first, the answer is a lower bound: "at least".

` + aboutAccess + `

` + aboutForeign + `

--server-cpus and --servers are for pushpull's own server: other servers share all CPUs with the
load generator, unless you bind them, and so does a proxy.

Each load is a result of its own below the directory of the search, with an index.json. The page
report.html has a chart of p50 and p99 against the load; pushpull report DIR draws it again. Ctrl-C
ends the search, and prints the bounds known by then.

Exit code 4 means that no transport could be judged.`,
		Example: `  pushpull capacity chat --p99 100ms
  pushpull capacity rooms --vary rate --transports long-poll,websocket --server-cpus 1
  pushpull capacity chat --store sqlite:/tmp/chat.db --quick`,
		Args:              operands,
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCapacity(cmd.Context(), cmd, opts, args)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *capacityOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupSearch, func(f *pflag.FlagSet) {
		durationVar(f, &o.p99, "p99", 100*time.Millisecond, "`TIME` within which 99 of 100 deliveries must come")
		f.StringVar(&o.vary, "vary", varyUsers, "`users|rate` what grows: the number of users, or the rate of each sender")
		floatVar(f, &o.from, "from", "`N` first load, in users or messages per second (default --users or --rate, or one with enough deliveries)")
		floatVar(f, &o.most, "most", "`N` largest load to try (default as many as this process can connect)")
		f.Var(&o.precision, "precision", "`PERCENT` by how much the load that breaks may exceed the one that holds")
		intVar(f, &o.repeat, "repeat", 2, "`N` how many windows in a row must hold")
		f.BoolVar(&o.quick, "quick", false, "be done sooner: --precision 10% and --repeat 1, unless they are given, and shorter windows")
	})
	for _, k := range result.Knobs() {
		if k.Usage != "" && k.Key != "rounds" { // --repeat stands in its place
			grouped(f, k.Group, func(f *pflag.FlagSet) { o.scenario.addFlag(f, k) })
		}
	}
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		o.access.addFlags(f)
		o.against.addFlags(f)
		f.StringVar(&o.store, "store", store.Default, "`ADDRESS` where the servers keep messages")
		o.servers.addFlags(f)
		intVar(f, &o.cpus, "server-cpus", 0, "`N` CPUs that the servers have for themselves; 0: they share all with the load generator (default half of them)")
	})
	grouped(f, groupOutput, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.colour.addFlag(f)
	})
}

// plan returns how the loads are measured. All of its errors are those of usage.
func (o *capacityOptions) plan(flags *pflag.FlagSet, args []string) (capacityPlan, error) {
	against, err := o.against.parse(nil)
	if err != nil {
		return capacityPlan{}, err
	}
	o.scenario.against = against
	scenario, err := o.scenario.scenario(flags, args)
	if err != nil {
		return capacityPlan{}, err
	}
	if o.quick && !flags.Changed("precision") {
		o.precision = .1
	}
	if o.quick && !flags.Changed("repeat") {
		o.repeat = 1
	}
	if !flags.Changed("server-cpus") {
		o.cpus = runtime.NumCPU() / 2
	}
	switch {
	case o.p99 < time.Microsecond || o.p99 > time.Hour:
		return capacityPlan{}, fmt.Errorf("--p99 must be a time from 1µs to 1h, not %v", o.p99)
	case !(o.precision >= .01 && o.precision <= 1):
		return capacityPlan{}, fmt.Errorf("--precision must be 1%% to 100%%, not %s", &o.precision)
	case o.repeat < 1 || o.repeat > 20:
		return capacityPlan{}, fmt.Errorf("--repeat must be 1 to 20, not %d", o.repeat)
	case o.cpus < 0:
		return capacityPlan{}, fmt.Errorf("--server-cpus must be 0 or more, not %d", o.cpus)
	case flags.Changed("from") && !(o.from > 0):
		return capacityPlan{}, fmt.Errorf("--from must be more than 0, not %s", plainNumber(o.from))
	case flags.Changed("most") && !(o.most > 0):
		return capacityPlan{}, fmt.Errorf("--most must be more than 0, not %s", plainNumber(o.most))
	}
	if err := o.servers.validate(o.store); err != nil {
		return capacityPlan{}, err
	}
	if against.only && (flags.Changed("store") || o.servers.given() || flags.Changed("server-cpus")) {
		return capacityPlan{}, errors.New("--only-against leaves out pushpull's own server: leave out --store, --servers, --heartbeat and --server-cpus")
	}
	own := measuresOwn(scenario.Transports)
	if !own {
		o.cpus = 0
	}
	if err := o.access.validate(own, false); err != nil {
		return capacityPlan{}, err
	}
	plan := capacityPlan{scenario: scenario, vary: o.vary}
	if flags.Lookup(o.vary) != nil && flags.Changed(o.vary) && !flags.Changed("from") {
		o.from = plan.value() // the first load
	}
	return newCapacityPlan(capacityPlan{
		scenario: scenario, against: against, servers: o.servers, access: o.access.variant(), vary: o.vary, p99: o.p99, fixed: flags.Changed("duration"), quick: o.quick,
		options: search.Options{From: o.from, Most: o.most, Precision: float64(o.precision), Repeat: o.repeat},
	})
}

func runCapacity(ctx context.Context, cmd *cobra.Command, opts capacityOptions, args []string) error {
	plan, err := opts.plan(cmd.Flags(), args)
	if err != nil {
		return usageError(err)
	}
	note, tags, err := opts.remarks.parse()
	if err != nil {
		return usageError(err)
	}
	hunts, err := huntsOf(plan, opts.most > 0)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(hunts, func(h *hunt) bool { return h.search != nil }) {
		advice := ": use a longer --p99, or others of --transports"
		if hunts[0].lacking {
			advice = ""
		}
		return usageError(fmt.Errorf("no transport can hold a p99 of %v: %s%s", opts.p99, hunts[0].text, advice))
	}
	if opts.destination.out != "" {
		if _, err := result.ReadIndex(opts.destination.out); err == nil {
			return fmt.Errorf("%s holds results already: use --out with another directory", opts.destination.out)
		}
	}
	var split *loadgen.Split
	if opts.cpus > 0 {
		if split, err = loadgen.SplitCPUs(opts.cpus); err != nil {
			return usageError(fmt.Errorf("bad --server-cpus %d: %w", opts.cpus, err))
		}
		defer func() { _ = split.Close() }() // what follows needs few CPUs
	}
	plan.against.remark(cmd.ErrOrStderr())
	if err := plan.against.reach(ctx); err != nil {
		return err
	}
	var back *backing // of pushpull's own servers
	own := measuresOwn(plan.scenario.Transports)
	if own {
		if err := plan.access.findProxy(); err != nil {
			return err
		}
		if back, err = openBackingOn(ctx, []string{opts.store}, split); err != nil {
			return err
		}
		defer back.close()
	}
	begun := time.Now().UTC().Truncate(time.Second)
	dir, made, err := opts.destination.make("capacity-"+plan.scenario.Name, begun)
	if err != nil {
		return err
	}
	c := &capacity{plan: plan, hunts: hunts, criteria: search.Criteria{
		P99: plan.p99, Precision: plan.options.Precision, ServerCPUs: opts.cpus,
		Memory: int64(loadgen.Environment().MemoryBytes), Cores: runtime.NumCPU(), InMemory: store.Kind(opts.store) == store.Kind(store.Default),
	}}
	c.survey = survey{
		dir: dir, backing: back, against: plan.against, access: plan.access, servers: opts.servers, begun: begun, store: store.Kind(opts.store),
		show: newProgress(cmd.ErrOrStderr(), opts.quiet, false, opts.colour),
		index: result.Index{
			Schema: result.Schema, Kind: result.KindCapacity, Started: begun, Command: commandLine(cmd, args), Note: note, Tags: tags,
			Scenario: c.described(), Axes: []result.Axis{{Key: plan.vary}},
			Capacity: &result.Capacity{P99S: plan.p99.Seconds(), Precision: plan.options.Precision, Repeat: plan.options.Repeat},
		},
		prepare: func(side loadgen.Side) loadgen.Side {
			side.CPUs = split
			return side
		},
	}
	opts.servers.describe(&c.survey.index.Scenario, c.survey.store)
	c.survey.accessOf(plan.scenario).describe(&c.survey.index.Scenario, own)
	if split != nil {
		of := c.survey.index.Capacity
		of.ServerCPUs, of.GeneratorCPUs, of.Bound = split.Servers, split.Generator, split.Bound
	}
	c.announce(split)
	measuring := c.measure(ctx)
	c.survey.show.end()
	c.survey.close()
	if !c.survey.worked || exitCode(measuring) == exitUsage {
		c.discard(made)
		if ctx.Err() != nil {
			return errors.New("interrupted before anything was measured")
		}
		return measuring
	}
	if ctx.Err() != nil {
		measuring = fmt.Errorf("interrupted: the bounds are those known by then, and what was measured is in %s", dir)
	}
	return c.deliver(cmd.OutOrStdout(), opts, measuring)
}

// discard removes the results, and the directory if the command has made it.
func (c *capacity) discard(made bool) {
	for _, rec := range c.survey.recorders {
		rec.discard()
	}
	os.Remove(filepath.Join(c.survey.dir, result.IndexFile))
	if made {
		os.Remove(c.survey.dir) // fails if it is not empty
	}
}

// A capacity is a search for the largest load on each of some transports.
type capacity struct {
	plan     capacityPlan
	criteria search.Criteria
	hunts    []*hunt
	survey   survey
	each     time.Duration // that the last window took in all
}

// described returns the scenario as the index has it.
func (c *capacity) described() result.Scenario {
	s := c.plan.scenario
	s.Rounds, s.Duration = c.plan.options.Repeat, c.plan.usual()
	return s.Result()
}

// windowTime returns about how long a window takes, with its start and end.
func (c *capacity) windowTime() time.Duration {
	const overhead = 1500 * time.Millisecond // with some thousand users
	return max(c.each, (c.plan.usual()+c.plan.scenario.Warmup).Duration()+overhead)
}

// left returns how many windows the searches will about take.
func (c *capacity) left() (windows int) {
	for _, h := range c.hunts {
		if h.search == nil {
			continue
		}
		if _, more := h.search.Next(); more {
			windows += max(1, h.options.Usual()-h.search.Answer().Windows)
		}
	}
	return windows
}

// announce says what is about to be measured, and how long that takes.
func (c *capacity) announce(split *loadgen.Split) {
	searched, bound := 0, 0
	for _, h := range c.hunts {
		if h.search == nil {
			c.say("%s  left out: %s", h.transport, h.text)
			continue
		}
		searched, bound = searched+1, bound+h.options.Bound()
	}
	c.say("%s, about %d windows of %s, longer where there are few deliveries: about %s, at most %s",
		text.Plural(searched, "search", "searches"), c.left(), c.plan.usual(),
		clock(time.Duration(c.left())*c.windowTime()), clock(time.Duration(bound)*c.windowTime()))
	switch {
	case split == nil:
		c.say("servers and load generator share the CPUs, so where these are the limit, the answer is a lower bound")
	case !split.Bound:
		c.say("this system can't bind processes to CPUs: the Go code of the servers uses %d of them, which is a weaker limit", split.Servers)
	default:
		c.say("the servers have %s for themselves, the load generator %d", text.Plural(split.Servers, "CPU", "CPUs"), split.Generator)
	}
}

// say prints a line of the progress.
func (c *capacity) say(format string, args ...any) {
	if p := c.survey.show; p.w != nil {
		p.clear()
		fmt.Fprintln(p.w, p.on().Text(text.Clean(fmt.Sprintf(format, args...))))
	}
}

// measure measures windows until all searches are over. Each search takes a window in turn, in an order drawn
// from the seed.
func (c *capacity) measure(ctx context.Context) error {
	random := rand.New(rand.NewPCG(c.plan.scenario.Seed, 0))
	for {
		measured := false
		for _, i := range random.Perm(len(c.hunts)) {
			h := c.hunts[i]
			if h.search == nil {
				continue
			}
			load, more := h.search.Next()
			if !more {
				continue
			}
			measured = true
			if err := c.window(ctx, h, load); err != nil {
				return err
			}
		}
		if !measured {
			return nil
		}
	}
}

// window measures one window of a load on a transport, and reports it to the search.
func (c *capacity) window(ctx context.Context, h *hunt, load float64) error {
	t := turn{point: c.point(load), scenario: c.plan.at(load), round: 1}
	t.scenario.Transports = []string{h.transport}
	for c.survey.done(t.point, h.transport, t.round) {
		t.round++
	}
	t.turns = c.survey.turns + c.left()
	t.left = time.Duration(c.left()) * c.windowTime()
	if err := loadgen.CheckLimits(t.scenario, c.plan.layout()); err != nil {
		return err
	}
	begun, others := time.Now(), &meter{read: loadgen.MachineCPU}
	c.survey.watch = others.watch
	if err := c.survey.measure(ctx, t); err != nil {
		return err
	}
	c.each = time.Since(begun)
	rec := c.survey.recorders[t.point.Dir]
	w := &rec.result.Windows[len(rec.result.Windows)-1]
	if h.search.Answer().Windows == 0 {
		if err := c.tooNear(w); err != nil {
			return err
		}
	}
	j := search.Judge(w, c.criteria, search.Conditions{Others: others.used(w)})
	h.search.Report(load, j)
	switch j.Verdict {
	case search.Holds:
		c.say("%s  %s %s: holds", h.transport, plainNumber(load), unitOf(c.plan.vary))
	case search.Breaks:
		c.say("%s  %s %s: breaks: %s", h.transport, plainNumber(load), unitOf(c.plan.vary), j.Text)
	default:
		c.say("%s  %s %s: can't be judged: %s", h.transport, plainNumber(load), unitOf(c.plan.vary), j.Text)
	}
	return c.keep()
}

// tooNear returns an error if the p99 that was asked for is shorter than a round trip.
func (c *capacity) tooNear(w *result.Window) error {
	if w.Calibration == nil || w.Calibration.RoundTrip == nil || w.Calibration.RoundTrip.Count() == 0 {
		return nil
	}
	if fast := w.Calibration.RoundTrip.Quantile(0); fast > c.plan.p99 {
		return usageError(fmt.Errorf("--p99 %v is shorter than a round trip to the server, which takes %v and more here: use a longer one", c.plan.p99, fast.Round(time.Microsecond)))
	}
	return nil
}

// point returns the point of a load, and adds it to the index if it is new.
func (c *capacity) point(load float64) result.Point {
	p, x := c.plan.point(load), &c.survey.index
	byLoad := func(a, b string) int {
		x, _ := strconv.ParseFloat(a, 64) // plainNumber has written them
		y, _ := strconv.ParseFloat(b, 64)
		return cmp.Compare(x, y)
	}
	i, known := slices.BinarySearchFunc(x.Points, p, func(a, b result.Point) int { return byLoad(a.Values[0], b.Values[0]) })
	if !known {
		x.Points = slices.Insert(x.Points, i, p)
		x.Axes[0].Values = slices.Insert(x.Axes[0].Values, i, p.Values[0])
	}
	return p
}

// keep writes the index with what was found so far.
func (c *capacity) keep() error {
	x := &c.survey.index
	x.Capacity.Found = nil
	for _, h := range c.hunts {
		x.Capacity.Found = append(x.Capacity.Found, h.found())
	}
	if err := result.WriteIndex(c.survey.dir, *x); err != nil {
		return fmt.Errorf("%w: free some space, or use --results with another disk", err)
	}
	return nil
}

// deliver draws and prints what was found.
func (c *capacity) deliver(out io.Writer, opts capacityOptions, failed error) error {
	if err := c.keep(); failed == nil {
		failed = err
	}
	return deliverCapacity(out, report.NewCapacity(c.survey.index, c.survey.results()), opts.colour, delivery{
		dir: c.survey.dir, data: opts.printJSON, show: c.survey.show, failed: failed,
	})
}

// deliverCapacity draws a capacity and prints it.
func deliverCapacity(out io.Writer, found report.Capacity, colour colouring, d delivery) error {
	if !found.Judged() {
		d.verdict = exitWith(exitDoubtful, "no transport could be judged: search again on a machine that is quiet, or for a longer --p99")
	}
	return d.of("capacity", found, out, colour).deliver(out)
}

// reportCapacity is runReport for the directory of a capacity.
func reportCapacity(cmd *cobra.Command, opts reportOptions, dir string, index result.Index) error {
	results, to, err := opts.again(cmd, dir, index, "a capacity has no --csv")
	if err != nil {
		return err
	}
	return deliverCapacity(cmd.OutOrStdout(), report.NewCapacity(index, results), opts.look.colour, to)
}
