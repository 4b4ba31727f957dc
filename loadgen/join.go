package loadgen

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

const joinersAtOnce = 64

// joinersAtOnce returns how many users join at a time at first. Over a network they mostly wait, so they are more.
func (w *window) joinersAtOnce() int {
	const usual, most = .01, 16 // seconds that a user takes to join without a network
	return joinersAtOnce * min(most, 1+int(3*w.network.RTTS/usual))
}

// join joins all users and starts a goroutine that receives for each. It pauses after parts of them to sample
// the memory of the servers, if memory, which askIdle has begun, is known.
func (w *window) join(ctx, living context.Context, receivers *sync.WaitGroup, memory growth) (growth, error) {
	w.enter(phaseJoining)
	pace := newPacer(w.joinersAtOnce())
	for _, step := range w.steps(memory) {
		begun, before := time.Now(), int(w.joined.Load())
		err := w.joinUpTo(ctx, living, receivers, step.own, pace)
		w.joinSteps = append(w.joinSteps, timedStep{step.own - before, begun, time.Now()})
		if err == nil {
			err = w.meet(ctx, phaseJoining)
		}
		if err != nil {
			return growth{}, err
		}
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

// A timedStep is some users that have joined, and when.
type timedStep struct {
	users      int
	begun, end time.Time
}

// stepsBefore returns when users joined before a time.
func (w *window) stepsBefore(start time.Time) (steps []result.JoinStep) {
	for _, s := range w.joinSteps {
		if s.users > 0 {
			steps = append(steps, result.JoinStep{Users: s.users, LengthS: s.end.Sub(s.begun).Seconds(), BeforeS: start.Sub(s.begun).Seconds()})
		}
	}
	return steps
}

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

// joinUpTo joins the users before the given one that have not joined, as many at a time as the pacer says. It gives up
// if one can't, or if none has for some time; a user that the server has kept waiting for too long tries again as long
// as others join. Joining runs on other goroutines than receiving, as it needs a stack of 8 KB, receiving one of 4 KB
// (Linux, amd64), and a stack hardly shrinks.
func (w *window) joinUpTo(ctx, living context.Context, receivers *sync.WaitGroup, users int, pace *pacer) error {
	joining, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(w.joinLimit, func() { cancel(w.stalled()) })
	defer stalled.Stop()
	var next atomic.Int64
	next.Store(w.joined.Load())
	var joiners sync.WaitGroup
	var joiner func()
	joiner = func() {
		stay := true
		for stay && joining.Err() == nil {
			i := next.Add(1) - 1
			if int(i) >= users {
				break
			}
			u, begun := &w.users[i], time.Now()
			err := u.joinPatiently(joining, func(err error, joined int64) bool {
				late := silent(err) && joining.Err() == nil && w.joined.Load() > joined
				if late {
					pace.timedOut()
				}
				return late
			})
			if err != nil {
				already := ""
				if joined := w.joined.Load(); joined > 0 {
					already = fmt.Sprintf(", after %d had joined", joined)
				}
				// The reason is the same for the same cause, whichever user meets it first: reports merge equal ones.
				cancel(fmt.Errorf("joining as one of %d users%s: %w", len(w.users), already, err))
				break
			}
			w.joined.Add(1)
			stalled.Reset(w.joinLimit)
			receivers.Go(func() { u.receive(living) })
			var more int
			if more, stay = pace.done(time.Since(begun)); !stay {
				return
			}
			for ; more > 0 && int(next.Load()) < users && pace.enter(); more-- {
				joiners.Go(joiner)
			}
		}
		pace.leave()
	}
	for pace.enter() {
		joiners.Go(joiner)
	}
	joiners.Wait()
	return context.Cause(joining)
}

// joinPatiently is join, for a user that tries again after an error if again says so, given how many users had joined
// before the attempt.
func (u *user) joinPatiently(ctx context.Context, again func(err error, joined int64) bool) error {
	w, begun := u.window, time.Now()
	var opened, carried int64 // connections and bytes of the attempts that failed
	for {
		joined := w.joined.Load()
		err := u.enter(ctx, begun, opened, carried)
		if err == nil || !again(err, joined) {
			return err
		}
		w.ledger.fail(fmt.Errorf("joining: %w", err))
		connections, bytes := u.first.pool.Carried()
		if connections > 0 {
			w.connected.Add(-1)
		}
		opened, carried, u.first = opened+connections, carried+bytes, link{}
	}
}

// join connects the user and makes it a member of its room.
//
// A user that polls a foreign server makes one exchange first, as ours poll to join: its first poll may be seconds
// away, or be held, and so says nothing of when a message could come. A server has the memory of a connection only
// then, too.
func (u *user) join(ctx context.Context) error { return u.enter(ctx, time.Now(), 0, 0) }

// enter is one attempt to join, since the user began to. The attempts before it have opened some connections, which
// have carried some bytes.
func (u *user) enter(ctx context.Context, begun time.Time, opened, carried int64) error {
	w := u.window
	if err := u.connect(ctx, &u.first, ""); err != nil {
		return err
	}
	if path := w.health(); w.foreign() && w.way.Polls() && path != "" {
		_, _ = roundTrip(transports.Within(ctx, transports.AnswerTime, "answer a first exchange"), &u.first.pool, path) // the first poll will show what is wrong
	}
	u.first.pool.Forget()
	u.cursor = u.first.session.Cursor()
	ready := time.Since(begun)
	if err := u.prepare(ctx, &u.first); err != nil {
		return err
	}
	connections, bytes := u.first.pool.Carried()
	w.joins.add(ready, opened+connections, carried+bytes)
	u.move(joined, &u.first)
	return nil
}

// prepare opens the connections that a user needs besides the one on which it has joined. If that fails, l is closed.
func (u *user) prepare(ctx context.Context, l *link) error {
	for range u.window.connections(u.place) - 1 {
		if err := l.pool.Open(ctx); err != nil {
			l.close()
			return err
		}
	}
	return nil
}

// stalled returns the reason to give up when no user has joined for some time.
func (w *window) stalled() error {
	joined := w.joined.Load()
	if joined == 0 {
		return fmt.Errorf("none of %d users could join within %v, %s", len(w.users), w.joinLimit, w.waiting())
	}
	return fmt.Errorf("only %d of %d users could join, and none within the last %v, %s: use fewer users", joined, len(w.users), w.joinLimit, w.waiting())
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
