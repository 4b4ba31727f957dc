package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
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
	"pushpull/report/text"
	"pushpull/transports"
	"pushpull/transports/store"
)

// A grid is a sweep before it is measured.
type grid struct {
	index  result.Index
	points []sweep.Point
	placed []placement // of the points; set by place
	store  string      // address

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
		d += sweep.Estimate(g.measured(g.points[t.Point]), g.placed[t.Point].agents.number, g.against.all()...)
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
		return nil, errors.New("--only-against leaves out pushpull's own server: leave out --store, --servers and --heartbeat")
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
	if err := o.checkDeliveries(cmd.Flags(), axes); err != nil {
		return nil, err
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
			Scenario: result.Scenario(scenario), WithinS: float64(o.within), Axes: axes, DeliveriesPerS: o.deliveries,
		},
	}
	o.servers.describe(&g.index.Scenario, store.Kind(g.store))
	o.agents.describe(&g.index)
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

// checkDeliveries returns an error unless the rate of each sender can follow from --deliveries, if it is given.
func (o *sweepOptions) checkDeliveries(flags *pflag.FlagSet, axes []result.Axis) error {
	switch {
	case !flags.Changed("deliveries"):
		return nil
	case !(o.deliveries > 0) || math.IsInf(o.deliveries, 0): // no NaN
		return fmt.Errorf("--deliveries must be more than 0, not %v", o.deliveries)
	case flags.Changed("rate"):
		return errors.New("--deliveries sets the rate of each sender: leave out --rate")
	case slices.ContainsFunc(axes, func(a result.Axis) bool { return a.Key == "rate" }):
		return errors.New("--deliveries sets the rate of each sender: leave out --vary rate")
	}
	return nil
}

// place finds out which servers and agents carry each point, and returns an error unless they can.
func (g *grid) place(agents agentsOptions) error {
	without := map[string]string{}
	if len(g.against.all()) > 0 {
		without["against"] = withoutAgainst
	}
	for _, p := range g.points {
		on := placement{serversOf(g.index.Scenario), agents}
		err := on.agents.settle(p.Scenario, &on.servers, false)
		if err == nil {
			if err := errors.Join(on.agents.validate(p.Scenario, without), on.servers.validate(g.store)); err != nil {
				return usageError(fmt.Errorf("%s: %w", p.Dir, err))
			}
			layout := on.servers.layout(described(g.index.Scenario), g.against)
			layout.Agents, layout.Elsewhere = on.agents.number, on.agents.place.URL != ""
			layout.Scalable = len(without) == 0
			err = loadgen.CheckLimits(p.Scenario, layout)
		}
		if err != nil {
			return g.advise(p, err)
		}
		g.placed = append(g.placed, on)
	}
	return nil
}

// advise names the point that does not fit. Its error may advise another number of users, which no flag sets where they are
// varied.
func (g *grid) advise(p sweep.Point, err error) error {
	if !slices.ContainsFunc(g.index.Axes, func(a result.Axis) bool { return a.Key == "users" }) {
		return fmt.Errorf("%s: %w", p.Dir, err)
	}
	return exitWith(exitCode(err), "%s: %s", p.Dir, strings.ReplaceAll(err.Error(), "--users ", "--vary users up to "))
}

// combine makes the points of the grid out of its index.
func (g *grid) combine() (err error) {
	if g.points, err = sweep.Points(loadgen.Scenario(g.index.Scenario), g.index.Axes, g.index.DeliveriesPerS, g.against.all()...); err != nil {
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
	again := []string{"continue", "store", "against", "dialect", "dry-run", "json", "quiet", "color", "markdown"}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(again, f.Name) && !strings.HasPrefix(f.Name, "nats") {
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
	if err := o.agents.resume(index); err != nil {
		return nil, usageError(err)
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
