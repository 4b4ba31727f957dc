package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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
	"pushpull/report"
	"pushpull/report/claims"
	"pushpull/transports/store"
	"pushpull/transports/typo"
)

type claimsOptions struct {
	from             string
	rounds           int
	quick            bool
	destination      destination
	remarks          remarks
	markdown         string
	printJSON, quiet bool
	colour           colouring
}

func newClaimsCommand() *cobra.Command {
	var opts claimsOptions
	cmd := &cobra.Command{
		Use:   "claims [CLAIM...]",
		Short: "Measure again what others have claimed",
		Long: `Measure again what others have claimed about polling, long polling, server-sent events and WebSockets,
and judge each claim by what comes out. Without a name all of them are measured, which takes about ten
minutes:

` + aboutClaims() + `

The page has the words and the source of each claim, its set-up as near as pushpull can come, what comes
out, and why it differs. Figures for loads that were not measured are marked as derived.

` + claims.Rule + `

Each load is a result of its own, in a directory below that of the claims, beside index.json. Claims that
need the same load share it. In several --rounds the loads take turns, in an order drawn anew. A claim
about browsers needs Chromium in the PATH.

Ctrl-C ends the window under way and keeps what was measured. pushpull report DIR and --from DIR judge and
draw again from the files alone.

Exit code 4 means that a claim could not be judged, as a window that it needs is missing or is not to be
believed. A claim that does not hold is a finding, not an error.`,
		Example: `  pushpull claims
  pushpull claims quantum transits --out results/tables
  pushpull claims --from results/claims --markdown claims.md`,
		Args:              operands,
		ValidArgsFunction: completeClaim,
		RunE:              func(cmd *cobra.Command, args []string) error { return runClaims(cmd.Context(), cmd, opts, args) },
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// aboutClaims returns a line of help for each claim.
func aboutClaims() string {
	var lines []string
	for _, c := range claims.List() {
		lines = append(lines, fmt.Sprintf("  %-14s %s", c.Name, c.Title))
	}
	return strings.Join(lines, "\n")
}

func completeClaim(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	for _, c := range claims.List() {
		all = append(all, cobra.CompletionWithDesc(c.Name, c.Title))
	}
	return begun(once(args, all), typed)
}

func (o *claimsOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupMeasurement, func(f *pflag.FlagSet) {
		intVar(f, &o.rounds, "rounds", 1, "`N` how many times every load is measured")
		f.BoolVar(&o.quick, "quick", false, "see how it works: with a tenth of the users, in short windows, which judge nothing")
		f.StringVar(&o.from, "from", "", "`DIR` measure nothing, and judge what was measured there")
	})
	grouped(f, groupOutput, o.destination.addFlags, o.remarks.addFlags, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the table")
		f.StringVar(&o.markdown, "markdown", "", "`FILE` write a table with a line for each claim, in Markdown")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
		o.colour.addFlag(f)
	})
}

// chosen returns the claims that are named, or all of them.
func chosenClaims(names []string) ([]claims.Claim, error) {
	if len(names) == 0 {
		return claims.List(), nil
	}
	var all []claims.Claim
	for i, name := range names {
		claim, ok := claims.Find(name)
		switch {
		case !ok:
			return nil, typo.Unknown("claim", name, claims.Names())
		case slices.Contains(names[:i], name):
			return nil, fmt.Errorf("the claim %s is there twice: leave one out", name)
		}
		all = append(all, claim)
	}
	return all, nil
}

// A claimCase is a load to be measured.
type claimCase struct {
	claims.Case
	scenario loadgen.Scenario
}

// cases returns the loads of the claims.
func (o *claimsOptions) cases(all []claims.Claim) (cases []claimCase, err error) {
	for _, c := range claims.Cases(all) {
		source, err := c.Scenario()
		if err != nil {
			return nil, err
		}
		s, err := loadgen.Parse(c.Name+".yaml", source)
		if err != nil {
			return nil, err
		}
		if o.quick {
			s = hastened(s)
		}
		s.TLS, s.HTTP = c.TLS, c.HTTP
		cases = append(cases, claimCase{c, s})
	}
	return cases, nil
}

// hastened returns the scenario with a tenth of the users, who send ten times as often, in a short window.
func hastened(s loadgen.Scenario) loadgen.Scenario {
	room := s.RoomSize
	if room == 0 {
		room = 2
	}
	s.Users = max(1, s.Users/10/room) * room
	s.Rate *= 10 // else hardly any would send
	s.Warmup, s.Duration = min(s.Warmup, .2), min(s.Duration, .3)
	return s
}

func runClaims(ctx context.Context, cmd *cobra.Command, opts claimsOptions, args []string) error {
	if opts.from != "" {
		return opts.again(cmd, args)
	}
	all, err := chosenClaims(args)
	if err != nil {
		return usageError(err)
	}
	if opts.rounds < 1 || opts.rounds > 100 {
		return usageError(fmt.Errorf("--rounds must be 1 to 100, not %d", opts.rounds))
	}
	note, tags, err := opts.remarks.parse()
	if err != nil {
		return usageError(err)
	}
	cases, err := opts.cases(all)
	if err != nil {
		return err
	}
	for _, c := range cases {
		if err := loadgen.CheckLimits(c.scenario, loadgen.Layout{}); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	if err := opts.tryMarkdown(); err != nil {
		return err
	}
	m := &claiming{
		claims: all, cases: cases, rounds: opts.rounds,
		survey: survey{
			servers: serversOptions{n: 1}, against: &foreigns{}, store: store.Kind(store.Default), begun: time.Now().UTC().Truncate(time.Second),
			show: newProgress(cmd.ErrOrStderr(), opts.quiet, false, opts.colour),
		},
	}
	m.survey.index = result.Index{
		Schema: result.Schema, Kind: result.KindClaims, Started: m.survey.begun, Command: commandLine(cmd, args), Note: note, Tags: tags,
		Scenario: result.Scenario{Rounds: opts.rounds}, Claims: &result.Claims{Quick: opts.quick},
	}
	for _, c := range all {
		m.survey.index.Claims.Names = append(m.survey.index.Claims.Names, c.Name)
	}
	for _, c := range cases {
		m.survey.index.Points = append(m.survey.index.Points, result.Point{Dir: c.Name, Values: []string{}})
	}
	if m.survey.backing, err = openBacking(ctx, []string{store.Default}); err != nil {
		return err
	}
	defer m.survey.backing.close()
	made := false
	if m.survey.dir, made, err = opts.destination.makeIndex("claims", m.survey.index); err != nil {
		return err
	}
	measuring := m.measure(ctx)
	m.survey.show.end()
	m.survey.close()
	if !m.survey.worked && len(m.survey.index.Claims.Browsed) == 0 {
		os.Remove(filepath.Join(m.survey.dir, result.IndexFile))
		if made {
			os.Remove(m.survey.dir) // fails if it is not empty
		}
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted before anything was measured")
		case measuring == nil:
			return exitWith(exitDoubtful, "nothing could be judged: %s", m.survey.index.Claims.Lacking)
		}
		return measuring
	}
	if ctx.Err() != nil {
		measuring = fmt.Errorf("interrupted: what was measured is in %s", m.survey.dir)
	}
	if err := result.WriteIndex(m.survey.dir, m.survey.index); err != nil {
		measuring = errors.Join(measuring, err)
	}
	return opts.deliver(cmd.OutOrStdout(), report.NewClaims(m.survey.index, m.survey.results()), delivery{
		dir: m.survey.dir, show: m.survey.show, failed: measuring,
	})
}

// A claiming measures the loads of claims.
type claiming struct {
	claims []claims.Claim
	cases  []claimCase
	rounds int
	survey survey
}

// measure measures all loads, in an order drawn anew for each round, and then what a browser does. If ctx ends, what was measured is
// kept.
func (m *claiming) measure(ctx context.Context) error {
	var turns []turn
	for round := 1; round <= m.rounds; round++ {
		for _, i := range rand.New(rand.NewPCG(1, uint64(round))).Perm(len(m.cases)) {
			c := m.cases[i]
			turns = append(turns, turn{point: result.Point{Dir: c.Name, Values: []string{}}, scenario: c.scenario, round: round})
		}
	}
	windows, ended := 0, 0
	left := time.Duration(0)
	for _, t := range turns {
		windows += len(t.scenario.Transports)
		left += sweep.Estimate(t.scenario, 0)
	}
	for _, t := range turns {
		// Turns have different numbers of windows, so those of this one are counted as if all had as many.
		t.turns, t.left = (windows-ended)/len(t.scenario.Transports)+m.survey.turns, left
		m.survey.access = variant{tls: t.scenario.TLS, http: t.scenario.HTTP}
		if err := m.survey.measure(ctx, t); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		ended += len(t.scenario.Transports)
		left -= sweep.Estimate(t.scenario, 0)
	}
	if slices.ContainsFunc(m.claims, func(c claims.Claim) bool { return c.Browse }) {
		return m.browse(ctx)
	}
	return nil
}

// again judges and draws what was measured before.
func (o *claimsOptions) again(cmd *cobra.Command, args []string) error {
	index, err := result.ReadIndex(o.from)
	switch {
	case err != nil:
		return err
	case index.Kind != result.KindClaims:
		return usageError(fmt.Errorf("%s holds a %s: name a directory that pushpull claims has written", o.from, index.Kind))
	}
	if len(args) > 0 {
		if _, err := chosenClaims(args); err != nil {
			return usageError(err)
		}
		for _, name := range args {
			if !slices.Contains(index.Claims.Names, name) {
				return usageError(fmt.Errorf("%s was not measured in %s: it has %s", name, o.from, strings.Join(index.Claims.Names, ", ")))
			}
		}
		index.Claims.Names = args
	}
	if err := o.tryMarkdown(); err != nil {
		return err
	}
	results, err := openPoints(cmd.ErrOrStderr(), o.from, index)
	if err != nil {
		return err
	}
	d := delivery{dir: o.destination.out}
	if d.dir != "" {
		if err := os.MkdirAll(d.dir, 0o755); err != nil {
			return fmt.Errorf("creating the directory: %w: use --out with one that can be written", err)
		}
	}
	return o.deliver(cmd.OutOrStdout(), report.NewClaims(index, results), d)
}

// tryMarkdown returns an error if the file of --markdown can't be written.
func (o *claimsOptions) tryMarkdown() error {
	if o.markdown == "" {
		return nil
	}
	if err := tryFile(o.markdown, true); err != nil {
		return fmt.Errorf("writing --markdown %s: %w: name a file that can be written", o.markdown, err)
	}
	return nil
}

// deliver writes the files of what was found, and prints it.
func (o *claimsOptions) deliver(out io.Writer, found report.Claims, d delivery) error {
	if o.markdown != "" {
		if err := replaceFile(o.markdown, func(w io.Writer) error { return found.Markdown(w) }); err != nil {
			d.failed = errors.Join(d.failed, fmt.Errorf("writing --markdown %s: %w: name a file that can be written", o.markdown, err))
		}
	}
	d.data = o.printJSON
	return deliverClaims(out, found, o.colour, d)
}

// deliverClaims draws claims and prints them.
func deliverClaims(out io.Writer, found report.Claims, colour colouring, d delivery) error {
	if why := found.Unjudged(); why != "" {
		d.verdict = exitWith(exitDoubtful, "%s", why)
	}
	return d.of("claims", found, out, colour).deliver(out)
}

// reportClaims is runReport for the directory of claims.
func reportClaims(cmd *cobra.Command, opts reportOptions, dir string, index result.Index) error {
	results, to, err := opts.again(cmd, dir, index, "claims have no --csv")
	if err != nil {
		return err
	}
	return deliverClaims(cmd.OutOrStdout(), report.NewClaims(index, results), opts.look.colour, to)
}
