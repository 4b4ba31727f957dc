package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"pushpull/loadgen/result"
)

// patience is how long a window may take to fail so that its transport is tried again in later rounds.
const patience = 10 * time.Second

// Attempts are the windows of a side so far: what can be measured on it, and what can't.
type attempts struct {
	Side
	keep func(Profile) (file string, err error) // keeps a profile of a window; nil: none are made

	measured map[string]bool  // transports of which a window was measured
	hopeless map[string]error // transports that are not tried again, as that takes long, with the reason
	first    error            // the reason why the first window failed that did; nil: none did
	down     error            // the reason why no window can be measured any more; nil: there is none
	last     error            // down, with the transport of the window that failed for it
	unborn   int              // windows in a row whose servers did not start
}

// A startError is the error of a window whose servers did not start.
type startError struct{ error }

func (e *startError) Unwrap() error { return e.error }

// take measures one window. If the window can't be measured, take returns it with the reason, which costs
// nothing but that window. An error ends the run: it is the cause of ctx if ctx has ended, and then the window
// is as far as it came, nil if nothing was measured.
func (a *attempts) take(ctx context.Context, s Scenario, plan *Plan, at Progress, progress func(Progress)) (*result.Window, error) {
	client, err := a.client(at.Transport)
	var w *window
	if err == nil {
		own := plan
		if a.Team != nil { // other processes have the users
			own = &Plan{RoomSize: plan.RoomSize, Warmup: plan.Warmup, End: plan.End}
		}
		w, err = newWindow(client, s, at.Transport, at.Round, own)
	}
	if err != nil { // as in any other window
		return nil, fmt.Errorf("measuring %s: %w", at.Transport, err)
	}
	w.plan, w.profiling = plan, a.keep != nil
	begun := time.Now()
	var out *result.Window
	if err = a.hopes(at.Transport); err == nil {
		out, err = a.measure(ctx, s, w, at, progress)
	}
	switch {
	case err == nil:
		err = context.Cause(ctx)
		a.worked(at.Transport)
	case ctx.Err() != nil:
		err = fmt.Errorf("measuring %s: %w", at.Transport, err)
	default:
		out = w.empty()
		out.Started, out.Failed = begun.UTC(), err.Error()
		a.failed(ctx, at.Transport, time.Since(begun), err)
		err = nil
	}
	if w.profiling && out != nil && out.Failed == "" {
		w.deliver(out, a.keep)
	}
	if out != nil {
		if err := out.Settle(); err != nil { // as its file will be, so that the reports of both are the same
			return nil, err
		}
	}
	return out, err
}

// hopes returns the reason why a window of a transport need not be tried; nil: it must be.
func (a *attempts) hopes(transport string) error {
	if a.down == nil {
		if err := a.orphaned(); err != nil {
			return err
		}
	}
	return cmp.Or(a.down, a.hopeless[transport])
}

// orphaned returns an error if the store of the side's servers has ended.
func (a *attempts) orphaned() error {
	if a.Store == nil {
		return nil
	}
	how, last, ended := a.Store.Ended(0)
	switch {
	case !ended:
		return nil
	case last == "":
		return fmt.Errorf("the store ended (%s)", how)
	}
	return fmt.Errorf("the store ended (%s): %s", how, last)
}

// worked takes note of a window that was measured.
func (a *attempts) worked(transport string) {
	if a.measured == nil {
		a.measured = map[string]bool{}
	}
	a.measured[transport], a.unborn = true, 0
}

// failed takes note of a window that failed with err, after some time.
func (a *attempts) failed(ctx context.Context, transport string, after time.Duration, err error) {
	told := fmt.Errorf("measuring %s: %w", transport, err)
	if a.first == nil {
		a.first = told
	}
	if after > patience && !a.measured[transport] {
		if a.hopeless == nil {
			a.hopeless = map[string]error{}
		}
		a.hopeless[transport] = err
	}
	if _, unborn := errors.AsType[*startError](err); unborn {
		a.unborn++
	} else {
		a.unborn = 0
	}
	if a.down == nil && a.gone(ctx) {
		a.down, a.last = err, told
	}
}

// gone reports whether no later window of the side can be measured either: a target doesn't answer, its store has
// ended, or its servers have not started twice in a row, or never.
func (a *attempts) gone(ctx context.Context) bool {
	if a.Target != nil {
		for _, target := range a.targets() {
			one := a.Side
			one.Target = target
			if _, err := one.Reach(ctx); err != nil {
				return true
			}
		}
		return false
	}
	return a.orphaned() != nil || a.unborn > 1 || a.unborn > 0 && len(a.measured) == 0
}

// endOf returns the reason why a run on the sides has to end: all are down, or nothing was measured in the first
// round, which round reports to be over. It is nil if the run goes on.
func endOf(sides []*attempts, round bool) error {
	var first, last error
	for _, side := range sides {
		if first == nil {
			first = side.first
		}
		last = side.last
	}
	for _, side := range sides {
		if side.down == nil {
			last = nil
		}
	}
	if !anyMeasured(sides) && (round || last != nil) {
		return first
	}
	return last
}

// anyMeasured reports whether a window of any side was measured.
func anyMeasured(sides []*attempts) bool {
	for _, side := range sides {
		if len(side.measured) > 0 {
			return true
		}
	}
	return false
}

// explain adds to the reason why a window failed that a server, or the store, has ended.
func (w *window) explain(err error) error {
	for _, o := range w.outages() {
		text := o.Of + " " + o.Did + " (" + o.How + ")"
		if o.Last != "" {
			text += ": " + o.Last
		}
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}
