package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
)

// A survey measures the points of an index, each into a result of its own. Windows are on the disk as they
// end, so an interrupted survey can go on: see resume.
type survey struct {
	dir     string
	index   result.Index
	backing *backing
	servers serversOptions
	against *foreigns // that are measured too
	show    *progress
	begun   time.Time
	store   string  // its kind, for the results
	access  variant // how users reach the servers, over the network of each scenario

	// prepare changes the side of a window; nil: nothing is changed.
	prepare func(loadgen.Side) loadgen.Side

	// watch is called with each progress of a window, by one goroutine at a time; nil: it is not
	watch func(loadgen.Progress)

	recorders map[string]*recorder // by the directory of their point
	turns     int                  // that have begun
	worked    bool                 // a window was measured
}

// A turn is some windows of one point: each transport of its scenario once, in an order drawn from the seed.
type turn struct {
	point    result.Point
	scenario loadgen.Scenario // of the point, with the transports of the turn
	round    int              // from 1

	turns int           // of the whole survey; 0: unknown
	left  time.Duration // estimate for this turn and all after it; 0: unknown

	on placement // which processes carry it; the zero value: the servers of the survey, and this process
}

// A placement is the processes that carry the load of a point.
type placement struct {
	servers serversOptions
	agents  agentsOptions
}

// serversFor returns the servers of a turn.
func (s *survey) serversFor(t turn) serversOptions {
	if t.on.servers.n > 0 {
		return t.on.servers
	}
	return s.servers
}

// name returns what is shown of the point.
func (t turn) name() string { return filepath.Base(filepath.FromSlash(t.point.Dir)) }

// order returns the transports in an order of the turn's own. That of loadgen.Run depends on the round, so that a
// transport would have the same neighbours at all points of a round.
func (t turn) order() []string {
	point := fnv.New64a()
	point.Write([]byte(t.point.Dir))
	transports := slices.Clone(t.scenario.Transports)
	rand.New(rand.NewPCG(t.scenario.Seed^point.Sum64(), uint64(t.round))).Shuffle(len(transports), func(i, j int) {
		transports[i], transports[j] = transports[j], transports[i]
	})
	return transports
}

// measure measures a turn. A window that can't be measured is recorded as such, and costs that window, unless none
// could be measured before it. If ctx ends, the window under way ends early, and the error is the cause of ctx.
func (s *survey) measure(ctx context.Context, t turn) error {
	rec, err := s.recorder(t)
	if err != nil {
		return err
	}
	s.turns++
	one := t.scenario
	one.Rounds = 1
	one.Transports = t.order()
	access := s.accessOf(one)
	// Another turn may need another number of agents.
	crowd, err := t.on.agents.gather(ctx, true)
	if err != nil {
		return err
	}
	defer crowd.close()
	var sides []loadgen.Side
	if measuresOwn(one.Transports) {
		side := s.backing.side(0, s.serversFor(t), serverCommand(one))
		side.Name = t.name()
		if err := access.front(&side, &s.backing.authority); err != nil {
			return err
		}
		if s.prepare != nil {
			side = s.prepare(side)
		}
		if crowd.team != nil {
			side.Team = crowd.team
		}
		sides = append(sides, side)
	}
	measured := map[string]bool{}
	begun := time.Now()
	err = loadgen.Run(ctx, loadgen.Options{
		Scenario: one, Sides: access.reachAll(sides), Against: access.reachAll(s.against.all()), First: t.round,
		Progress: func(now loadgen.Progress) {
			if ctx.Err() != nil {
				s.show.stopping()
				now.Phase = "stopping"
			}
			if isForeign(now.Transport) {
				now.Side = t.name()
			}
			if s.watch != nil {
				s.watch(now)
			}
			now.Round, now.Rounds = t.round, max(t.round, s.index.Scenario.Rounds)
			if t.left > 0 {
				now.Left = max(0, t.left-time.Since(begun))
			}
			now.Window, now.Windows = (s.turns-1)*now.Windows+now.Window, max(t.turns, s.turns)*now.Windows
			s.show.update(now)
		},
	}, func(_ int, w *result.Window) error {
		measured[w.Transport] = true
		s.worked = s.worked || w.Failed == ""
		return s.add(rec, t, w)
	})
	if err == nil || ctx.Err() != nil || !s.worked {
		return err
	}
	if _, broken := errors.AsType[*fs.PathError](err); broken { // the disk, not a window
		return err
	}
	for _, spec := range s.access.measurable(one, s.against) {
		if client, ok := s.against.client(spec); ok == nil && !measured[spec] {
			w := &result.Window{
				Transport: spec, Round: t.round, Started: begun.UTC(), Way: loadgen.WayOf(client.Way()),
				Users: one.Users, Servers: s.serversFor(t).n, Failed: err.Error(),
			}
			if err := errors.Join(w.Settle(), s.add(rec, t, w)); err != nil {
				return err
			}
		}
	}
	return nil
}

// accessOf returns how users reach the servers in a scenario.
func (s *survey) accessOf(of loadgen.Scenario) variant {
	access := s.access
	access.network = of.Network
	return access
}

// add records a window and shows it.
func (s *survey) add(rec *recorder, t turn, w *result.Window) error {
	err := rec.add(w)
	s.show.window(loadgen.Progress{
		Round: w.Round, Rounds: max(w.Round, s.index.Scenario.Rounds), Transport: w.Transport, Side: t.name(),
	}, w, []report.Run{{Name: t.name(), Result: &rec.result, Rows: rec.result.Rows()}})
	return err
}

// recorder returns that of a turn's point, which it begins if there is none.
func (s *survey) recorder(t turn) (*recorder, error) {
	if rec := s.recorders[t.point.Dir]; rec != nil {
		return rec, nil
	}
	described, err := s.against.resolved(t.scenario)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, filepath.FromSlash(t.point.Dir))
	_, err = os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the results directory: %w: use --results with one that can be written", err)
	}
	described.Rounds = s.index.Scenario.Rounds
	run := result.Run{
		Schema: result.Schema, Started: s.begun, Command: s.index.Command, Note: s.index.Note, Tags: s.index.Tags,
		Scenario: described.Result(), Environment: loadgen.Environment(),
	}
	own := measuresOwn(described.Transports)
	if own {
		s.serversFor(t).describe(&run.Scenario, s.store)
	}
	s.accessOf(described).describe(&run.Scenario, own)
	run.Scenario.Lacking = append(run.Scenario.Lacking, s.access.lacking(described, s.against)...)
	rec, err := newRecorder(dir, made, run)
	if err != nil {
		return nil, err
	}
	s.keep(t.point.Dir, rec)
	return rec, nil
}

func (s *survey) keep(dir string, rec *recorder) {
	if s.recorders == nil {
		s.recorders = map[string]*recorder{}
	}
	s.recorders[dir] = rec
}

// resume opens the results that an interrupted survey of the same index has left, and drops windows that ended
// early or could not be measured, so that they are measured again.
func (s *survey) resume() error {
	for _, p := range s.index.Points {
		dir := filepath.Join(s.dir, filepath.FromSlash(p.Dir))
		if _, err := os.Stat(filepath.Join(dir, result.File)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		file, res, err := result.Resume(dir, func(w result.Window) bool { return w.Failed == "" && !w.Interrupted })
		if err != nil {
			return err
		}
		s.keep(p.Dir, &recorder{result: *res, dir: dir, file: file})
		s.worked = s.worked || len(res.Windows) > 0
	}
	return nil
}

// done reports whether a window was measured.
func (s *survey) done(point result.Point, transport string, round int) bool {
	if rec := s.recorders[point.Dir]; rec != nil {
		for _, w := range rec.result.Windows {
			if w.Transport == transport && w.Round == round {
				return true
			}
		}
	}
	return false
}

// results returns what was measured so far, in the order of the index; nil for a point without a window.
func (s *survey) results() []*result.Result {
	all := make([]*result.Result, len(s.index.Points))
	for i, p := range s.index.Points {
		if rec := s.recorders[p.Dir]; rec != nil && rec.measured() > 0 {
			all[i] = &rec.result
		}
	}
	return all
}

// measured returns the results with a window, in the order of the index.
func (s *survey) measured() []*result.Result {
	return slices.DeleteFunc(s.results(), func(r *result.Result) bool { return r == nil })
}

// close closes all results, and removes those without a window.
func (s *survey) close() {
	for _, rec := range s.recorders {
		rec.close()
		if len(rec.result.Windows) == 0 {
			rec.discard()
		}
	}
}
