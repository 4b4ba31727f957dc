// Package agent measures windows by generators in several processes and on several machines, which a coordinator leads over
// NATS.
//
// An agent is a process that waits for work (Serve). It is an instance of the micro service "pushpull-agent", so that
// everything that knows such services finds it: nats micro ls. Its metadata say what it may use. A coordinator, the process
// of a run, claims agents (Gather), and has them measure windows (Team), each with the users of its share of the rooms, by
// what it may use (loadgen.Task.Among). A room lives in one agent: senders and receivers have one clock, and no clock is
// compared with that of another machine. With fewer rooms than agents, each has equally many members of all rooms.
//
// The state of an agent, and the message that changes it:
//
//	free        claim    -> claimed
//	claimed     prepare  -> prepared   it has a task, and nothing of it has begun
//	prepared    go       -> joining    its users join in steps; after each it waits for the other agents
//	joining              -> ready      all of its users have joined
//	ready       go       -> measuring  its users send
//	measuring            -> done       the window, or the reason why there is none, can be fetched
//	done        prepare  -> prepared   the next window
//	any of them release  -> released   it ends what it does
//	released             -> free       once nothing is left of it
//
// Messages are requests with answers, of JSON unless said otherwise, at least once: a message that comes again changes
// nothing. The coordinator sends one again each second until it is answered, and a late answer to an earlier one counts. An
// answer that refuses has the headers of a micro service, Nats-Service-Error-Code and Nats-Service-Error. An agent takes
// these on the subject pushpull.agent.ID.NAME:
//
//	claim    binds the agent to a run. Refused if another run has it (409), and to another version of pushpull (426).
//	renew    the claim is a lease that the coordinator renews four times a second. An agent whose claim was not renewed for
//	         Silence ends its window, and is free again. The answer is the agent's status, with its progress and
//	         how busy its machine is.
//	prepare  a loadgen.Task, compressed. Refused if it is none, or needs more than the agent may have (400).
//	go       the generators of the window have met so many times, and go on. The coordinator tells all at once, and
//	         the time until the answer is kept (result.Agent.RoundTripS): agents begin at most as long apart.
//	end      ends the window early; what was measured can be fetched.
//	window   fetches a part of the window, which is JSON, compressed, and may be larger than a message.
//	known    fetches likewise what the agent shares with the others at a meeting (loadgen.Crew).
//	release  ends the claim.
//
// The coordinator is an instance of the micro service "pushpull-run", and takes these on pushpull.run.RUN.NAME:
//
//	known    hands over what the agent of a part has shared, before any agent goes on from that meeting.
//	status   an agent's status has changed: it has met the others (join, begin), is done or leaves. What is lost on
//	         the way comes with the answer to the next renew.
//
// An agent that does not answer for Silence is lost, and so is NATS if nobody answers: the window fails with that reason,
// as the others measured another load than planned, and they end in order. The reason says how the process ended, if that
// is known, or else whose CPU was used up: that of the agent's machine, as the coordinator or another agent on it finds
// meanwhile or the agent itself found before, or that of the coordinator's. A busy agent is not given more time than others:
// one that is 5 s late measures nothing that could be believed. A connection to NATS that comes back sooner costs nothing.
// The package judges no window.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"pushpull/loadgen"
)

// Silence is how long an agent, or its coordinator, may not be heard of before it counts as lost.
const Silence = 5 * time.Second

// A State is what an agent does: see the package.
type State string

// The states of an agent.
const (
	Free      State = "free"
	Claimed   State = "claimed"
	Prepared  State = "prepared"
	Joining   State = "joining"
	Ready     State = "ready"
	Measuring State = "measuring"
	Done      State = "done"
	Released  State = "released"
)

// Options are the options of an agent.
type Options struct {
	Name    string       // for people; empty: the id of the process
	Version string       // of pushpull; a run of another one is refused
	Logger  *slog.Logger // nil: nothing is logged

	silence time.Duration    // 0: Silence
	may     loadgen.Capacity // zero: that of this process
}

// Serve waits for work on a connection to NATS, and does it, until ctx ends; then it ends what it does. ready is called,
// with the agent's name, once it can be found. The connection must be one of Connect. A process should have one agent: it
// measures its own CPU and memory.
func Serve(ctx context.Context, conn *nats.Conn, o Options, ready func(name string)) error {
	a, err := newAgent(o)
	if err != nil {
		return err
	}
	a.conn = conn
	if err := a.register(); err != nil {
		return fmt.Errorf("registering the agent at NATS: %w", err)
	}
	ready(a.Name)
	a.working.Go(func() {
		watchLoad(ctx, loadgen.MachineCPU, func(l load) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.load = l
		})
	})
	a.watch(ctx)
	err = a.service.Stop()
	a.working.Wait()
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrConnectionReconnecting) {
		return fmt.Errorf("taking leave of NATS: %w", err)
	}
	return nil
}

// An agent is what Serve has.
type agent struct {
	Options
	conn    *nats.Conn
	service micro.Service
	machine string
	working sync.WaitGroup // of windows, and of messages to the coordinator

	mu      sync.Mutex
	closing bool   // the process ends
	run     string // that has claimed it; "": it is free
	by      string // where the run is, for people
	left    bool   // the run has released it, or is gone
	renewed time.Time
	work    *work // the run's latest window; nil: none yet
	load    load
}

func newAgent(o Options) (*agent, error) {
	machine, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for the name of this machine: %w", err)
	}
	if o.Name == "" {
		o.Name = strconv.Itoa(os.Getpid())
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.silence == 0 {
		o.silence = Silence
	}
	if o.may == (loadgen.Capacity{}) {
		files, ports := loadgen.Descriptors()
		o.may = loadgen.Capacity{Cores: runtime.GOMAXPROCS(0), Files: files, Ports: ports}
	}
	return &agent{Options: o, machine: machine}, nil
}

// register makes the agent a service.
func (a *agent) register() error {
	env := loadgen.Environment()
	about := map[string]string{
		metaName: a.Name, metaMachine: a.machine, metaVersion: a.Version, metaPID: strconv.Itoa(os.Getpid()),
		metaCores: strconv.Itoa(a.may.Cores), metaFiles: strconv.Itoa(a.may.Files), metaPorts: strconv.Itoa(a.may.Ports),
		metaMemory: strconv.FormatUint(env.MemoryBytes, 10),
	}
	var err error
	a.service, err = micro.AddService(a.conn, micro.Config{
		Name: serviceName, Version: protocol, Metadata: about, QueueGroupDisabled: true,
		Description: "a generator of pushpull that waits for work",
	})
	if err != nil {
		return err
	}
	group := a.service.AddGroup(subjectOfAgent(a.service.Info().ID))
	for name, handle := range map[string]micro.HandlerFunc{
		"claim": a.claim, "renew": a.renew, "prepare": a.prepare, "go": a.proceed, "end": a.end, "window": a.fetch, "known": a.share, "release": a.release,
	} {
		if err := group.AddEndpoint(name, handle); err != nil {
			return errors.Join(err, a.service.Stop())
		}
	}
	return a.conn.Flush() // so that a run finds the agent once ready has been called
}

// watch ends the claim when it isn't renewed, until ctx ends.
func (a *agent) watch(ctx context.Context) {
	ticker := time.NewTicker(a.silence / 20)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.mu.Lock()
			if a.run != "" && !a.left && time.Since(a.renewed) > a.silence {
				a.Logger.Warn("the run was not heard of, and is given up", "run", a.run, "of", a.by, "for", a.silence)
				a.letGo(fmt.Errorf("its coordinator was not heard of for %v", a.silence))
			}
			a.mu.Unlock()
		case <-ctx.Done():
			a.mu.Lock()
			a.closing = true
			claimed := a.run != "" && !a.left
			s := a.status()
			s.Leaving = true
			a.letGo(errors.New("the agent was ended"))
			a.mu.Unlock()
			if claimed {
				a.tell(s)
			}
			return
		}
	}
}

// letGo ends the claim, and the window under way because of why. The caller has locked mu.
func (a *agent) letGo(why error) {
	if a.run == "" || a.left {
		return
	}
	a.left = true
	if a.work == nil || !a.work.begun || a.work.ended {
		a.free()
		return
	}
	a.work.cancel(why)
}

// free makes the agent one that can be claimed. The caller has locked mu.
func (a *agent) free() {
	if a.work != nil {
		a.work.cancel(nil)
	}
	a.Logger.Info("free", "after the run", a.run)
	a.run, a.by, a.work, a.left = "", "", nil, false
}

// status returns the agent's. The caller has locked mu.
func (a *agent) status() status {
	s := status{Agent: a.service.Info().ID, Run: a.run, State: Claimed, Load: a.load}
	switch {
	case a.run == "":
		s.State = Free
	case a.work != nil:
		a.work.describe(&s)
	}
	if a.left {
		s.State = Released
	}
	return s
}
