// Package loadgen simulates the users of a chat and measures how their messages are delivered.
//
// There are two entry points. Run measures the transports of a Scenario in interleaved rounds. Duet
// measures two servers against each other, in pairs. Both measure windows and hand over a
// result.Window for each:
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
	"crypto/x509"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
)

// Options are the options of Run.
type Options struct {
	Scenario Scenario
	Sides    []Side         // each is measured on every transport in every round
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
	ServerPIDs      []int         // empty if the run has not started the servers
	Users, Joined   int
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
// from the seed. It hands each window to emit as it ends, with the index of its side in o.Sides. When
// ctx ends, Run ends the current window early, hands it over too, and returns the cause of ctx. An
// error of emit ends the run.
//
// A window that can't be measured, as its servers don't start or its users can't join, costs that window: it is
// handed over with the reason (result.Window.Failed), and the run goes on. A transport whose first failure took
// longer than ten seconds is not tried again. The run ends with the first reason if nothing could be measured in
// the first round, and with the last one once every side is down: a target that doesn't answer, a store
// that has ended, servers that don't start.
func Run(ctx context.Context, o Options, emit func(side int, w *result.Window) error) error {
	s := o.Scenario
	if err := s.Validate(); err != nil {
		return err
	}
	if err := CheckLimits(s); err != nil {
		return err
	}
	sides, closePrograms, err := withPrograms(o.Sides...)
	if err != nil {
		return err
	}
	defer closePrograms()
	if o.Profile != nil {
		for i, side := range sides {
			side.keep = func(p Profile) (string, error) { return o.Profile(i, p) }
		}
	}
	turns := len(s.Transports) * len(o.Sides)
	at := Progress{Rounds: s.Rounds, Windows: s.Rounds * turns, Users: s.Users}
	first := max(1, o.First)
	for round := first; round < first+s.Rounds; round++ {
		plan := NewPlan(s, round)
		order := rand.New(rand.NewPCG(s.Seed, ^uint64(round))).Perm(turns)
		for turn, i := range order {
			transport, side := i/len(o.Sides), i%len(o.Sides)
			at.Window++
			at.Round, at.Transport, at.Side, at.Planned = round, s.Transports[transport], o.Sides[side].Name, len(plan.Sends)
			at.Left = left(s, len(o.Sides), round-first+1, order[turn:])
			w, err := sides[side].take(ctx, s, plan, at, o.Progress)
			end := endOf(sides, turn == turns-1)
			if w != nil && (end == nil || anyMeasured(sides)) {
				if err := emit(side, w); err != nil {
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

// A Side is what is measured: a running server, or a command that starts one or more servers for each
// window. Several servers share the users.
type Side struct {
	Name    string   // distinguishes it from other sides; may be empty
	Target  *url.URL // of a running server, as Reach returns it; nil: Command starts the servers
	NoStats bool     // Target is not asked for its stats, as when it shares its process with the generator
	Program *Program // that Command starts, or that Target runs; nil: this binary, or the one that is running
	Command []string // arguments, beginning with argv[0]; see StartServer
	Env     []string // variables for Command's environment; see StartServer
	Servers int      // number of servers to start; 0: one
	CPUs    *Split   // divides the CPUs between Command's servers and this process; nil: they share all
	Store   *Server  // keeps the messages of the servers, and was started by the caller; nil: no process of ours does

	Authorities *x509.CertPool // whose certificates are accepted of Target; nil: those of the system
}

// secrets returns those of the address of the side's target.
func (d Side) secrets() *transports.Secrets {
	if d.Target == nil {
		return nil
	}
	return transports.SecretsOf(d.Target.String())
}

// withPrograms gives each side without a Program one, for all its windows. The caller must call stop at
// the end.
func withPrograms(sides ...Side) (_ []*attempts, stop func(), err error) {
	var own *Program
	var all []*attempts
	for _, side := range sides {
		switch {
		case side.Program != nil:
		case side.Target != nil:
			side.Program = new(Program)
		default:
			if own == nil {
				if own, err = OpenProgram(""); err != nil {
					return nil, nil, err
				}
			}
			side.Program = own
		}
		all = append(all, &attempts{Side: side})
	}
	return all, own.Close, nil
}

// start starts the servers of a window.
func (d Side) start(ctx context.Context) (servers []*Server, err error) {
	number := max(1, d.Servers)
	env := slices.Concat(d.Env, d.CPUs.environment(number))
	for range number {
		server, err := startServer(ctx, d.Program, d.CPUs, d.Command, env)
		if err != nil {
			stopAll(servers) // their errors matter less than err
			return nil, err
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// stopAll stops all servers at the same time and returns their errors.
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
func (d Side) measure(ctx context.Context, w *window, at Progress, progress func(Progress)) (*result.Window, error) {
	w.target, w.noStats, w.authorities, w.ledger.secrets, w.store = d.Target != nil, d.NoStats, d.Authorities, d.secrets(), d.Store
	w.cores = d.CPUs.cores()
	bases := []*url.URL{d.Target}
	if d.Target == nil {
		var err error
		if w.started, err = d.start(ctx); err != nil {
			return nil, &startError{err}
		}
		bases = nil
		for _, server := range w.started {
			bases = append(bases, server.Base)
			at.ServerPIDs = append(at.ServerPIDs, server.PID)
			if w.profiling && w.nowhere == nil {
				w.nowhere = server.findProfiles()
			}
		}
	}
	stop := watch(w, at, progress)
	out, err := w.measure(ctx, bases)
	stop()
	if out != nil {
		other := slices.ContainsFunc(w.started, func(s *Server) bool { return s.Other })
		out.OtherProgram = other || d.Program.reports(w.programs)
	} else {
		err = w.explain(err)
	}
	for _, failed := range stopAll(w.started) {
		if out != nil {
			out.Errors = append(out.Errors, result.Failure{Text: failed.Error(), Count: 1})
		}
	}
	secrets := d.secrets()
	if out != nil {
		for i := range out.Dropped {
			out.Dropped[i].What = secrets.Redact(out.Dropped[i].What)
		}
		for i := range out.Outages {
			out.Outages[i].How = secrets.Redact(out.Outages[i].How)
		}
	}
	return out, secrets.RedactError(err)
}

// watch reports the progress of w until the returned function is called.
func watch(w *window, at Progress, progress func(Progress)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	begun := time.Now()
	done, stopped := make(chan struct{}), make(chan struct{})
	report := func(phase phase) {
		now := at
		now.Phase, now.In = phase.name, time.Since(phase.since)
		if now.Joined = int(w.joined.Load()); now.Phase == phaseJoining {
			now.Waiting = w.waiting()
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

// left estimates the time that the given turns, the rest of a round, and the rounds after it take.
func left(s Scenario, sides, round int, turns []int) time.Duration {
	const overhead = 400 * time.Millisecond // as measured with 200 users, for starting, joining, draining, leaving and stopping
	each := (s.Warmup + s.Duration).Duration() + overhead
	var all time.Duration
	for _, i := range turns {
		all += each + period(s.Transports[i/sides]) // draining waits for the last poll
	}
	for _, transport := range s.Transports {
		all += time.Duration(sides*(s.Rounds-round)) * (each + period(transport))
	}
	return all
}

// period returns the poll interval of a transport whose users poll on a timer, else 0.
func period(spec string) time.Duration {
	client, err := all.Client(spec)
	if err != nil {
		return 0
	}
	return client.Way().Every
}
