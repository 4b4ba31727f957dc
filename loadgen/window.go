package loadgen

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/loadgen/alarm"
	"pushpull/loadgen/backoff"
	"pushpull/loadgen/network"
	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/process"
)

const (
	joinLimit      = 20 * time.Second      // for the next user to join
	interruptDrain = time.Second           // longest drain after an interrupt
	drainStep      = 5 * time.Millisecond  // between two checks whether everything has arrived
	duplicateWait  = 50 * time.Millisecond // after everything has arrived, for duplicates
	calm           = 20 * time.Millisecond // between the calibration and the measured part
)

// A window measures one transport once, with the users of a plan or of a part of it: all users join,
// warm up, send, and wait for the messages still under way.
type window struct {
	name      string          // of the transport, as on the command line
	dialect   dialect.Dialect // that the servers speak; nil: they are pushpull's own
	client    transports.Client
	way       transports.Way // the client's
	round     int
	servers   []served
	plan      *Plan
	size      int             // bytes of a body
	backoff   backoff.Policy  // of users that try again
	resend    bool            // messages have keys, and those of broken links are sent again
	rooms     string          // prefix of the rooms' names
	drain     time.Duration   // longest wait for messages under way
	idle      process.Usage   // of the generator, before the window allocated anything
	target    bool            // the servers were not started for the window, so they are asked what they run
	noStats   bool            // the target is not asked for its stats
	started   []*Server       // the servers, if they were started for the window
	http2     bool            // users speak HTTP/2
	through   []string        // host and port that users connect to, of each server; empty, or nil: its own
	past      []string        // the same for what goes past the network
	network   network.Profile // that the relay replays
	spread    bool            // each room is on one server
	firstRoom int             // the number among those of all parts of the room that has number 0 here
	store     *Server         // that keeps their messages; nil: it is none of ours
	cores     int             // that this process is bound to; 0: it isn't bound

	trees    []*process.Tree // of the foreign servers' processes, which are read instead of stats; none: they are unknown
	treeless error           // why a tree can't be read; nil: it can

	authorities *x509.CertPool // whose certificates are accepted; nil: those of the system

	profiling  bool      // the generator and the started servers are profiled meanwhile
	profiles   []Profile // once the window is measured
	nowhere    error     // why a server's profiles can't be found; nil: they were
	unprofiled error     // why profiles are missing; nil: none are

	everyone    int // users of all parts
	part, parts int // of the window that this one measures; 0 parts: all of it

	crew  Crew                  // the generators of the window's other parts; nil: this one measures the whole window
	whole func(eighths int) int // users of all parts when each has joined so many eighths of its own; nil: there is one part

	programs []string // that the servers reported to run, each once

	counts     wire.Counts
	departures wire.Departures // of users and probes
	ledger     *ledger
	users      []user
	rejoins    atomic.Int64
	joinSteps  []timedStep   // of all users, at first
	joins      joins         // of all users, at first
	returns    joins         // of users whose session had ended
	recovery   *recovery     // nil: nothing is made to break
	begun      chan struct{} // closed once ledger.start is set
	senders    sync.WaitGroup
	phase      atomic.Pointer[phase] // for the progress

	mostMemory int64 // bytes that the users may take; 0: memoryFor

	joinLimit time.Duration // for the next user to join
	connected atomic.Int64  // users that have their connections
	joined    atomic.Int64
}

// foreign reports whether the servers are not pushpull's own.
func (w *window) foreign() bool { return w.dialect != nil }

// watchTree makes the CPU and the memory of the servers those of a process and its children.
func (w *window) watchTree(pid int) {
	tree, err := process.OpenTree(pid)
	if err != nil {
		w.treeless = err
		return
	}
	w.trees = append(w.trees, tree)
}

// phaseJoining is the name of the phase in which the users join.
const phaseJoining = "joining"

// A phase of a window.
type phase struct {
	name  string
	since time.Time
}

// newWindow prepares a window of a transport, given its user's side; nothing is sent yet.
func newWindow(client transports.Client, s Scenario, transport string, round int, plan *Plan) (*window, error) {
	way := client.Way()
	debug.FreeOSMemory() // the memory of earlier windows is not this one's
	idle, err := process.Self()
	if err != nil {
		return nil, err
	}
	w := &window{
		idle: idle, ledger: newLedger(plan),
		name: transport, client: client, way: way, round: round, plan: plan, size: s.Size, resend: s.Resend, backoff: s.backoff(),
		everyone: s.Users,
		drain:    s.Drain.Duration() + way.Timer(), // the last message may have to wait for the timer
		rooms:    rand.Text()[:10], begun: make(chan struct{}), joinLimit: joinLimit,
	}
	w.enter("starting")
	return w, nil
}

// A served is a server under test, and the dialer of its users.
type served struct {
	base   *url.URL // the dialer's
	dialer *wire.Dialer
}

// beside returns a dialer of connections that are not the users', and go past the network, if there is one.
func (w *window) beside(server int, counts *wire.Counts) *wire.Dialer {
	d := w.servers[server].dialer.Counting(counts)
	if !w.network.IsNone() {
		d.Through = w.past[server]
	}
	return d
}

// serve sets the addresses of the servers that share the users. Their requests count as polls or
// handshakes, as the transport uses them.
func (w *window) serve(addresses []*url.URL) {
	for i, address := range addresses {
		d := wire.NewDialer(address, &w.counts)
		if w.through != nil {
			d.Through = w.through[i]
		}
		d.Stream, d.HTTP2, d.Departures = w.way.Stream, w.http2, &w.departures
		if w.everyone*connections(w.way) > wire.PerSource*len(addresses) {
			d.Sources = wire.NewSources(w.part, w.parts)
		}
		d.Trust(w.authorities)
		w.servers = append(w.servers, served{d.Base(), d})
	}
}

// measure runs the window against the servers at bases, over which its users are spread. If ctx ends,
// it stops early and returns the window as measured until then, marked as interrupted; nil if
// nothing was measured. Any other error says why the window could not be measured.
func (w *window) measure(ctx context.Context, bases []*url.URL) (*result.Window, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := guardMemory(cmp.Or(w.mostMemory, memoryFor(w.plan.usersHere())), end)
	out, err := w.run(ctx, bases)
	stop()
	if flooded := context.Cause(ctx); errors.Is(flooded, errFlooded) {
		return nil, flooded
	}
	return out, err
}

// run is measure, for which it must stop at once if ctx ends as the users are flooded.
func (w *window) run(ctx context.Context, bases []*url.URL) (*result.Window, error) {
	w.serve(bases)
	idle, memory := w.askIdle(ctx)
	w.makeUsers()

	// The users stay until everything is drained, even if ctx ends.
	living, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), errFlooded) {
			kill()
		}
	})()
	var receivers sync.WaitGroup
	leave := w.leaving(kill, &receivers)
	defer leave()
	memory, err := w.join(ctx, living, &receivers, memory)
	if err == nil {
		err = w.meet(ctx, Beginning)
	}
	if err != nil {
		return nil, err
	}
	w.ledger.start = time.Now()
	close(w.begun)

	scheduled := make(chan error, 1)
	go func() { scheduled <- w.schedule(ctx, living) }()
	w.enter("warming up")
	warming, warm := context.WithDeadline(ctx, w.ledger.start.Add(w.plan.Warmup-calm))
	calibration := w.calibrate(warming)
	warm()
	from := w.sampleAt(ctx, w.plan.Warmup, idle)
	var profiling *profiler
	if w.profiling {
		profiling = w.profile(ctx, w.plan.End-w.plan.Warmup)
		defer profiling.giveUp()
	}
	w.enter("measuring")
	to := w.sampleAt(ctx, w.plan.End, idle)
	defer from.servers.giveUp()
	defer to.servers.giveUp()
	if err := <-scheduled; err != nil {
		return nil, fmt.Errorf("sending on time: %w", err)
	}
	end := min(to.at.Sub(w.ledger.start), w.plan.End)
	interrupted := ctx.Err() != nil && end < w.plan.End
	if end <= w.plan.Warmup {
		return nil, context.Cause(ctx)
	}
	if err := w.settle(ctx, to.at, end); err != nil {
		return nil, err
	}
	if profiling != nil {
		profiling.end(ctx) // while the users are there, as the heap is to be that of so many
	}
	w.ledger.interrupted.Store(interrupted)
	idleEnds := w.counts.IdleEnds() // before the users end their connections
	leave()

	out := w.empty()
	out.Started = w.ledger.start.Add(w.plan.Warmup)
	out.Cores = cmp.Or(w.cores, runtime.GOMAXPROCS(0))
	out.DurationS, out.Interrupted = to.at.Sub(from.at).Seconds(), interrupted
	out.Traffic, out.Calibration = wire.Between(from.traffic, to.traffic), calibration
	out.Generator = result.Process{
		CPUS:     (to.generator.CPU - from.generator.CPU).Seconds(),
		RSSBytes: int64(to.generator.RSS), RSSIdleBytes: int64(w.idle.RSS),
	}
	w.ledger.fill(out, end, !interrupted)
	out.IdleEnds, out.JoinSteps = idleEnds, w.stepsBefore(w.ledger.start)
	if beat := w.counts.Heartbeat(); beat > 0 && w.way.Stream {
		out.Way.HeartbeatS = beat.Seconds()
	}
	out.Rejoins, out.Joins, out.Returns = int(w.rejoins.Load()), w.joins.result(), w.returns.result()
	if last := w.ledger.last; last.After(to.at) {
		out.DrainedS = last.Sub(to.at).Seconds()
	}
	w.fillServers(out, idle, from.servers, to.servers)
	if out.Server != nil {
		memory.fill(out)
	}
	return out, nil
}

// leaving returns what makes all users leave, once, and waits until they have. kill ends their contexts.
func (w *window) leaving(kill func(), receivers *sync.WaitGroup) func() {
	return sync.OnceFunc(func() {
		for i := range w.users {
			w.users[i].leave()
		}
		kill()
		receivers.Wait()
		w.senders.Wait()
		w.departures.Close()
	})
}

// empty returns what is known of the window before it is measured.
func (w *window) empty() *result.Window {
	out := &result.Window{
		Transport: w.name, Way: WayOf(w.way), Round: w.round, Started: time.Now(), Users: w.plan.usersHere(),
	}
	out.Way.HTTP2 = w.http2
	if n := len(w.servers); n > 1 {
		out.Servers = n
	}
	return out
}

// makeUsers allocates all users at once, and spreads the members of each room over the servers, or else the rooms.
func (w *window) makeUsers() {
	w.users = make([]user, w.plan.usersHere())
	room, name := -1, ""
	for place := range w.users {
		id := w.plan.userAt(place)
		if number := w.plan.Room(id); number != room {
			room, name = number, fmt.Sprintf("%s-%d", w.rooms, number)
		}
		u := &w.users[place]
		u.place, u.room, u.window, u.server = place, name, w, id%len(w.servers)
		if w.spread {
			u.server = (w.firstRoom + room) % len(w.servers)
		}
	}
}

// connections returns how many connections a user opens to join. A user that sends may need a second
// one. Opening it during the measured part delayed single deliveries, the user's own and others', by
// 4 to 16 ms, which is not a property of the transport.
func (w *window) connections(place int) int {
	if w.http2 || len(w.plan.byUser[w.plan.userAt(place)]) == 0 {
		return 1
	}
	return connections(w.way)
}

// connections returns how many connections a user needs at the same time: to send while it waits for
// the response to a held request, or reads a stream that goes one way, it needs a second one.
func connections(way transports.Way) int {
	if way.Every > 0 || way.Duplex {
		return 1
	}
	return 2
}

// WayOf returns w as it is kept in a result.
func WayOf(w transports.Way) result.Way {
	return result.Way{
		Title: w.Title, EveryS: w.Every.Seconds(), HoldS: w.Hold.Seconds(), ScanS: w.Scan.Seconds(),
		Stream: w.Stream, Duplex: w.Duplex, HeartbeatS: w.Heartbeat.Seconds(),
		Engine: w.Engine, Server: w.Server, Lacks: result.Lacks(w.Lacks), Batch: w.Batch,
	}
}

// WayOfTransport returns the way of a transport, like "short-poll@5s", as Client finds it; unknown if there is no
// such transport.
func WayOfTransport(name string, against ...Side) result.Way {
	client, err := Client(name, against...)
	if err != nil {
		return result.Way{}
	}
	return WayOf(client.Way())
}

// schedule sends every message at its intended time, whatever the server does. If it is late itself
// it still sends all of them: skipped messages would not show in any latency.
func (w *window) schedule(ctx, living context.Context) error {
	ringing, err := alarm.New()
	if err != nil {
		return err
	}
	defer ringing.Close()
	for i, send := range w.plan.Sends {
		place, here := w.plan.placeOf(int(send.User))
		if !here {
			continue
		}
		if err := ringing.Wait(ctx, w.ledger.start.Add(send.At)); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		w.users[place].send(living, i)
	}
	return nil
}

// settle waits until everything planned before end has arrived, or the drain limit has passed. The limit is the same for
// generators that share what they know, which they do twice: when nothing is sent any more, and when no more is waited for.
func (w *window) settle(ctx context.Context, from time.Time, end time.Duration) error {
	limit := w.drain
	if ctx.Err() != nil {
		limit = min(limit, interruptDrain)
	}
	w.enter("draining")
	deadline := from.Add(limit)
	wait := func(over func(end time.Duration) bool) {
		step := time.NewTicker(drainStep)
		defer step.Stop()
		for !over(end) && time.Now().Before(deadline) {
			select {
			case <-step.C:
			case <-ctx.Done():
				if short := time.Now().Add(interruptDrain); short.Before(deadline) {
					deadline = short
				}
				ctx = context.WithoutCancel(ctx)
			}
		}
	}
	if w.plan.step > 0 {
		wait(w.ledger.ended)
	}
	if err := w.share(ctx); err != nil {
		return err
	}
	wait(w.ledger.settled)
	time.Sleep(duplicateWait) //nolint:forbidigo // short, and an interrupt is seen by then
	return w.share(ctx)
}

// enter sets the phase that the progress shows.
func (w *window) enter(name string) { w.phase.Store(&phase{name, time.Now()}) }

// pauseUntil waits for a time, and returns false if ctx ends first.
func pauseUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
