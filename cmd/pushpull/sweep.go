package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/sweep"
	"pushpull/transports/store"
)

type sweepOptions struct {
	vary             []string
	within           result.Seconds
	goOn             string // --continue
	dry              bool
	scenario         scenarioOptions
	against          againstOptions
	access           accessOptions
	store            string
	servers          serversOptions
	agents           agentsOptions
	deliveries       float64
	destination      destination
	remarks          remarks
	markdown         string
	printJSON, quiet bool
	colour           colouring
}

func newSweepCommand() *cobra.Command {
	opts := sweepOptions{scenario: scenarioOptions{usual: loadgen.Builtins()[0]}}
	cmd := &cobra.Command{
		Use:   "sweep [SCENARIO]",
		Short: "Run a grid of scenarios, and map which transport is cheapest",
		Long: `Run a scenario with every combination of the values of some of its knobs, and show how latency
and cost depend on them, and which transport is the cheapest where.

--vary KEY=A,B,C names a knob and its values. It may be repeated for more knobs. The knobs are
` + strings.Join(sweep.Keys()[:len(sweep.Keys())-1], ", ") + ` and interval. The interval is the poll interval of the transports that
poll on a timer: it takes the place of the setting behind their @. The other transports don't
depend on it, so they are measured at the first interval alone, and that counts for all of them.

` + scenarioArgument + ` The default is chat. Flags override its values.

Each combination is a result of its own, in a directory below that of the sweep, beside index.json,
which lists them. In each round every combination is measured once, in an order drawn anew, so a
slow hour changes all of them alike. The number of windows and the time they will take are printed
before the first one; --dry-run prints only that.

Ctrl-C ends the window under way and keeps what was measured. --continue DIR measures what an
interrupted sweep lacks, and again what could not be measured or ended early. The result is that of
a sweep without an interruption. The scenario and its values are in the index, so nothing else is
given, except for --store if its address has a password.

` + aboutAccess + `

` + aboutForeign + `
With --continue, the flags that name servers are given again.

--deliveries keeps the load the same at all points: all users together get that many messages per second, however many
they are. The rate of each sender follows.

` + aboutAgents + ` With --agents auto each point has as many agents
and servers as it takes, unless --servers or --spread name them. --continue takes the same agents. --nats and the flags on its
credentials are given again.

--within names the delay that the p99 of delivery may not exceed. Then the cheapest transport is
chosen among those that hold it.

With users varied and rooms of one size, requests, store reads and bytes for a message must not
depend on the number of users. A change of more than 10% is a doubt, but not with --deliveries, where each user
has more polls and heartbeats for a message. CPU and memory may depend on it, so charts show them, those of the
generator too, and a line says how they change.

The first --vary is the x axis of the charts; the others make panels. With two, a map shows the
cheapest transport in between, too. With rate and users among them, costs are fitted, and another
map shows the cheapest transport for each rate and each delay that 99% of the messages may have,
where users poll as rarely as that allows. pushpull report DIR draws them again.

--json prints {"schema":1,"index":{...}, "points":[...],"growth":[...]}. A point has its values,
the transports that can be chosen, by their server CPU, as cheapest, and the rows of pushpull run
as transports. With --dry-run it is the index with the number of windows and the seconds they take.

Exit codes are those of pushpull run.`,
		Example: `  pushpull sweep chat --vary users=250,500,1000 --out results/growth
  pushpull sweep chat --vary rate=0.01,0.1,1 --vary interval=1s,5s,30s --within 10s
  pushpull sweep idle --vary users=1000,50000 --room-size 100 --deliveries 15000 --agents auto
  pushpull sweep rooms --vary room-size=2,10,50 --dry-run
  pushpull sweep --continue results/growth`,
		Args:              operands,
		ValidArgsFunction: completeScenario,
		RunE:              func(cmd *cobra.Command, args []string) error { return runSweep(cmd.Context(), cmd, opts, args) },
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *sweepOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupGrid, func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.vary, "vary", nil, "`KEY=VALUES` a knob to vary and its values, like users=250,500; repeat it for more knobs")
		f.Var(&o.within, "within", "`TIME` p99 of delivery that a transport must hold to be chosen, like 1s")
		f.Lookup("within").DefValue = ""
		f.StringVar(&o.goOn, "continue", "", "`DIR` go on with the interrupted sweep in that directory")
		f.BoolVar(&o.dry, "dry-run", false, "print the combinations and the time they take, and measure nothing")
	})
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		f.StringVar(&o.store, "store", "", "`ADDRESS` where the servers keep messages (default "+store.Default+")")
		o.servers.addFlags(f)
		o.access.addFlags(f)
		o.against.addFlags(f)
	})
	grouped(f, groupAgents, o.agents.addFlags)
	o.scenario.addFlags(f)
	grouped(f, groupLoad, func(f *pflag.FlagSet) {
		floatVar(f, &o.deliveries, "deliveries", "`PER-SECOND` messages that all users together get at each point, which set the rate of each sender")
	})
	grouped(f, groupOutput, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.colour.addFlag(f)
	})
	grouped(f, groupCI, func(f *pflag.FlagSet) {
		f.StringVar(&o.markdown, "markdown", "", "`FILE` write which transport is cheapest at each point, in Markdown")
	})
}

func runSweep(ctx context.Context, cmd *cobra.Command, opts sweepOptions, args []string) error {
	var g *grid
	var err error
	if opts.goOn != "" {
		g, err = opts.again(cmd, args)
	} else if g, err = opts.plan(cmd, args); err != nil {
		err = usageError(err)
	}
	if err != nil {
		return err
	}
	if err := g.place(opts.agents); err != nil {
		return err
	}
	s := &survey{
		index: g.index, against: g.against, servers: serversOf(g.index.Scenario), store: g.index.Scenario.Store, begun: g.index.Started,
		access: described(g.index.Scenario),
		show:   newProgress(cmd.ErrOrStderr(), opts.quiet, false, opts.colour),
	}
	if opts.goOn != "" {
		s.dir = opts.goOn
		if opts.dry {
			s.peek()
		} else if err := s.resume(); err != nil {
			return err
		}
		defer s.close()
	}
	if opts.markdown != "" {
		if err := tryFile(opts.markdown, true); err != nil {
			return fmt.Errorf("writing --markdown %s: %w: name a file that can be written", opts.markdown, err)
		}
	}
	turns := s.missing(g)
	if opts.dry {
		return opts.announce(cmd.OutOrStdout(), g, turns)
	}
	if !opts.quiet {
		fmt.Fprint(cmd.ErrOrStderr(), g.ahead(turns))
	}
	if len(turns) > 0 {
		g.against.remark(cmd.ErrOrStderr())
		if err := g.against.reach(ctx); err != nil {
			return err
		}
	}
	if len(turns) > 0 && measuresOwn(g.index.Scenario.Transports) {
		if err := s.access.findProxy(); err != nil {
			return err
		}
		if s.backing, err = openBacking(ctx, []string{g.store}); err != nil {
			return err
		}
		defer s.backing.close()
	}
	made := false
	if opts.goOn == "" {
		if s.dir, made, err = opts.destination.makeIndex(g.index.Scenario.Name+"-sweep", g.index); err != nil {
			return err
		}
		defer s.close()
	}
	measuring := s.sweep(ctx, g, turns)
	s.show.end()
	return opts.deliver(ctx, cmd.OutOrStdout(), s, made, measuring)
}

// makeIndex creates the directory of several results, and writes their index.
func (d destination) makeIndex(name string, index result.Index) (dir string, made bool, err error) {
	if d.out != "" {
		for _, file := range []string{result.IndexFile, result.File} {
			if _, err := os.Lstat(filepath.Join(d.out, file)); err == nil {
				return "", false, fmt.Errorf("%s holds a result already: use --out with another directory", d.out)
			}
		}
	}
	if dir, made, err = d.make(name, index.Started); err != nil {
		return "", false, err
	}
	if err := result.WriteIndex(dir, index); err != nil {
		if made {
			os.Remove(dir)
		}
		return "", false, fmt.Errorf("%w: use --results with a directory that can be written", err)
	}
	return dir, made, nil
}

// peek reads what was measured as resume does, and changes nothing.
func (s *survey) peek() {
	for _, p := range s.index.Points {
		res, _ := result.Open(filepath.Join(s.dir, filepath.FromSlash(p.Dir))) // resume reports what can't be read
		if res == nil {
			continue
		}
		res.Windows = slices.DeleteFunc(res.Windows, func(w result.Window) bool { return w.Failed != "" || w.Interrupted })
		s.keep(p.Dir, &recorder{result: *res})
	}
}

// missing returns the turns of the grid that lack a window.
func (s *survey) missing(g *grid) (turns []sweep.Turn) {
	for _, t := range sweep.Order(len(g.points), g.index.Scenario.Rounds, g.index.Scenario.Seed) {
		if len(s.lacks(g.points[t.Point], t.Round)) > 0 {
			turns = append(turns, t)
		}
	}
	return turns
}

// lacks returns the transports of a point that were not measured in a round.
func (s *survey) lacks(p sweep.Point, round int) []string {
	return slices.DeleteFunc(s.access.measurable(p.Scenario, s.against), func(transport string) bool {
		return s.done(p.Point, transport, round)
	})
}

// sweep measures the turns.
func (s *survey) sweep(ctx context.Context, g *grid, turns []sweep.Turn) error {
	begun := time.Now()
	whole := g.left(turns)
	for i, t := range turns {
		left := g.left(turns[i:])
		if done := whole - left; done > 0 { // this machine is faster or slower than the estimate
			left = time.Duration(float64(left) * float64(time.Since(begun)) / float64(done))
		}
		p := g.points[t.Point]
		scenario := p.Scenario
		scenario.Transports = s.lacks(p, t.Round)
		if s.recorders[p.Dir] == nil {
			scenario.Transports = p.Scenario.Transports // the result lists all of them
		}
		if err := s.measure(ctx, turn{point: p.Point, scenario: scenario, round: t.Round, turns: len(turns), left: left, on: g.placed[t.Point]}); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}
