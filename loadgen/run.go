// Package loadgen simulates users who chat, and measures how their messages fare.
//
// A Scenario is drawn into a Plan, and the same plan is run against every transport, in windows
// that interleave: open loop, each message at its intended time, its latency counted from there
// to the moment another member's client holds it decoded. The package draws no charts and judges
// no results; what it measured is a result.Window.
package loadgen

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
)

// Options say how a scenario is run.
type Options struct {
	Scenario Scenario
	Sides    []Side         // what is measured, each on every transport in every round
	Progress func(Progress) // called a few times a second, by one goroutine at a time; nil: nobody looks
}

// Progress is how far a run is.
type Progress struct {
	Transport       string
	Head            bool   // of the two sides of a duet
	Side            string // its name
	Round, Rounds   int
	Window, Windows int    // from 1
	Phase           string // of the window: starting, joining, warming up, measuring, draining, done
	ServerPIDs      []int  // empty: not ours
	Users, Joined   int
	Planned, Sent   int           // messages of the window, warm-up included
	Expected        int           // measured copies that are to come of what is stored so far
	Delivered       int           // of them, those that came
	Left            time.Duration // of the run, about

	// Latency returns quantiles of what has come by the time it is called, 0 of nothing. It holds up
	// the users for some us, so it is for those who show it.
	Latency func() (p50, p99 time.Duration)
}

const progressStep = 200 * time.Millisecond

// Run measures every transport of the scenario on every side once in each round, in an order drawn
// from the seed, and hands each window to emit as it ends, with the place of its side. When ctx ends, the window under way stops early
// and is handed over, and Run returns the cause of ctx. An error of emit ends the run.
func Run(ctx context.Context, o Options, emit func(side int, w *result.Window) error) error {
	s := o.Scenario
	if err := s.Validate(); err != nil {
		return err
	}
	if err := Fit(s); err != nil {
		return err
	}
	turns := len(s.Transports) * len(o.Sides)
	at := Progress{Rounds: s.Rounds, Windows: s.Rounds * turns, Users: s.Users}
	for round := 1; round <= s.Rounds; round++ {
		plan := NewPlan(s, round)
		order := rand.New(rand.NewPCG(s.Seed, ^uint64(round))).Perm(turns)
		for turn, i := range order {
			transport, side := i/len(o.Sides), i%len(o.Sides)
			at.Window++
			at.Round, at.Transport, at.Side, at.Planned = round, s.Transports[transport], o.Sides[side].Name, len(plan.Sends)
			at.Left = left(s, len(o.Sides), round, order[turn:])
			handOver := func(w *result.Window) error { return emit(side, w) }
			if err := o.Sides[side].take(ctx, s, plan, at, o.Progress, handOver); err != nil {
				return err
			}
		}
	}
	return nil
}

// A Side is what is measured: a server that someone else started, or a way to start one, or several
// that share the users, afresh for each window.
type Side struct {
	Name    string   // among others; may be empty
	Target  *url.URL // nil: Command starts the servers
	Binary  string   // the file to start; empty: this binary
	Command []string // its arguments, its name first; see StartServer
	Servers int      // how many are started; 0: one
}

// take measures one window and hands it over. It returns the cause of ctx when that has ended.
func (d Side) take(ctx context.Context, s Scenario, plan *Plan, at Progress, progress func(Progress), emit func(*result.Window) error) error {
	window, err := d.measure(ctx, s, plan, at, progress)
	if window != nil {
		if err := emit(window); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("measuring %s: %w", at.Transport, err)
	}
	return context.Cause(ctx)
}

// start starts the servers of a window.
func (d Side) start(ctx context.Context) (servers []*Server, err error) {
	for range max(1, d.Servers) {
		server, err := StartServer(ctx, d.Binary, d.Command)
		if err != nil {
			stopAll(servers) // the first error says more
			return nil, err
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// stopAll stops servers, all at once, and returns what was wrong with each.
func stopAll(servers []*Server) []error {
	errs := make([]error, len(servers))
	var stopping sync.WaitGroup
	for i, server := range servers {
		stopping.Go(func() { errs[i] = server.Stop() })
	}
	stopping.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// measure measures one window on servers of its own, or on the target.
func (d Side) measure(ctx context.Context, s Scenario, plan *Plan, at Progress, progress func(Progress)) (_ *result.Window, err error) {
	w, err := newWindow(s, at.Transport, at.Round, plan)
	if err != nil {
		return nil, err
	}
	bases := []*url.URL{d.Target}
	var servers []*Server
	if d.Target == nil {
		if servers, err = d.start(ctx); err != nil {
			return nil, err
		}
		bases = nil
		for _, server := range servers {
			bases = append(bases, server.Base)
			at.ServerPIDs = append(at.ServerPIDs, server.PID)
		}
	}
	stop := watch(w, at, progress)
	out, err := w.measure(ctx, bases)
	stop()
	for _, failed := range stopAll(servers) {
		if out != nil {
			out.Errors = append(out.Errors, result.Failure{Text: failed.Error(), Count: 1})
		}
	}
	return out, err
}

// watch reports the progress of w until the returned function is called.
func watch(w *window, at Progress, progress func(Progress)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	begun := time.Now()
	done, stopped := make(chan struct{}), make(chan struct{})
	tell := func(phase string) {
		now := at
		now.Phase = phase
		now.Joined = int(w.joined.Load())
		now.Sent = int(w.ledger.sent.Load())
		now.Expected, now.Delivered = w.ledger.soFar()
		now.Latency = w.ledger.quantiles
		now.Left = max(0, at.Left-time.Since(begun))
		progress(now)
	}
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(progressStep)
		defer ticker.Stop()
		for {
			tell(*w.phase.Load())
			select {
			case <-done:
				tell("done")
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { close(done); <-stopped }
}

// left returns about how long a run takes that has the given turns left in a round, and the rounds
// after it: what has no known length is guessed.
func left(s Scenario, sides, round int, turns []int) time.Duration {
	const overhead = 300 * time.Millisecond // to start, join, drain, leave and stop
	each := s.Warmup + s.Duration + overhead
	var all time.Duration
	for _, i := range turns {
		all += each + period(s.Transports[i/sides]) // to drain
	}
	for _, transport := range s.Transports {
		all += time.Duration(sides*(s.Rounds-round)) * (each + period(transport))
	}
	return all
}

// period returns the period of a transport that has one, else 0.
func period(spec string) time.Duration {
	t, err := all.New(spec, transports.Limits{})
	if p, ok := t.(transports.Periodic); err == nil && ok {
		return p.Period()
	}
	return 0
}
