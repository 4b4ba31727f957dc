package loadgen

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/loadgen/result"
)

const joinersAtOnce = 64

// joinersAtOnce returns how many users join at a time. Over a network they mostly wait, so they are more.
func (w *window) joinersAtOnce() int {
	const usual, most = .01, 16 // seconds that a user takes to join without a network
	return joinersAtOnce * min(most, 1+int(3*w.network.RTTS/usual))
}

// join joins all users and starts a goroutine that receives for each. It pauses after parts of them to sample
// the memory of the servers, if memory, which askIdle has begun, is known.
func (w *window) join(ctx, living context.Context, receivers *sync.WaitGroup, memory growth) (growth, error) {
	w.enter(phaseJoining)
	left := w.joinLimit
	for _, step := range w.steps(memory) {
		begun := time.Now()
		err := w.joinUpTo(ctx, living, receivers, step.own, left)
		if err == nil {
			err = w.meet(ctx, phaseJoining)
		}
		if err != nil {
			return growth{}, err
		}
		left -= time.Since(begun)
		if memory.known() && pauseUntil(ctx, time.Now().Add(calm)) { // for what the users have asked to be under way
			now := w.ask(ctx, askInUse)
			release := context.AfterFunc(ctx, now.stop)
			now.wait()
			release()
			memory.add(step.all, now)
		}
		if err := w.meet(ctx, phaseJoining); err != nil {
			return growth{}, err
		}
	}
	return memory, nil
}

// A joinStep ends when so many users have joined: of the window's own, and of all parts.
type joinStep struct{ own, all int }

// steps returns the steps in which users join, so that the memory of the servers is sampled after each. What the first
// users bring for all is not what one more costs, so there are several, and from an eighth of the users on. All
// generators of a window have as many.
func (w *window) steps(memory growth) (steps []joinStep) {
	n := len(w.users)
	if w.crew == nil && !memory.known() {
		return []joinStep{{n, n}}
	}
	for _, eighths := range []int{1, 2, 4, 6, 8} {
		step := joinStep{n * eighths / 8, n * eighths / 8}
		if w.whole != nil {
			step.all = w.whole(eighths)
		}
		if w.crew != nil || step.own > 0 && (len(steps) == 0 || steps[len(steps)-1] != step) {
			steps = append(steps, step)
		}
	}
	return steps
}

// joinUpTo joins the users before the given one that have not joined, within a limit. They join a few at a time
// so that the server's listen queue doesn't overflow. Joining runs on other goroutines than receiving, as it
// needs a stack of 8 KB, receiving one of 4 KB (Linux, amd64), and a stack hardly shrinks.
func (w *window) joinUpTo(ctx, living context.Context, receivers *sync.WaitGroup, users int, limit time.Duration) error {
	joining, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(limit, func() {
		joined := w.joined.Load()
		advice := ""
		if joined > 0 {
			advice = ": use fewer users"
		}
		cancel(fmt.Errorf("only %d of %d users could join within %v, %s%s", joined, len(w.users), w.joinLimit, w.waiting(), advice))
	})
	defer timer.Stop()
	var next atomic.Int64
	next.Store(w.joined.Load())
	var joiners sync.WaitGroup
	for range w.joinersAtOnce() {
		joiners.Go(func() {
			for i := next.Add(1) - 1; int(i) < users && joining.Err() == nil; i = next.Add(1) - 1 {
				u := &w.users[i]
				if err := u.join(joining); err != nil {
					already := ""
					if joined := w.joined.Load(); joined > 0 {
						already = fmt.Sprintf(", after %d had joined", joined)
					}
					// The reason is the same for the same cause, whichever user meets it first: reports merge equal ones.
					cancel(fmt.Errorf("joining as one of %d users%s: %w", len(w.users), already, err))
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

// waiting says what the users that have not joined wait for.
func (w *window) waiting() string {
	if w.connected.Load() > w.joined.Load() {
		return "the server has accepted their connections, but does not answer the request to join"
	}
	return "the server does not accept their connections"
}

// A growth is the memory of the servers while users join.
type growth struct {
	samples []result.MemorySample // none: the servers don't report their memory, or one has stopped to do so
	lost    error                 // why one has
}

// known reports whether there are samples.
func (g *growth) known() bool { return len(g.samples) > 0 }

// add adds what the servers reported when some users had joined, or gives up if one did not.
func (g *growth) add(users int, q *inquiry) {
	if i := q.failed(); i >= 0 {
		if g.known() {
			*g = growth{lost: q.errs[i]}
		}
		return
	}
	if !q.resident && slices.ContainsFunc(q.stats, func(s *serverStats) bool { return s.Process.InUseBytes == 0 }) {
		*g = growth{}
		return
	}
	process := q.total().Process
	g.samples = append(g.samples, result.MemorySample{Users: users, InUseBytes: process.InUseBytes, RSSBytes: process.RSSBytes})
}

// fill fills in the samples of a window, or why there are none.
func (g *growth) fill(out *result.Window) {
	out.Joining = g.samples
	if g.lost != nil {
		out.Dropped = append(out.Dropped, result.Drop{
			What: fmt.Sprintf("a server did not report its memory while users joined (%v)", g.lost),
			Cost: "the server's memory for one more user is left out",
		})
	}
}
