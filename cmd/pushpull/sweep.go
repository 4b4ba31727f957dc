package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/sweep"
	"pushpull/report"
	"pushpull/report/text"
	"pushpull/transports"
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

--within names the delay that the p99 of delivery may not exceed. Then the cheapest transport is
chosen among those that hold it.

With users varied and rooms of one size, requests, store reads and bytes for a message must not
depend on the number of users. A change of more than 10% is a doubt.

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
	o.scenario.addFlags(f)
	grouped(f, groupOutput, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.colour.addFlag(f)
	})
	grouped(f, groupCI, func(f *pflag.FlagSet) {
		f.StringVar(&o.markdown, "markdown", "", "`FILE` write which transport is cheapest at each point, in Markdown")
	})
}

// A grid is a sweep before it is measured.
type grid struct {
	index  result.Index
	points []sweep.Point
	store  string // address

	against *foreigns // servers of the scenarios' transports
}

// windows returns how many windows a round of the grid has.
func (g *grid) windows() (n int) {
	for _, p := range g.points {
		n += len(g.measured(p).Transports)
	}
	return n
}

// left estimates how long the turns take.
func (g *grid) left(turns []sweep.Turn) (d time.Duration) {
	for _, t := range turns {
		d += sweep.Estimate(g.measured(g.points[t.Point]), g.against.all()...)
	}
	return d
}

// measured returns the scenario of a point with the transports that are measured.
func (g *grid) measured(p sweep.Point) loadgen.Scenario {
	s := p.Scenario
	s.Transports = described(g.index.Scenario).measurable(s, g.against)
	return s
}

// plan returns the grid that the flags describe.
func (o *sweepOptions) plan(cmd *cobra.Command, args []string) (*grid, error) {
	against, err := o.against.parse(nil)
	if err != nil {
		return nil, err
	}
	o.scenario.against = against
	scenario, err := o.scenario.scenario(cmd.Flags(), args)
	if err != nil {
		return nil, err
	}
	if against.only && (o.store != "" || o.servers.given()) {
		return nil, errors.New("--only-against leaves out pushpull's own server: leave out --store and --servers")
	}
	own := measuresOwn(scenario.Transports)
	if err := o.access.validate(own, false); err != nil {
		return nil, err
	}
	axes, err := sweep.Parse(scenario, o.vary, against.all()...)
	if err != nil {
		return nil, fmt.Errorf("bad --vary: %w", err)
	}
	for _, axis := range axes {
		if k := strings.ReplaceAll(axis.Key, "_", "-"); cmd.Flags().Changed(k) {
			return nil, fmt.Errorf("--%s and --vary %s both set it: leave out --%s", k, axis.Key, k)
		}
	}
	note, tags, err := o.remarks.parse()
	if err != nil {
		return nil, err
	}
	if o.within < 0 || cmd.Flags().Changed("within") && o.within == 0 {
		return nil, fmt.Errorf("--within must be more than 0, not %v", o.within)
	}
	g := &grid{
		store: cmp.Or(o.store, store.Default), against: against,
		index: result.Index{
			Schema: result.Schema, Kind: result.KindSweep, Started: time.Now().UTC().Truncate(time.Second),
			Command: commandLine(cmd, args), Note: note, Tags: tags,
			Scenario: result.Scenario(scenario), WithinS: float64(o.within), Axes: axes,
		},
	}
	o.servers.describe(&g.index.Scenario, store.Kind(g.store))
	access := o.access.variant()
	access.network = scenario.Network
	access.describe(&g.index.Scenario, own)
	if lacking := access.lacking(scenario, against); len(lacking) == len(scenario.Transports) {
		return nil, fmt.Errorf("transports can't be used, as none is left to be measured: %s", lacking[0].Why)
	}
	if transports.Redacted(g.store) == g.store {
		g.index.Store = g.store
	}
	if err := o.servers.validate(g.store); err != nil {
		return nil, err
	}
	return g, g.combine()
}

// combine makes the points of the grid out of its index.
func (g *grid) combine() (err error) {
	if g.points, err = sweep.Points(loadgen.Scenario(g.index.Scenario), g.index.Axes, g.against.all()...); err != nil {
		return fmt.Errorf("bad --vary: %w", err)
	}
	g.index.Points = nil
	for _, p := range g.points {
		g.index.Points = append(g.index.Points, p.Point)
	}
	return nil
}

// again returns the grid of an interrupted sweep.
func (o *sweepOptions) again(cmd *cobra.Command, args []string) (*grid, error) {
	var given []string
	if len(args) > 0 {
		given = append(given, args[0])
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"continue", "store", "against", "dialect", "dry-run", "json", "quiet", "color", "markdown"}, f.Name) {
			given = append(given, "--"+f.Name)
		}
	})
	if len(given) > 0 {
		return nil, usageError(fmt.Errorf("--continue goes on with the scenario and flags of its index: leave out %s", strings.Join(given, ", ")))
	}
	index, err := result.ReadIndex(o.goOn)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usageError(fmt.Errorf("%s holds no %s: name the directory of a sweep", o.goOn, result.IndexFile))
	case err != nil:
		return nil, err
	case index.Kind != result.KindSweep:
		return nil, usageError(fmt.Errorf("%s holds a %s, not a sweep: name the directory of a sweep", o.goOn, index.Kind))
	}
	against, err := o.against.parse(nil)
	if err != nil {
		return nil, usageError(err)
	}
	against.only = !measuresOwn(index.Scenario.Transports)
	if _, err := against.resolved(loadgen.Scenario(index.Scenario)); err != nil {
		return nil, usageError(fmt.Errorf("the index of the sweep: %w", err))
	}
	g := &grid{index: index, store: cmp.Or(o.store, index.Store), against: against}
	if g.store == "" && index.Scenario.NotableStore() != "" {
		return nil, usageError(fmt.Errorf("the index holds no secrets: give the address of the %s store with --store again", index.Scenario.Store))
	}
	if g.store = cmp.Or(g.store, store.Default); store.Kind(g.store) != index.Scenario.StoreKind() {
		return nil, usageError(fmt.Errorf("--store must be one of %s, as before", index.Scenario.StoreKind()))
	}
	if err := serversOf(index.Scenario).validate(g.store); err != nil {
		return nil, usageError(err)
	}
	if err := g.combine(); err != nil {
		return nil, fmt.Errorf("%s: not the index of a sweep: %w", filepath.Join(o.goOn, result.IndexFile), err)
	}
	if !reflect.DeepEqual(g.index.Points, index.Points) {
		return nil, fmt.Errorf("%s: its points are not the combinations of its axes: measure the sweep anew", filepath.Join(o.goOn, result.IndexFile))
	}
	return g, nil
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
	for _, p := range g.points {
		if err := loadgen.CheckLimits(p.Scenario, serversOf(g.index.Scenario).layout(described(g.index.Scenario), g.against)); err != nil {
			return fmt.Errorf("%s: %w", p.Dir, err)
		}
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
		if err := s.measure(ctx, turn{point: p.Point, scenario: scenario, round: t.Round, turns: len(turns), left: left}); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ahead says what is ahead in a line.
func (g *grid) ahead(turns []sweep.Turn) string {
	var axes []string
	for _, a := range g.index.Axes {
		axes = append(axes, fmt.Sprintf("%d of %s", len(a.Values), strings.ReplaceAll(a.Key, "_", " ")))
	}
	windows := g.windows() * g.index.Scenario.Rounds
	words := fmt.Sprintf("%s (%s) in %s: %s", text.Plural(len(g.points), "combination", "combinations"), strings.Join(axes, ", "),
		text.Plural(g.index.Scenario.Rounds, "round", "rounds"), text.Plural(windows, "window", "windows"))
	all := len(g.points) * g.index.Scenario.Rounds
	switch {
	case len(turns) == 0:
		return words + ", all of them measured\n"
	case len(turns) < all:
		words += fmt.Sprintf(", %d of %d turns are measured", all-len(turns), all)
	}
	return words + ", about " + span(g.left(turns)) + "\n"
}

// span writes a length of time that may be hours: "about 3 h 20 min".
func span(d time.Duration) string {
	switch minutes := int(d.Round(time.Minute).Minutes()); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", max(1, d.Seconds()))
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	default:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	}
}

// announce prints what --dry-run does.
func (o *sweepOptions) announce(out io.Writer, g *grid, turns []sweep.Turn) error {
	var err error
	if o.printJSON {
		err = json.NewEncoder(out).Encode(struct {
			Schema  int          `json:"schema"`
			Index   result.Index `json:"index"`
			Windows int          `json:"windows"`
			Seconds float64      `json:"seconds"` // estimate for what was not measured yet
		}{result.Schema, g.index, g.windows() * g.index.Scenario.Rounds, g.left(turns).Seconds()})
	} else {
		_, err = io.WriteString(out, g.ahead(turns))
	}
	return errors.Join(err, flush(out))
}

// deliver draws and prints what the survey has measured. measuring is what ended it early; nil: nothing.
func (o *sweepOptions) deliver(ctx context.Context, out io.Writer, s *survey, made bool, measuring error) error {
	results := s.results()
	windows := 0
	for _, res := range results {
		if res != nil {
			windows += len(result.Measured(res.Windows))
		}
	}
	if windows == 0 {
		s.close()
		if o.goOn == "" { // a directory without a result must be fit for the next sweep
			os.Remove(filepath.Join(s.dir, result.IndexFile))
		}
		if made {
			os.Remove(s.dir)
		}
		if ctx.Err() != nil {
			return errors.New("interrupted before anything was measured")
		}
		return measuring
	}
	if ctx.Err() != nil {
		measuring = fmt.Errorf("interrupted: %d windows were measured: go on with pushpull sweep --continue %s", windows, s.dir)
	}
	set := report.NewSet(s.index, results)
	kept := "the results are in " + s.dir + ", pushpull report prints and draws them"
	d := deliverySet(set, s.dir, o.printJSON, kept, o.colour)
	d.show, d.failed, d.kept = s.show, errors.Join(measuring, d.failed), kept
	if o.markdown != "" {
		if err := replaceFile(o.markdown, func(w io.Writer) error { return report.SetMarkdown(w, set) }); err != nil {
			d.failed = errors.Join(d.failed, fmt.Errorf("writing --markdown %s: %w: name a file that can be written", o.markdown, err))
		}
	}
	if doubt := set.Doubtful(); doubt != "" {
		d.verdict = exitWith(exitDoubtful, "measured, but not to be believed: %s", doubt)
	}
	if o.printJSON && d.failed == nil {
		defer s.show.kept(s.dir)
	}
	return d.deliver(out)
}

// deliverySet draws a set into dir, and returns how it is printed. kept ends the error if it can't be drawn.
func deliverySet(set report.Set, dir string, data bool, kept string, colour colouring) delivery {
	d := delivery{what: "sweep", data: true}
	if err := report.WriteSet(dir, set); err != nil {
		d.failed = err
		if kept != "" {
			d.failed = fmt.Errorf("%w: %s", err, kept)
		}
	}
	d.print = func(out io.Writer) error {
		if data {
			return report.SetJSON(out, set)
		}
		err := report.SetTable(out, colour.screen(out), set)
		if err == nil && d.failed == nil {
			_, err = fmt.Fprintf(out, "\n%s\n", filepath.Join(dir, report.Page))
		}
		return err
	}
	return d
}

// reportSweep is runReport for a sweep.
func reportSweep(cmd *cobra.Command, opts reportOptions, dir string, index result.Index) error {
	var results []*result.Result
	var runs []report.Run
	for _, p := range index.Points {
		path := filepath.Join(dir, filepath.FromSlash(p.Dir))
		if _, err := os.Stat(filepath.Join(path, result.File)); errors.Is(err, fs.ErrNotExist) {
			results = append(results, nil) // it was not measured yet
			continue
		}
		res, err := openResult(cmd.ErrOrStderr(), path)
		if err != nil {
			return err
		}
		results, runs = append(results, res), append(runs, report.NewRun(p.Dir, res))
	}
	if len(runs) == 0 {
		return fmt.Errorf("%s: nothing was measured: go on with pushpull sweep --continue %s", dir, dir)
	}
	out := cmd.OutOrStdout()
	if opts.printCSV && opts.out == "" {
		return delivery{what: "report", data: true, print: func(io.Writer) error { return report.CSV(out, runs...) }}.deliver(out)
	}
	set := report.NewSet(index, results)
	if opts.printJSON && opts.out == "" {
		return delivery{what: "report", data: true, print: func(io.Writer) error { return report.SetJSON(out, set) }}.deliver(out)
	}
	into := cmp.Or(opts.out, dir)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return fmt.Errorf("creating the directory: %w: use --out with one that can be written", err)
	}
	d := deliverySet(set, into, opts.printJSON, "", opts.look.colour)
	if opts.printCSV {
		d.print = func(io.Writer) error { return report.CSV(out, runs...) }
	}
	return d.deliver(out)
}
