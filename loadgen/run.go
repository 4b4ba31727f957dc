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
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
)

// Options say how a scenario is run.
type Options struct {
	Scenario Scenario
	Target   *url.URL       // a server that someone else started; nil: Command starts one for each window
	Command  []string       // starts a server of this binary; see Side
	Progress func(Progress) // called a few times a second, by one goroutine at a time; nil: nobody looks
}

// Progress is how far a run is.
type Progress struct {
	Transport       string
	Head            bool // of the two sides of a duet
	Round, Rounds   int
	Window, Windows int    // from 1
	Phase           string // of the window: starting, joining, warming up, measuring, draining, done
	ServerPID       int    // 0: not ours
	Users, Joined   int
	Planned, Sent   int           // messages of the window, warm-up included
	Delivered       int           // measured copies
	Left            time.Duration // of the run, about
}

const progressStep = 200 * time.Millisecond

// Run measures every transport of the scenario once in each round, in an order drawn from the
// seed, and hands each window to emit as it ends. When ctx ends, the window under way stops early
// and is handed over, and Run returns the cause of ctx. An error of emit ends the run.
func Run(ctx context.Context, o Options, emit func(*result.Window) error) error {
	s := o.Scenario
	if err := s.Validate(); err != nil {
		return err
	}
	if err := Fit(s); err != nil {
		return err
	}
	server := Side{Target: o.Target, Command: o.Command}
	at := Progress{Rounds: s.Rounds, Windows: s.Rounds * len(s.Transports), Users: s.Users}
	for round := 1; round <= s.Rounds; round++ {
		plan := NewPlan(s, round)
		order := rand.New(rand.NewPCG(s.Seed, ^uint64(round))).Perm(len(s.Transports))
		for _, i := range order {
			at.Window++
			at.Round, at.Transport, at.Planned = round, s.Transports[i], len(plan.Sends)
			at.Left = left(s, order, at.Window)
			if err := server.take(ctx, s, plan, at, o.Progress, emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// A Side is a server under test: one that someone else started, or a way to start one afresh for
// each window.
type Side struct {
	Target  *url.URL // nil: Command starts the server
	Binary  string   // the file to start; empty: this binary
	Command []string // its arguments, its name first; see StartServer
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

// measure measures one window on a server of its own, or on the target.
func (d Side) measure(ctx context.Context, s Scenario, plan *Plan, at Progress, progress func(Progress)) (_ *result.Window, err error) {
	w, err := newWindow(s, at.Transport, at.Round, plan)
	if err != nil {
		return nil, err
	}
	base := d.Target
	var server *Server
	if base == nil {
		if server, err = StartServer(ctx, d.Binary, d.Command); err != nil {
			return nil, err
		}
		base, at.ServerPID = server.Base, server.PID
	}
	stop := watch(w, at, progress)
	out, err := w.measure(ctx, base)
	stop()
	if server != nil {
		if stopErr := server.Stop(); stopErr != nil && out != nil {
			out.Errors = append(out.Errors, result.Failure{Text: stopErr.Error(), Count: 1})
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
		now.Sent, now.Delivered = int(w.ledger.sent.Load()), int(w.ledger.came.Load())
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

// left returns about how long a run takes from the given window on: what has no known length is
// guessed.
func left(s Scenario, order []int, window int) time.Duration {
	const overhead = 300 * time.Millisecond // to start, join, drain, leave and stop
	var all time.Duration
	for i := window - 1; i < s.Rounds*len(order); i++ {
		all += s.Warmup + s.Duration + overhead
		all += period(s.Transports[order[i%len(order)]]) // to drain
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
