package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

const (
	progressStep  = 200 * time.Millisecond
	interruptTime = 4 * time.Second // for the agents to end a window early
)

// A measuring is a window that a team measures.
type measuring struct {
	*Team
	number   int
	task     loadgen.Task
	agents   []*member // by the number of the part
	begun    time.Time
	progress func(loadgen.Progress)
	trips    []time.Duration // until each agent had answered that it goes on
	without  []bool          // the agents that have no such window; the team's mu guards it
}

// Measure implements loadgen.Team. The latencies of its progress are those of the agent whose are largest.
//
// If an agent is lost, the window can't be measured: what the others measured is another load than planned. If an agent was
// lost before, another one takes its place, if there is one.
func (t *Team) Measure(ctx context.Context, task loadgen.Task, progress func(loadgen.Progress)) (*result.Window, error) {
	if err := t.fill(ctx); err != nil {
		return nil, err
	}
	agents := t.present()
	if len(agents) != t.options.Agents { // one was lost since
		return nil, t.tooFew(nil)
	}
	task, err := task.Among(capacities(agents))
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.window++
	m := &measuring{
		Team: t, number: t.window, task: task, agents: agents, begun: time.Now(), progress: progress, trips: make([]time.Duration, task.Parts),
		without: make([]bool, task.Parts),
	}
	t.mu.Unlock()
	defer m.finish()
	if err := m.prepare(ctx); err != nil {
		return nil, err
	}
	return m.follow(ctx)
}

// capacities returns what the agents may use.
func capacities(agents []*member) (all []loadgen.Capacity) {
	for _, m := range agents {
		all = append(all, m.may)
	}
	return all
}

// each calls do for all agents at the same time, and returns the first error by their order.
func (m *measuring) each(do func(i int, agent *member) error) error {
	errs := make([]error, len(m.agents))
	var doing sync.WaitGroup
	for i, agent := range m.agents {
		doing.Go(func() { errs[i] = do(i, agent) })
	}
	doing.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare gives each agent its task.
func (m *measuring) prepare(ctx context.Context) error {
	return m.each(func(i int, agent *member) error {
		part := m.task
		part.Part = i
		packed, err := pack(part)
		if err != nil {
			return err
		}
		_, _, err = m.insist(ctx, agent, "prepare", message{Window: m.number, Task: packed})
		return err
	})
}

// proceed sends go to all agents at once, as they have met that often. at is what for.
func (m *measuring) proceed(ctx context.Context, met int, at string) error {
	return m.each(func(i int, agent *member) error {
		_, took, err := m.insist(ctx, agent, "go", message{Window: m.number, Met: met})
		if at == loadgen.Beginning {
			m.trips[i] = took
		}
		return err
	})
}

// exchange fetches what the agents share at a meeting, so that each can ask for it.
func (m *measuring) exchange(ctx context.Context, met int, sizes []int) error {
	all := map[shared][]byte{}
	var mu sync.Mutex
	err := m.each(func(i int, agent *member) error {
		packed, err := m.take(ctx, agent, "known", sizes[i])
		mu.Lock()
		defer mu.Unlock()
		all[shared{Run: m.run, Window: m.number, Met: met, Part: i}] = packed
		return err
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shares = all
	return err
}

// take takes what an agent has, of a size, in parts.
func (m *measuring) take(ctx context.Context, agent *member, name string, size int) (all []byte, err error) {
	for len(all) < size {
		answer, _, err := m.insist(ctx, agent, name, message{Window: m.number, From: len(all)})
		if err != nil {
			return nil, err
		}
		if all = append(all, answer.Data...); len(answer.Data) == 0 || len(all) > size {
			return nil, fmt.Errorf("%s does not hand over its %s", agent, name)
		}
	}
	return all, nil
}

// A survey is what is known of the agents of a window.
type survey struct {
	met    int    // how often all have come to meet
	at     string // what for at last, if all have come as often
	shares bool   // all have something to share there
	known  []int  // the bytes of it
	ended  int    // agents whose window is over
	whole  int    // those of them that have one
	failed string // why an agent has none, or is lost
	all    []status
}

func (m *measuring) survey() survey {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := survey{met: -1, shares: true}
	for i, agent := range m.agents {
		at := agent.status
		if at.Window != m.number { // it has not answered since
			at = status{}
		}
		s.all, s.at = append(s.all, at), at.At
		s.shares, s.known = s.shares && at.Known > 0, append(s.known, at.Known)
		if s.met < 0 || at.Met < s.met {
			s.met = at.Met
		}
		if at.Size > 0 {
			s.whole++
		}
		if agent.lost != "" || m.without[i] || at.ended(m.number) {
			s.ended++
		}
		switch {
		case s.failed != "":
		case agent.lost != "" && at.Size == 0:
			s.failed = agent.lost
		case at.Failed != "":
			s.failed = fmt.Sprintf("%s (%s)", at.Failed, agent)
		}
	}
	return s
}

// follow leads the agents through a window.
func (m *measuring) follow(ctx context.Context) (*result.Window, error) {
	if err := m.proceed(ctx, 0, ""); err != nil {
		return nil, err
	}
	ticker := time.NewTicker(progressStep)
	defer ticker.Stop()
	interrupted, limit, stopped := ctx.Done(), (<-chan time.Time)(nil), ctx
	for met := 0; ; {
		s := m.survey()
		switch {
		case s.whole == len(m.agents):
			m.report(s, "done")
			return m.collect(context.WithoutCancel(ctx))
		case limit != nil && s.ended == len(m.agents):
			return nil, context.Cause(stopped) // some had not begun to measure
		case limit == nil && s.failed != "":
			return nil, errors.New(s.failed)
		case s.met > met: // also at the end of a window that was interrupted, as agents share what they know
			met = s.met
			err := error(nil)
			if s.shares {
				err = m.exchange(ctx, met, s.known)
			}
			if err == nil {
				err = m.proceed(ctx, met, s.at)
			}
			if err != nil && ctx.Err() == nil {
				return nil, err
			}
			continue
		}
		select {
		case <-m.changed:
		case <-ticker.C:
			m.report(s, "")
		case <-interrupted:
			after := time.NewTimer(interruptTime)
			defer after.Stop()
			interrupted, limit = nil, after.C
			stopped, ctx = ctx, context.WithoutCancel(ctx)
			m.end("the run was interrupted")
		case <-limit:
			return nil, context.Cause(stopped)
		}
	}
}

// end sends end to the agents, so that the window ends early.
func (m *measuring) end(why string) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_ = m.each(func(i int, agent *member) error {
		m.mu.Lock()
		over := agent.lost != "" || agent.status.ended(m.number)
		m.mu.Unlock()
		if over {
			return nil
		}
		s, err := m.once(ctx, agent, "end", message{Window: m.number, Why: why}, answerTime)
		if err == nil {
			m.note(agent, s)
		}
		if _, refused := errors.AsType[*refusedError](err); refused {
			m.mu.Lock()
			m.without[i] = true
			m.mu.Unlock()
			m.wake()
		}
		return err // one that does not hear of it is lost, and ends as its claim is not renewed
	})
}

// finish waits until no agent measures the window any more, or is lost.
func (m *measuring) finish() {
	s := m.survey()
	if s.ended == len(m.agents) {
		return
	}
	m.end("another agent could not measure its part")
	limit := time.NewTimer(interruptTime)
	defer limit.Stop()
	for s = m.survey(); s.ended < len(m.agents); s = m.survey() {
		select {
		case <-m.changed:
		case <-limit.C:
			return // prepare waits for those that are busy
		}
	}
}

// collect fetches the parts of the window, and joins them.
func (m *measuring) collect(ctx context.Context) (*result.Window, error) {
	parts := make([]result.Window, len(m.agents))
	err := m.each(func(i int, agent *member) error {
		m.mu.Lock()
		size := agent.status.Size
		m.mu.Unlock()
		packed, err := m.take(ctx, agent, "window", size)
		if err != nil {
			return err
		}
		if err := unpack(packed, &parts[i]); err != nil {
			return fmt.Errorf("reading the window of %s: %w", agent, err)
		}
		for n := range parts[i].Agents {
			a := &parts[i].Agents[n]
			if a.RoundTripS = m.trips[i].Seconds(); a.Machine != m.machine {
				a.PID = 0
			}
		}
		return parts[i].Settle()
	})
	if err != nil {
		return nil, err
	}
	w, err := result.Join(parts...)
	if err != nil {
		return nil, err
	}
	return &w, nil
}

// phases are those of a window, in their order.
var phases = []string{"", "starting", "joining", "warming up", "measuring", "draining", "done"}

// report reports the progress of all agents together. The phase is the earliest of theirs, unless it is given.
func (m *measuring) report(s survey, phase string) {
	if m.progress == nil {
		return
	}
	now := m.task.Progress
	now.Agents, now.Phase, now.In = len(m.agents), phase, 0
	earliest := len(phases)
	var p50, p99 time.Duration
	for _, at := range s.all {
		p := at.Progress
		now.Joined += p.Joined
		now.JoinedPerS += p.PerS
		now.Sent += p.Sent
		now.Expected += p.Expected
		now.Delivered += p.Delivered
		p50, p99 = max(p50, p.P50), max(p99, p.P99)
		if is := phaseOf(p.Phase); is < earliest {
			earliest = is
			if phase == "" {
				now.Phase, now.In, now.Waiting = p.Phase, p.In, p.Waiting
			}
		}
	}
	if now.Phase == "" {
		now.Phase = "starting"
	}
	now.Latency = func() (time.Duration, time.Duration) { return p50, p99 }
	now.Left = max(0, m.task.Progress.Left-time.Since(m.begun))
	m.progress(now)
}

// phaseOf returns the index of a phase in phases; 0 if it is unknown.
func phaseOf(name string) int {
	for i, phase := range phases {
		if phase == name {
			return i
		}
	}
	return 0
}

var _ json.Marshaler = result.Window{} // agents send it as it is kept in files
