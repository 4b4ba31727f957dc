package loadgen

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/process"
)

const (
	joinLimit      = time.Minute // for all users to join
	joinersAtOnce  = 64
	interruptDrain = time.Second           // longest wait for what is under way after an interrupt
	drainStep      = 5 * time.Millisecond  // how often it is looked whether everything has come
	linger         = 50 * time.Millisecond // after everything has come, for what comes once more
	calm           = 20 * time.Millisecond // between what calibrates a window and its measured part
)

// A window measures one transport once: all users join, warm up, talk, and wait for what is
// still under way.
type window struct {
	name      string // of the transport, as on the command line
	interval  time.Duration
	round     int
	servers   []served
	transport transports.Transport
	plan      *Plan
	size      int           // bytes of a body
	rooms     string        // begins the names of the rooms
	drain     time.Duration // longest wait for what is under way
	idle      process.Usage // of the generator, before it had anything of this window

	counts  Counts
	ledger  *ledger
	users   []user
	rejoins atomic.Int64
	begun   chan struct{} // closed once ledger.start is set
	senders sync.WaitGroup
	joined  atomic.Int64
	phase   atomic.Pointer[string] // for the progress
}

// A sample is what was carried and used up to one moment.
type sample struct {
	at        time.Time
	wire      result.Wire
	generator process.Usage
	server    *serverStats // nil: the server doesn't tell
}

// newWindow draws nothing and connects nobody yet.
func newWindow(s Scenario, transport string, round int, plan *Plan) (*window, error) {
	t, err := all.New(transport, transports.Limits{})
	if err != nil {
		return nil, err
	}
	interval, err := all.Interval(transport)
	if err != nil {
		return nil, err
	}
	drain := s.Drain
	switch by := t.(type) { // what was sent last is not asked for earlier
	case transports.Periodic:
		drain += by.Period()
	case transports.Scanning:
		drain += by.ScanInterval()
	}
	debug.FreeOSMemory() // what earlier windows held is not this one's
	idle, err := process.Self()
	if err != nil {
		return nil, err
	}
	w := &window{
		idle: idle, ledger: newLedger(plan),
		name: transport, interval: interval, round: round, transport: t, plan: plan, size: s.Size, drain: drain,
		rooms: rand.Text()[:10], begun: make(chan struct{}),
	}
	w.enter("starting")
	return w, nil
}

// A served is a server under test, and how its users reach it.
type served struct {
	base   *url.URL
	dialer *Dialer
}

// serve names the servers that share the users.
func (w *window) serve(bases []*url.URL) {
	for _, base := range bases {
		w.servers = append(w.servers, served{base, NewDialer(base, &w.counts)})
	}
}

// measure runs the window against the servers at bases, over which its users are spread. When ctx
// ends it stops early and returns what was measured until then, marked as interrupted; nil when
// that is nothing.
func (w *window) measure(ctx context.Context, bases []*url.URL) (*result.Window, error) {
	w.serve(bases)
	idle := w.sample(ctx)
	w.makeUsers()

	// The users live on until everything was drained, also when ctx ends.
	living, kill := context.WithCancel(context.WithoutCancel(ctx))
	var receivers sync.WaitGroup
	leave := sync.OnceFunc(func() {
		for i := range w.users {
			w.users[i].leave()
		}
		kill()
		receivers.Wait()
		w.senders.Wait()
	})
	defer leave()
	if err := w.join(ctx, living, &receivers); err != nil {
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
	from := w.sampleAt(ctx, w.plan.Warmup)
	w.enter("measuring")
	to := w.sampleAt(ctx, w.plan.End)
	if err := <-scheduled; err != nil {
		return nil, err
	}
	end := min(to.at.Sub(w.ledger.start), w.plan.End)
	interrupted := ctx.Err() != nil && end < w.plan.End
	if end <= w.plan.Warmup {
		return nil, context.Cause(ctx)
	}
	w.settle(ctx, to.at, end)
	w.ledger.interrupted.Store(interrupted)
	leave()

	out := &result.Window{
		Transport: w.name, IntervalS: w.interval.Seconds(), Round: w.round, Started: w.ledger.start.Add(w.plan.Warmup),
		Users: w.plan.Users, Cores: runtime.GOMAXPROCS(0),
		DurationS: to.at.Sub(from.at).Seconds(), Interrupted: interrupted,
		Wire: since(from.wire, to.wire), Calibration: calibration,
		Generator: result.Process{
			CPUS:     (to.generator.CPU - from.generator.CPU).Seconds(),
			RSSBytes: int64(to.generator.RSS), RSSIdleBytes: int64(w.idle.RSS),
		},
	}
	w.ledger.fill(out, end, !interrupted)
	out.Rejoins = int(w.rejoins.Load())
	if n := len(w.servers); n > 1 {
		out.Servers = n
	}
	if last := w.ledger.last; last.After(to.at) {
		out.DrainedS = last.Sub(to.at).Seconds()
	}
	if idle.server != nil && from.server != nil && to.server != nil && to.server.follows(from.server) {
		out.Store = to.server.Store.since(from.server.Store)
		out.Server = &result.Process{
			CPUS:     to.server.Process.CPUS - from.server.Process.CPUS,
			RSSBytes: to.server.Process.RSSBytes, RSSIdleBytes: idle.server.Process.RSSBytes,
		}
	}
	return out, nil
}

// makeUsers allocates the users in one piece. They take the servers in turns, so that the members
// of a room sit on different ones.
func (w *window) makeUsers() {
	w.users = make([]user, w.plan.Users)
	var room string
	for i := range w.users {
		if i%w.plan.RoomSize == 0 {
			room = fmt.Sprintf("%s-%d", w.rooms, w.plan.Room(i))
		}
		u := &w.users[i]
		u.id, u.room, u.window, u.server = i, room, w, i%len(w.servers)
	}
}

// join joins all users, a few at a time so that it isn't the server's listen queue that is
// measured, and starts a goroutine for each. Goroutines of their own do the joining: it takes a
// stack of 8 KB where receiving takes 4 (Linux, amd64), and a stack hardly shrinks.
func (w *window) join(ctx, living context.Context, receivers *sync.WaitGroup) error {
	w.enter("joining")
	joining, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(joinLimit, func() {
		cancel(fmt.Errorf("only %d of %d users could join within %v: use fewer users", w.joined.Load(), w.plan.Users, joinLimit))
	})
	defer timer.Stop()
	var next atomic.Int64
	var joiners sync.WaitGroup
	for range joinersAtOnce {
		joiners.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(w.users) && joining.Err() == nil; i = next.Add(1) - 1 {
				u := &w.users[i]
				if err := u.join(joining); err != nil {
					cancel(fmt.Errorf("joining as user %d of %d: %w", i+1, len(w.users), err))
					return
				}
				w.joined.Add(1)
				receivers.Go(func() { u.receive(living) })
			}
		})
	}
	joiners.Wait()
	return context.Cause(joining)
}

// connections returns how many connections a user opens to join. Where a request is held, a user
// who talks needs another one to send. Opened during the measured part, those made single
// deliveries 4 to 16 ms late, their own and others', which no long poll is to blame for.
func (w *window) connections(user int) int {
	_, asks := w.transport.(transports.Periodic)
	_, both := w.transport.(transports.Duplex)
	if asks || both || len(w.plan.byUser[user]) == 0 {
		return 1
	}
	return 2
}

// schedule puts every message on its way at its intended time, whatever the server does. When it
// is late itself it still sends all of them: what it left out, no latency would tell.
func (w *window) schedule(ctx, living context.Context) error {
	alarm, err := newAlarm()
	if err != nil {
		return err
	}
	defer alarm.close()
	for i, send := range w.plan.Sends {
		if err := alarm.wait(ctx, w.ledger.start.Add(send.At)); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		w.users[send.User].send(living, i)
	}
	return nil
}

// settle waits until everything planned before end has come, or the drain limit has passed.
func (w *window) settle(ctx context.Context, from time.Time, end time.Duration) {
	limit := w.drain
	if ctx.Err() != nil {
		limit = min(limit, interruptDrain)
	}
	w.enter("draining")
	wait := time.NewTicker(drainStep)
	defer wait.Stop()
	deadline := from.Add(limit)
	for !w.ledger.settled(end) && time.Now().Before(deadline) {
		select {
		case <-wait.C:
		case <-ctx.Done():
			if short := time.Now().Add(interruptDrain); short.Before(deadline) {
				deadline = short
			}
			ctx = context.WithoutCancel(ctx)
		}
	}
	time.Sleep(linger) //nolint:forbidigo // short, and an interrupt is seen by then
}

// enter begins a phase, which is shown as progress.
func (w *window) enter(phase string) { w.phase.Store(&phase) }

// sampleAt samples at a time from the start of the window, or when ctx ends.
func (w *window) sampleAt(ctx context.Context, at time.Duration) sample {
	pauseUntil(ctx, w.ledger.start.Add(at))
	return w.sample(ctx)
}

// pauseUntil waits for a time; false says that ctx ended first.
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

// sample reads the generator's counters and asks the servers for their own. One that doesn't tell
// is no error: it may not be ours. Then nothing is told of any: a part would pass for the whole.
func (w *window) sample(ctx context.Context) sample {
	s := sample{at: time.Now(), wire: w.counts.totals()}
	s.generator, _ = process.Self() // fails nowhere that it is known to build for
	for i, server := range w.servers {
		stats, err := readStats(context.WithoutCancel(ctx), server.base)
		if err != nil {
			s.server = nil
			break
		}
		if i == 0 {
			s.server = stats
		} else {
			s.server.add(stats)
		}
	}
	return s
}
