package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"pushpull/loadgen/fault"
	"pushpull/loadgen/relay"
	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports"
)

// FaultOptions are the options of Break.
type FaultOptions struct {
	Scenario  Scenario
	Side      Side   // must have a Relay
	Transport string // one of Scenario.Transports
	Fault     fault.Fault
	Round     int // from 1; rounds have other plans, and another time and other details of the fault

	// Store is the host and port on which the servers reach their store, and StoreAt returns the variables that make
	// them reach it on another one. Both are empty if the store is not reached over TCP.
	Store   string
	StoreAt func(address string) (env []string)

	Progress func(Progress) // as in Options; At says what it begins with
	At       Progress
}

// usualDelay is how long a delivery may take that counts as in time, beyond the poll interval: longer than any does on
// a machine that is not overloaded, and shorter than anybody calls a failure.
const usualDelay = 500 * time.Millisecond

// Place returns what is known of where the fault is to happen.
func (o *FaultOptions) Place(file bool) fault.Place {
	at := fault.Place{
		Own: o.Side.Dialect == nil, Started: o.Side.Target == nil, Servers: max(1, o.Side.Servers),
		Network: o.Store != "", File: file, Signals: canFreeze,
		TLS: o.Side.Authorities != nil || o.Side.Target != nil && o.Side.Target.Scheme == "https", HTTP2: o.Side.HTTP2,
	}
	if o.Side.Spread {
		at.Servers = 1
	}
	if client, err := Client(o.Transport, o.Side); err == nil {
		at.Polls = !client.Way().Duplex
	}
	return at
}

// Break measures a window in which a fault happens, at a time drawn from the seed, in the first half of the measured
// part. Once every message has come, or somebody was told that it doesn't, everybody who sends sends once more, so that
// it is known whether all are back. A time limit, in which every user must have noticed a connection that is gone, ends
// the wait for either.
//
// A window that could not be measured is returned with the reason. If ctx ends, the error is its cause, and there is no
// window: what hangs then might have come.
func Break(ctx context.Context, o FaultOptions) (*result.Window, error) {
	all, letGo, err := withPrograms(o.Side)
	if err != nil {
		return nil, err
	}
	defer letGo()
	client, err := all[0].client(o.Transport)
	if err != nil {
		return nil, err
	}
	plan, calls := NewPlan(o.Scenario, o.Round).WithCalls()
	w, err := newWindow(client, o.Scenario, o.Transport, o.Round, plan)
	if err != nil {
		return nil, err
	}
	planned := *plan // what is sent on time; the ledger knows of the rest
	planned.Sends = plan.Sends[:len(plan.Sends)-calls]
	w.plan = &planned
	out, err := all[0].breaking(ctx, w, o)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		out = w.empty()
		out.Failed, out.Aftermath = all[0].secrets().RedactError(err).Error(), &result.Aftermath{Fault: o.Fault.Name}
	}
	return out, out.Settle()
}

// breaking measures a window on servers of its own, or on the target.
func (d Side) breaking(ctx context.Context, w *window, o FaultOptions) (out *result.Window, err error) {
	s := &stage{side: d, fault: o.Fault}
	if o.Fault.Aborts {
		s.aborts = newAborts(o.Round)
		s.scene.Aborts = s.aborts
	}
	defer func() {
		for _, failed := range s.stop() {
			if out != nil {
				out.Errors = append(out.Errors, result.Failure{Text: failed.Error(), Count: 1})
			}
		}
	}()
	if err := s.set(ctx, o); err != nil {
		return nil, err
	}
	w.authorities, w.ledger.secrets, w.dialect, w.http2, w.spread = d.Authorities, d.secrets(), d.Dialect, d.HTTP2, d.Spread
	w.through, w.past = relayed{routes: s.routes}.addresses(), make([]string, len(s.routes))
	name := fnv.New64a()
	name.Write([]byte(o.Fault.Name))
	s.scene.Random = rand.New(rand.NewPCG(o.Scenario.Seed^name.Sum64(), uint64(o.Round)))
	o.At.Planned = len(w.plan.Sends)
	for _, b := range s.servers {
		o.At.ServerPIDs = append(o.At.ServerPIDs, b.server.PID)
	}
	stop := watch(w, o.At, o.Progress)
	defer stop()
	w.recovery = newRecovery(w)
	s.recovery = w.recovery
	for _, b := range s.servers {
		w.recovery.serves(b.server.PID)
	}
	return w.endure(ctx, s)
}

// endure runs the window while the fault happens.
func (w *window) endure(ctx context.Context, s *stage) (*result.Window, error) {
	w.serve(s.bases)
	if s.aborts != nil {
		for _, server := range w.servers {
			server.dialer.Connect = s.aborts.connect
		}
	}
	w.makeUsers()
	w.ledger.history = w.newHistory()
	for i := range w.users {
		s.scene.Users = append(s.scene.Users, &w.users[i])
	}
	living, kill := context.WithCancel(context.WithoutCancel(ctx))
	var receivers sync.WaitGroup
	leave := w.leaving(kill, &receivers)
	defer leave()
	if _, err := w.join(ctx, living, &receivers, growth{}); err != nil {
		return nil, err
	}
	w.ledger.start = time.Now()
	close(w.begun)
	watching, unwatch := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { w.recovery.watch(watching) })
	defer watcher.Wait()
	defer unwatch()
	scheduled := make(chan error, 1)
	go func() { scheduled <- w.schedule(ctx, living) }()
	w.enter("breaking")
	breaking := w.breakAt(ctx, s)
	if err := cmp.Or(<-scheduled, breaking); err != nil {
		return nil, err
	}
	pauseUntil(ctx, w.ledger.start.Add(w.plan.End))
	since := func() time.Duration { return time.Since(w.ledger.start) }
	settle := func() {
		deadline := time.Now().Add(w.patience())
		for w.ledger.history.Open(since()) > 0 && pauseUntil(ctx, time.Now().Add(drainStep)) && time.Now().Before(deadline) {
		}
	}
	w.enter("draining")
	settle()
	w.enter("calling")
	for i := len(w.plan.Sends); i < len(w.ledger.plan.Sends); i++ {
		w.ledger.history.Called(i, since())
		w.users[w.ledger.plan.Sends[i].User].send(living, i)
	}
	settle()
	pauseUntil(ctx, time.Now().Add(duplicateWait))
	after := w.ledger.history.Score(since())
	after.Fault = s.fault.Name
	unwatch()
	watcher.Wait()
	at := func(seconds float64) time.Time {
		return w.ledger.start.Add(time.Duration(seconds * float64(time.Second)))
	}
	after.Recovery = w.recovery.fill(w.ledger.start, at(after.BeganS), at(after.EndedS))
	leave()

	out := w.empty()
	out.Started, out.Cores, out.DurationS = w.ledger.start.Add(w.plan.Warmup), runtime.GOMAXPROCS(0), (w.plan.End - w.plan.Warmup).Seconds()
	w.ledger.fill(out, w.plan.End, false)
	out.Rejoins, out.Aftermath = int(w.rejoins.Load()), &after
	out.Joins, out.Returns = w.joins.result(), w.returns.result()
	return out, ctx.Err()
}

// newHistory returns the history of the window, before anything happens.
func (w *window) newHistory() *fault.History {
	var planned []fault.Planned
	for _, send := range w.ledger.plan.Sends {
		user := int(send.User)
		planned = append(planned, fault.Planned{Sender: user, Room: w.plan.Room(user), At: send.At, Counts: w.plan.Measured(send)})
	}
	rooms := make([]int, w.plan.Users)
	for user := range rooms {
		rooms[user] = w.plan.Room(user)
	}
	return fault.NewHistory(planned, rooms, usualDelay+w.way.Timer())
}

// breakAt makes the fault begin and end.
func (w *window) breakAt(ctx context.Context, s *stage) error {
	measured := w.plan.End - w.plan.Warmup
	begin := w.plan.Warmup + measured/8 + time.Duration(s.scene.Random.Int64N(int64(measured/4)))
	if !pauseUntil(ctx, w.ledger.start.Add(begin)) {
		return context.Cause(ctx)
	}
	began := time.Since(w.ledger.start)
	w.ledger.history.Broke(began, began+s.fault.Lasts)
	if err := s.fault.Begin(ctx, &s.scene); err != nil {
		return fmt.Errorf("making the fault %s: %w", s.fault.Name, err)
	}
	lasted := pauseUntil(ctx, w.ledger.start.Add(began+s.fault.Lasts))
	if s.fault.End != nil { // even if ctx has ended: what stands still can't be stopped
		if err := s.fault.End(context.WithoutCancel(ctx), &s.scene); err != nil {
			return fmt.Errorf("ending the fault %s: %w", s.fault.Name, err)
		}
	}
	w.ledger.history.Broke(began, time.Since(w.ledger.start))
	if !lasted {
		return context.Cause(ctx)
	}
	return nil
}

// patience returns how long after the last message users may take to get it, or to be told: as long as it takes to
// notice that a connection is gone, and to join again twice.
func (w *window) patience() time.Duration {
	notices := w.way.Hold + transports.AnswerTime
	if w.way.Stream {
		notices = max(notices, (transports.MissedHeartbeats+1)*w.way.Heartbeat)
	}
	return max(w.drain, w.way.Timer()+notices+2*w.backoff.Longest())
}

// A stage is what a fault acts on: the servers of a window, their relay, and what can be done to them.
type stage struct {
	side    Side
	fault   fault.Fault
	env     []string // of servers
	relay   *Server
	fronts  fronts // the proxies before the servers
	control *relay.Relay
	bases   []*url.URL
	servers []*breakable
	routes  []*relay.Route
	aborts  *aborts // nil: users abort nothing
	scene   fault.Scene

	recovery *recovery // of the users
}

// set starts the relay and the servers.
func (s *stage) set(ctx context.Context, o FaultOptions) error {
	if err := s.startRelay(ctx); err != nil {
		return err
	}
	s.scene.Relay = (*restartable)(s)
	if o.Store != "" {
		route, err := s.control.Route("store", o.Store)
		if err != nil {
			return err
		}
		s.scene.Store, s.env = route, o.StoreAt(route.Address())
	}
	s.side.Env = append(slices.Clip(s.side.Env), s.env...)
	s.side.Command = append(slices.Clip(s.side.Command), s.fault.Serve...)
	s.bases = s.side.targets()
	if s.side.Target == nil {
		started, err := s.side.start(ctx)
		if err != nil {
			return &startError{err}
		}
		s.bases = nil
		for i, server := range started {
			s.bases = append(s.bases, server.Base)
			s.servers = append(s.servers, &breakable{stage: s, number: i, server: server})
			s.scene.Servers = append(s.scene.Servers, s.servers[i])
		}
	}
	var places []*url.URL
	var err error
	if s.fronts, places, s.bases, err = s.side.front(ctx, s.bases); err != nil {
		return &startError{err}
	}
	for i, place := range places {
		upstream := wire.HostPort(place)
		if s.fault.Hop {
			hop, err := s.control.Hop(ctx, upstream)
			if err != nil {
				return err
			}
			s.scene.Hops, upstream = append(s.scene.Hops, hop), hop.Address()
		}
		route, err := s.control.Route(routeName(i), upstream)
		if err != nil {
			return err
		}
		s.routes = append(s.routes, route)
	}
	s.scene.Routes = append(s.scene.Routes, s.routes...)
	return nil
}

func routeName(server int) string { return "server-" + strconv.Itoa(server+1) }

func (s *stage) startRelay(ctx context.Context) (err error) {
	var program *Program // reading this binary for each window takes longer than to start it
	if s.side.Dialect == nil && s.side.Target == nil {
		program = s.side.Program
	}
	if s.relay, err = startServer(ctx, program, nil, s.side.Relay, nil, false); err != nil {
		return &startError{fmt.Errorf("the relay: %w", err)}
	}
	s.control = relay.Control(s.relay.Base)
	return nil
}

// stop stops everything that has been started, and returns the errors of what did not stop in order.
func (s *stage) stop() []error {
	var all []*Server
	for _, b := range s.servers {
		if b.server != nil {
			all = append(all, b.server)
		}
	}
	errs := append(s.fronts.stop(), stopAll(all)...)
	if s.relay != nil {
		errs = append(errs, stopAll([]*Server{s.relay})...)
	}
	return errs
}

// A breakable is a server of a stage.
type breakable struct {
	stage  *stage
	number int
	server *Server // nil: it was killed
}

var (
	_ fault.Server   = (*breakable)(nil)
	_ fault.Sufferer = (*breakable)(nil)
)

// Kill implements fault.Server.
func (b *breakable) Kill() error {
	err := b.server.kill()
	b.server = nil
	b.stage.recovery.killed(b.number)
	return err
}

// Start implements fault.Server.
func (b *breakable) Start(ctx context.Context) error {
	one := b.stage.side
	one.Servers = 1
	servers, err := one.start(ctx)
	if err != nil {
		return err
	}
	b.server = servers[0]
	b.stage.recovery.serves(b.server.PID)
	fronts, places, _, err := b.stage.side.front(ctx, []*url.URL{b.server.Base})
	if err != nil {
		return err
	}
	b.stage.fronts = append(b.stage.fronts, fronts...) // the old one leads nowhere, as servers of a service do that have gone
	return b.stage.routes[b.number].Lead(wire.HostPort(places[0]))
}

// Freeze implements fault.Sufferer.
func (b *breakable) Freeze(frozen bool) error { return freeze(b.server.command, frozen) }

// Fill implements fault.Sufferer.
func (b *breakable) Fill(full bool) error { return limitFiles(b.server.PID, full) }

// kill ends the server at once, and waits for its end.
func (s *Server) kill() error {
	defer s.drained.Wait()
	defer s.output.Close()
	if s.foreign {
		killGroup(s.command)
	} else {
		s.command.Process.Kill()
	}
	if _, _, ended := s.Ended(stopTimeout); !ended {
		return errors.New("killing a server: it has not ended")
	}
	s.input.Close()
	return nil
}

// restartable is the relay of a stage, which can be restarted. Its routes keep their addresses.
type restartable stage

var _ fault.Restarter = (*restartable)(nil)

// Kill implements fault.Restarter.
func (p *restartable) Kill() error {
	err := p.relay.kill()
	p.relay = nil
	return err
}

// Start implements fault.Restarter.
func (p *restartable) Start(ctx context.Context) error {
	if err := (*stage)(p).startRelay(ctx); err != nil {
		return err
	}
	for i, old := range p.routes {
		route, err := p.control.RouteAt(routeName(i), old.Address(), old.Upstream())
		if err != nil {
			return err
		}
		p.routes[i] = route
	}
	if old := p.scene.Store; old != nil {
		route, err := p.control.RouteAt("store", old.Address(), old.Upstream())
		if err != nil {
			return err
		}
		p.scene.Store = route
	}
	return nil
}
