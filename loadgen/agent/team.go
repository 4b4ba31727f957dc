package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"pushpull/loadgen"
)

const (
	renewEvery  = 250 * time.Millisecond
	answerTime  = time.Second            // for one request; it is repeated until Silence has passed
	againAfter  = 50 * time.Millisecond  // between two tries of a request that nobody took
	findingTime = 250 * time.Millisecond // after the last agent that was found, for another one
	gatherTime  = 2 * time.Second        // for enough agents to be found
)

// A Team is the agents that a run has claimed. Measure may be called by one goroutine at a time.
type Team struct {
	conn    *nats.Conn
	options TeamOptions
	run     string
	by      string // this process, for people
	machine string
	service micro.Service
	changed chan struct{}      // holds a value when something is new of an agent
	renewal sync.WaitGroup     // and what watches the load
	unwatch context.CancelFunc // ends that

	mu      sync.Mutex
	window  int // number of the latest one
	members []*member
	shares  map[shared][]byte // of the latest meeting at which agents share: what each knows, packed
	load    load              // of this machine
	loadAt  time.Time         // when it was found
}

var _ loadgen.Team = (*Team)(nil)

// TeamOptions are the options of a Team.
type TeamOptions struct {
	Agents  int    // how many to claim, at least one
	Version string // of pushpull; agents of another one are not claimed
	Here    bool   // servers listen on this machine's loopback interface: agents of other machines are not claimed
	More    string // how people start more agents, for errors; empty: they can't

	// Ended returns how the process with an id on this machine has ended, "" if it has not. nil: the processes are unknown.
	Ended func(pid int) string

	// Replace starts an agent in place of one that was lost, whose process on this machine has an id, before the next window.
	// nil: only agents that wait take its place.
	Replace func(ctx context.Context, pid int) error

	silence, patience time.Duration                   // 0: Silence and gatherTime
	cpu               func() (loadgen.CPUTime, error) // of this machine; nil: loadgen.MachineCPU
}

// A member is an agent of a team. The team's mu guards what changes.
type member struct {
	id, name, machine string
	pid               int
	may               loadgen.Capacity

	leave  context.CancelFunc // ends its renewals
	seen   time.Time          // when it last answered
	status status
	lost   string // why it is no longer one of the team; "": it is
}

// String names the agent.
func (m *member) String() string { return fmt.Sprintf("agent %s on %s", m.name, m.machine) }

// Gather claims agents that wait for work on a connection to NATS, which must be one of Connect. If there are not enough,
// the error says how many are there, and what keeps the others. The caller must close the team, before the connection.
func Gather(ctx context.Context, conn *nats.Conn, o TeamOptions) (*Team, error) {
	machine, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for the name of this machine: %w", err)
	}
	o.silence, o.patience = cmp.Or(o.silence, Silence), cmp.Or(o.patience, gatherTime)
	if o.cpu == nil {
		o.cpu = loadgen.MachineCPU
	}
	t := &Team{
		conn: conn, options: o, run: rand.Text(), machine: machine, by: fmt.Sprintf("process %d on %s", os.Getpid(), machine),
		changed: make(chan struct{}, 1),
	}
	t.service, err = micro.AddService(conn, micro.Config{
		Name: runName, Version: protocol, Description: "a run of pushpull", QueueGroupDisabled: true,
		Metadata: map[string]string{"run": t.run, metaMachine: machine, metaPID: strconv.Itoa(os.Getpid())},
	})
	if err == nil {
		group := t.service.AddGroup(subjectOfRun(t.run))
		err = errors.Join(group.AddEndpoint("status", micro.HandlerFunc(t.told)), group.AddEndpoint("known", micro.HandlerFunc(t.share)))
	}
	if err != nil {
		return nil, fmt.Errorf("registering the run at NATS: %w", err)
	}
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	t.unwatch = unwatch
	t.renewal.Go(func() {
		watchLoad(watching, o.cpu, func(l load) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.load, t.loadAt = l, time.Now()
		})
	})
	if err := t.fill(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close releases the agents. It waits for them, but not for long.
func (t *Team) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	var releasing sync.WaitGroup
	for _, m := range t.present() {
		releasing.Go(func() { _, _ = t.once(ctx, m, "release", message{}, answerTime) }) // else its claim runs out
	}
	releasing.Wait()
	t.mu.Lock()
	for _, m := range t.members {
		m.leave()
	}
	t.mu.Unlock()
	t.unwatch()
	t.renewal.Wait()
	_ = t.service.Stop() // the connection may have ended
}

// Names returns how people call the agents.
func (t *Team) Names() (names []string) {
	for _, m := range t.present() {
		names = append(names, m.String())
	}
	return names
}

// present returns the agents that are not lost.
func (t *Team) present() []*member {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.members), func(m *member) bool { return m.lost != "" })
}

// fill claims agents until there are enough. Those that were lost are no longer part of the team, unless they can be claimed
// again.
func (t *Team) fill(ctx context.Context) error {
	var lost []*member
	t.mu.Lock()
	t.members = slices.DeleteFunc(t.members, func(m *member) bool {
		if m.lost != "" {
			m.leave()
			lost = append(lost, m)
		}
		return m.lost != ""
	})
	missing := t.options.Agents - len(t.members)
	t.mu.Unlock()
	for _, m := range lost {
		if t.options.Replace != nil && m.machine == t.machine {
			if err := t.options.Replace(ctx, m.pid); err != nil {
				return fmt.Errorf("starting %s again: %w", m, err)
			}
		}
	}
	if missing <= 0 {
		return nil
	}
	until := time.Now().Add(t.options.patience)
	for {
		var reasons refusals
		err := t.find(ctx, func(m *member) bool {
			if why := t.join(ctx, m); why != "" {
				reasons.add(why)
			} else {
				missing--
			}
			return missing > 0
		})
		switch {
		case missing == 0:
			return nil
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(until):
			return t.tooFew(reasons)
		}
		if err := pause(ctx, againAfter); err != nil {
			return err
		}
	}
}

// tooFew returns the error that says how many agents there are, and why others could not be claimed.
func (t *Team) tooFew(reasons refusals) error {
	if !t.conn.IsConnected() {
		return fmt.Errorf("NATS at %s is out of reach", withoutUser(t.conn.Opts.Url))
	}
	have := len(t.present())
	words := fmt.Sprintf("%d of %d agents are there", have, t.options.Agents)
	switch {
	case have == 0:
		words = "no agent is there"
		if t.options.Agents > 1 {
			words += fmt.Sprintf(", and %d are needed", t.options.Agents)
		}
	case have == 1:
		words = fmt.Sprintf("1 of %d agents is there", t.options.Agents)
	}
	for _, r := range reasons {
		words += fmt.Sprintf(", %d can't be used as %s", r.agents, r.why)
	}
	if t.options.More != "" {
		words += ": start more, each by: " + t.options.More
	}
	return errors.New(words)
}

// A refusal is why a number of agents could not be claimed.
type refusal struct {
	why    string
	agents int
}

type refusals []refusal

func (r *refusals) add(why string) {
	i := slices.IndexFunc(*r, func(known refusal) bool { return known.why == why })
	if i < 0 {
		*r = append(*r, refusal{why, 1})
		return
	}
	(*r)[i].agents++
}

// join claims an agent for the team. It returns why it can't be claimed, "" if it is.
func (t *Team) join(ctx context.Context, m *member) string {
	if t.options.Here && m.machine != t.machine {
		return fmt.Sprintf("it runs on %s, which can't reach the servers that the run starts on %s: measure servers that run already (--target)", m.machine, t.machine)
	}
	s, err := t.once(ctx, m, "claim", message{Version: t.options.Version, By: t.by}, answerTime)
	if err != nil {
		if refused, ok := errors.AsType[*refusedError](err); ok {
			return refused.Text
		}
		return "it does not answer"
	}
	living, leave := context.WithCancel(context.WithoutCancel(ctx))
	m.leave, m.seen, m.status = leave, time.Now(), s
	t.mu.Lock()
	t.members = append(t.members, m)
	slices.SortFunc(t.members, func(a, b *member) int {
		return strings.Compare(a.machine+" "+a.name+" "+a.id, b.machine+" "+b.name+" "+b.id)
	})
	t.mu.Unlock()
	t.renewal.Go(func() { t.renew(living, m) })
	return ""
}

// find calls with for each agent that is not in the team, whether it is free or not, as long as with returns true. An error
// means that NATS is out of reach, or that ctx has ended.
func (t *Team) find(ctx context.Context, with func(*member) bool) error {
	subject, err := micro.ControlSubject(micro.InfoVerb, serviceName, "")
	if err != nil {
		return err
	}
	inbox := t.conn.NewInbox()
	answers, err := t.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = answers.Unsubscribe() }() // the connection may have ended
	if err := t.conn.PublishRequest(subject, inbox, nil); err != nil {
		return err
	}
	for {
		limit, cancel := context.WithTimeout(ctx, findingTime)
		answer, err := answers.NextMsgWithContext(limit)
		cancel()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
			return nil
		case err != nil:
			return err
		}
		m, ok := memberOf(answer.Data)
		if !ok {
			continue
		}
		known := slices.ContainsFunc(t.present(), func(known *member) bool { return known.id == m.id })
		if !known && !with(m) {
			return nil
		}
	}
}

// renew renews the claim of an agent, and asks for its status, until ctx ends or the agent is lost.
func (t *Team) renew(ctx context.Context, m *member) {
	for ctx.Err() == nil {
		s, err := t.once(ctx, m, "renew", message{}, t.options.silence)
		switch refused, ok := errors.AsType[*refusedError](err); {
		case err == nil:
			t.note(m, s)
		case ok:
			t.lose(m, fmt.Sprintf("%s is no longer the run's: %s", m, refused.Text))
			return
		default:
			t.mu.Lock()
			silent := time.Since(m.seen)
			t.mu.Unlock()
			if how := t.ended(m); how != "" {
				t.lose(m, fmt.Sprintf("%s ended (%s)", m, how))
				return
			}
			if silent >= t.options.silence && ctx.Err() == nil {
				t.lose(m, t.silence(m))
				return
			}
		}
		if pause(ctx, renewEvery) != nil {
			return
		}
	}
}

// ended returns how the process of an agent ended; "" if it has not, or that is unknown.
func (t *Team) ended(m *member) string {
	if !t.knows(m) {
		return ""
	}
	return t.options.Ended(m.pid)
}

// knows reports whether it would be known that the process of an agent has ended.
func (t *Team) knows(m *member) bool { return t.options.Ended != nil && m.machine == t.machine }

// lose makes an agent one that is lost.
func (t *Team) lose(m *member, why string) {
	t.mu.Lock()
	if m.lost == "" {
		m.lost = why
	}
	t.mu.Unlock()
	t.wake()
}

// note takes note of the status of an agent.
func (t *Team) note(m *member, s status) {
	t.mu.Lock()
	m.seen = time.Now()
	if s.Window > t.window { // the run has none with that number
		t.mu.Unlock()
		return
	}
	if m.status.Window > s.Window || m.status.Window == s.Window && (m.status.Met > s.Met || m.status.ended(s.Window)) {
		older := s // than what is known
		s = m.status
		s.Progress, s.Load, s.Leaving = older.Progress, older.Load, s.Leaving || older.Leaving
	}
	m.status = s
	t.mu.Unlock()
	if s.Leaving {
		t.lose(m, fmt.Sprintf("%s was ended", m))
	}
	t.wake()
}

// wake makes Measure look at the agents.
func (t *Team) wake() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// told is the handler of the message status, by which an agent reports its state.
func (t *Team) told(r micro.Request) {
	s, err := readStatus(r.Data())
	if err != nil {
		refuse(r, codeBad, "the status can't be read: %v", err)
		return
	}
	t.mu.Lock()
	i := slices.IndexFunc(t.members, func(m *member) bool { return m.id == s.Agent })
	var m *member
	if i >= 0 {
		m = t.members[i]
	}
	t.mu.Unlock()
	if m == nil || s.Run != t.run {
		refuse(r, codeStray, "the agent is not one of the run")
		return
	}
	answer(r, struct{}{})
	t.note(m, s)
}

// share is the message known.
func (t *Team) share(r micro.Request) {
	var of shared
	err := json.Unmarshal(r.Data(), &of)
	from := of.From
	of.From = 0
	t.mu.Lock()
	known := t.shares[of]
	t.mu.Unlock()
	if err != nil || known == nil {
		refuse(r, codeBad, "nobody has shared that")
		return
	}
	handOver(r, t.conn, known, from)
}
