package loadgen

import (
	"context"
	"slices"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports/process"
)

// recoveryStep is the time between two samples of a recovery, and answersEvery that between two looks for the answers
// that users got.
const (
	recoveryStep = 100 * time.Millisecond
	answersEvery = 20 * time.Millisecond
)

// A recovery takes note of when users are cut off, and when messages can reach them again. A user is cut off once its
// session has ended, or its server was killed. It is back when its next stream is open, or a poll was answered, or, as
// an answer may take as long as there is no message, when the poll began that is held.
//
// It is safe for concurrent use; a nil one does nothing.
type recovery struct {
	window *window

	mu    sync.Mutex
	users []presence
	trees []*process.Tree // of the servers that run
	spent []time.Duration // CPU of each as last seen
	gone  time.Duration   // CPU of those that have ended
	steps []recoverySample
}

// A presence is whether messages can reach a user.
type presence struct {
	cut   time.Time // zero: it is not cut off
	asked time.Time // while it is: when the session began whose first poll may be held; zero: there is none
	spans []span
}

// A span is a time in which a user was cut off.
type span struct{ cut, back time.Time }

// A recoverySample is what all users have done, and the servers have used, up to a time.
type recoverySample struct {
	at          time.Time
	connections int64
	requests    int64
	cpu         time.Duration
}

func newRecovery(w *window) *recovery {
	return &recovery{window: w, users: make([]presence, w.plan.Users)}
}

// lost takes note that the session of a user has ended, or its attempt to begin another one.
func (r *recovery) lost(u *user) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	one := &r.users[u.place]
	if one.cut.IsZero() {
		one.cut = time.Now()
	}
	one.asked = time.Time{}
}

// joined takes note that a user has a session again.
func (r *recovery) joined(u *user) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	one := &r.users[u.place]
	if r.window.way.Stream {
		one.returned(time.Now())
	} else if r.window.way.Hold > 0 {
		one.asked = time.Now()
	}
}

// killed takes note that a server was killed, whose users are cut off whether they know or not.
func (r *recovery) killed(server int) {
	if r == nil {
		return
	}
	now := time.Now()
	for i := range r.window.users {
		u := &r.window.users[i]
		u.mu.Lock()
		on := u.server
		u.mu.Unlock()
		if on != server {
			continue
		}
		r.mu.Lock()
		if one := &r.users[i]; one.cut.IsZero() {
			one.cut = now
		}
		r.mu.Unlock()
	}
}

// returned ends the time in which the user was cut off.
func (one *presence) returned(at time.Time) {
	if !one.cut.IsZero() {
		one.spans = append(one.spans, span{one.cut, at})
		one.cut, one.asked = time.Time{}, time.Time{}
	}
}

// answers looks for the polls that were answered to users that are cut off.
func (r *recovery) answers() {
	if r.window.way.Stream {
		return
	}
	for i := range r.window.users {
		r.mu.Lock()
		cut := r.users[i].cut
		r.mu.Unlock()
		if cut.IsZero() {
			continue
		}
		u := &r.window.users[i]
		u.mu.Lock()
		var answered time.Time
		if u.link != nil {
			answered = u.link.pool.AnsweredAt()
		}
		u.mu.Unlock()
		if !answered.After(cut) {
			continue
		}
		r.mu.Lock()
		if one := &r.users[i]; one.cut.Equal(cut) {
			if !one.asked.IsZero() {
				answered = one.asked
			}
			one.returned(answered)
		}
		r.mu.Unlock()
	}
}

// serves makes the CPU of a process, and of its children, part of that of the servers.
func (r *recovery) serves(pid int) {
	if r == nil {
		return
	}
	tree, err := process.OpenTree(pid)
	if err != nil {
		return // there is no figure for its CPU
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trees, r.spent = append(r.trees, tree), append(r.spent, 0)
}

// cpu returns the CPU of all servers since they were started.
func (r *recovery) cpu() time.Duration {
	all := time.Duration(0)
	for i := 0; i < len(r.trees); i++ {
		used, err := r.trees[i].CPU()
		if err != nil { // it has ended
			r.gone += r.spent[i]
			r.trees, r.spent = slices.Delete(r.trees, i, i+1), slices.Delete(r.spent, i, i+1)
			i--
			continue
		}
		r.spent[i] = used
		all += used
	}
	return r.gone + all
}

// sample takes a sample.
func (r *recovery) sample() {
	total := r.window.counts.Total()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, recoverySample{time.Now(), total.Connections, total.Requests + total.Posts, r.cpu()})
}

// watch takes samples until ctx ends.
func (r *recovery) watch(ctx context.Context) {
	tick := time.NewTicker(answersEvery) // it skips what a busy machine misses
	defer tick.Stop()
	r.sample()
	for sampled := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			r.answers()
			if now.Sub(sampled) >= recoveryStep {
				sampled = now
				r.sample()
			}
		}
	}
}

// kept is how long after the last user is back samples are kept, and before the fault began.
const kept = 500 * time.Millisecond

// fill returns what is known, once all samples are taken, of a window that began at start; nil if nobody was cut off
// since the fault began.
func (r *recovery) fill(start, began, ended time.Time) *result.Recovery {
	r.answers()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &result.Recovery{}
	var backs []time.Duration // since the fault ended
	latest := ended
	for i := range r.users {
		one := &r.users[i]
		if !one.asked.IsZero() {
			one.returned(one.asked) // its poll is held
		}
		one.spans = slices.DeleteFunc(one.spans, func(s span) bool { return s.back.Before(began) })
		if !one.cut.IsZero() || len(one.spans) > 0 {
			out.Cut++
		}
		if one.cut.IsZero() && len(one.spans) > 0 {
			back := one.spans[len(one.spans)-1].back
			backs = append(backs, max(0, back.Sub(ended)))
			if back.After(latest) {
				latest = back
			}
		}
	}
	if out.Cut == 0 {
		return nil
	}
	slices.Sort(backs)
	out.Back = len(backs)
	if half := (out.Cut + 1) / 2; out.Back >= half {
		out.HalfS = backs[half-1].Seconds()
	}
	if out.Back == out.Cut {
		out.AllS = backs[out.Back-1].Seconds()
	}
	r.series(out, start, began, latest)
	return out
}

// series fills in the steps, and what happened until all were back.
func (r *recovery) series(out *result.Recovery, start, began, latest time.Time) {
	for i, s := range r.steps {
		if i == 0 || s.at.Before(began.Add(-kept)) || s.at.After(latest.Add(kept+recoveryStep)) {
			continue
		}
		before := r.steps[i-1]
		step := result.RecoveryStep{
			AtS: s.at.Sub(start).Seconds(), WidthS: s.at.Sub(before.at).Seconds(), Reached: r.reached(s.at),
			Connections: s.connections - before.connections, Requests: s.requests - before.requests, CPUS: (s.cpu - before.cpu).Seconds(),
		}
		if s.at.After(began) && !before.at.After(latest) {
			out.Connections += step.Connections
			out.Requests += step.Requests
			out.CPUS += step.CPUS
		}
		out.Steps = append(out.Steps, step)
	}
	if out.Cut < result.Herd || len(out.Steps) > result.MostRecoverySteps {
		out.Steps = nil
	}
}

// reached returns how many users messages could reach at a time.
func (r *recovery) reached(at time.Time) int {
	n := len(r.users)
	for i := range r.users {
		one := &r.users[i]
		if !one.cut.IsZero() && !one.cut.After(at) || slices.ContainsFunc(one.spans, func(s span) bool { return !s.cut.After(at) && s.back.After(at) }) {
			n--
		}
	}
	return n
}
