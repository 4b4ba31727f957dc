// Package loadgen simulates the users of a chat and measures how their messages are delivered.
//
// There are three entry points. Run measures the transports of a Scenario in interleaved rounds. Duet
// measures two servers against each other, in pairs. Break makes something break, and finds out what
// becomes of the messages. All measure windows and hand over a result.Window for each:
//
//   - A Side is what is measured: a running server, or a command that starts servers for each window.
//   - A Plan is the load: the rooms, and which user sends when. It depends on the scenario alone, so
//     that all transports and sides get the same messages.
//   - A window measures one transport of one side: all users of a plan join, warm up, send, and wait
//     for the messages still under way.
//
// The load is open loop: each message has an intended send time, and its delivery latency is the time
// from then until another member's client has decoded it. The package draws no charts and judges no
// results.
package loadgen

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"pushpull/loadgen/result"
)

// Options are the options of Run.
type Options struct {
	Scenario Scenario
	Sides    []Side         // each is measured on every transport of pushpull's own server in every round
	Against  []Side         // foreign servers, each with a Dialect and a Name; transports like "nchan/long-poll" are measured on the one called nchan
	First    int            // number of the first round; rounds with other numbers have other plans; 0: 1
	Progress func(Progress) // called a few times a second, by one goroutine at a time; nil: no progress is reported

	// Profile keeps a profile of a window on the side with that index, and returns where it is, as the
	// window will say (result.Window.Profiles). An error costs the profile alone. It is called before
	// the window is handed over. nil: nothing is profiled. The generator is profiled, and the servers that a side
	// starts with --pprof, which print where as the second line of their output, like
	// "profiles on http://127.0.0.1:6060/debug/pprof/".
	Profile func(side int, p Profile) (file string, err error)
}

// Progress is the progress of a run.
type Progress struct {
	Transport       string
	Head            bool   // in a duet: the side is the head, not the base
	Side            string // name of the side
	Round, Rounds   int
	Window, Windows int           // from 1
	Phase           string        // of the window: starting, joining, warming up, measuring, draining, done
	In              time.Duration // that the window has been in the phase
	Waiting         string        // while users join: what those that have not joined wait for
	Targets         int           // running servers that are measured; 0: the run has started the servers
	ServerPIDs      []int         // empty if the run has not started the servers
	Users, Joined   int
	Agents          int           // that have the users; 0: this process has them
	JoinedPerS      float64       // users that joined per second lately, while they join
	Planned, Sent   int           // messages of the window, warm-up included
	Expected        int           // deliveries expected of the measured messages stored so far
	Delivered       int           // expected deliveries that have arrived
	Left            time.Duration // estimate for the rest of the run

	// Latency returns the latency quantiles so far, 0 if there are none. It blocks the users for some
	// microseconds, so call it only to display it.
	Latency func() (p50, p99 time.Duration)
}

const progressStep = 200 * time.Millisecond

// Run measures every transport of the scenario on every side once in each round, in an order drawn
// from the seed, and a transport like "nchan/long-poll" on that foreign server alone. It hands each window to
// emit as it ends, with the index of its side in o.Sides; a window of a foreign server has index 0. When
// ctx ends, Run ends the current window early, hands it over too, and returns the cause of ctx. An
// error of emit ends the run.
//
// Transports that their server lacks are not measured, as Options.Resolved says.
//
// A window that can't be measured, as its servers don't start or its users can't join, costs that window: it is
// handed over with the reason (result.Window.Failed), and the run goes on. A transport whose first failure took
// longer than ten seconds is not tried again. The run ends with the first reason if nothing could be measured in
// the first round, and with the last one once every side is down: a target that doesn't answer, a store
// that has ended, servers that don't start.
func Run(ctx context.Context, o Options, emit func(side int, w *result.Window) error) error {
	s, err := o.Resolved()
	if err != nil {
		return err
	}
	layouts := []Layout{{Running: true, Against: o.Against}} // of foreign servers alone
	if len(o.Sides) > 0 {
		layouts = nil
	}
	for _, side := range o.Sides {
		layouts = append(layouts, side.layout(o.Against))
	}
	for _, layout := range layouts {
		if err := CheckLimits(s, layout); err != nil {
			return err
		}
	}
	every, closePrograms, err := withPrograms(slices.Concat(o.Sides, o.Against)...)
	if err != nil {
		return err
	}
	defer closePrograms()
	turns, sides := o.visits(s, every)
	if o.Profile != nil {
		for _, t := range turns {
			t.side.keep = func(p Profile) (string, error) { return o.Profile(t.index, p) }
		}
	}
	at := Progress{Rounds: s.Rounds, Windows: s.Rounds * len(turns), Users: s.Users}
	first := max(1, o.First)
	for round := first; round < first+s.Rounds; round++ {
		plan := NewPlan(s, round)
		order := rand.New(rand.NewPCG(s.Seed, ^uint64(round))).Perm(len(turns))
		for i, next := range order {
			t := turns[next]
			at.Window++
			at.Round, at.Transport, at.Side, at.Planned = round, t.transport, t.side.Name, len(plan.Sends)
			at.Left = left(s, turns, round-first+1, order[i:])
			w, err := t.side.take(ctx, s, plan, at, o.Progress)
			end := endOf(sides, i == len(turns)-1)
			if w != nil && (end == nil || anyMeasured(sides)) {
				if err := emit(t.index, w); err != nil {
					return err
				}
			}
			if err := cmp.Or(err, end); err != nil {
				return err
			}
		}
	}
	return nil
}

// A rate is how fast a count grew of late: from the oldest of some reports to the latest.
type rate struct {
	times  [11]time.Time // 2 s of progress
	counts [11]int
	n      int // reports so far
}

func (r *rate) add(at time.Time, count int) {
	i := r.n % len(r.times)
	r.times[i], r.counts[i] = at, count
	r.n++
}

// perSecond returns the rate; 0 until there are two reports.
func (r *rate) perSecond() float64 {
	if r.n < 2 {
		return 0
	}
	last, first := (r.n-1)%len(r.times), 0
	if r.n > len(r.times) {
		first = r.n % len(r.times)
	}
	took := r.times[last].Sub(r.times[first]).Seconds()
	return float64(r.counts[last]-r.counts[first]) / max(took, 1e-9)
}

// watch reports the progress of w until the returned function is called.
func watch(w *window, at Progress, progress func(Progress)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	begun := time.Now()
	done, stopped := make(chan struct{}), make(chan struct{})
	var rate rate
	report := func(phase phase) {
		now := at
		now.Phase, now.In = phase.name, time.Since(phase.since)
		now.Joined = int(w.joined.Load())
		rate.add(time.Now(), now.Joined)
		if now.Phase == phaseJoining {
			now.Waiting, now.JoinedPerS = w.waiting(), rate.perSecond()
		}
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
			report(*w.phase.Load())
			select {
			case <-done:
				report(phase{"done", time.Now()})
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { close(done); <-stopped }
}
