package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"pushpull/loadgen/result"
	"pushpull/loadgen/wire"
	"pushpull/transports/process"
)

// A sample is the traffic and the usage up to one moment.
type sample struct {
	at        time.Time
	traffic   result.Traffic
	generator process.Usage
	servers   *inquiry
}

// sampleAt samples at a time from the start of the window, or when ctx ends. It does not wait for the stats of
// the servers, as that would lengthen the measured part; servers that had none at idle are not asked.
func (w *window) sampleAt(ctx context.Context, at time.Duration, idle *inquiry) sample {
	pauseUntil(ctx, w.ledger.start.Add(at))
	s := sample{at: time.Now(), traffic: w.counts.Total()}
	s.generator, _ = process.Self() // newWindow has returned its error on systems where it fails
	s.servers = idle
	if w.target && idle.failed() >= 0 {
		return s
	}
	s.servers = w.ask(ctx, "")
	return s
}

// An inquiry asks all servers of a window for their stats at the same time.
type inquiry struct {
	window *window
	asked  time.Time
	stop   context.CancelFunc
	asking sync.WaitGroup

	resident bool // it reads processes: the system doesn't say how much of their memory is in use

	// Of each server. They are known once asking has ended.
	stats []*serverStats
	errs  []error
	took  []time.Duration
}

// errNoStats is the error of servers that are not asked.
var errNoStats = errors.New("the stats of the server are not its own")

// ask begins to ask, with a query for what servers report only on request. It outlives ctx, as an interrupted
// window has stats too.
func (w *window) ask(ctx context.Context, query string) *inquiry {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	n := len(w.servers)
	q := &inquiry{
		window: w, asked: time.Now(), stop: stop,
		stats: make([]*serverStats, n), errs: make([]error, n), took: make([]time.Duration, n),
	}
	limit := getTimeout
	if query == askInUse {
		limit = inUseTimeout(w.everyone)
	}
	if w.target {
		query += askProgram
	}
	if w.foreign() {
		q.readTrees()
		return q
	}
	for i := range w.servers {
		if w.noStats {
			q.errs[i] = errNoStats
			continue
		}
		q.asking.Go(func() {
			q.stats[i], q.errs[i] = readStats(ctx, w.beside(i, &wire.Counts{}), query, limit)
			q.took[i] = time.Since(q.asked)
		})
	}
	return q
}

// readTrees reads the processes of foreign servers, which takes some milliseconds.
func (q *inquiry) readTrees() {
	w := q.window
	q.resident = true
	for i := range q.stats {
		if w.treeless != nil || i >= len(w.trees) {
			q.errs[i] = cmp.Or(w.treeless, errNoStats)
			continue
		}
		used, err := w.trees[i].Usage()
		if err != nil {
			q.errs[i] = err
			continue
		}
		q.stats[i] = &serverStats{}
		q.stats[i].Process.CPUS, q.stats[i].Process.RSSBytes = used.CPU.Seconds(), int64(used.RSS)
	}
}

// askIdle asks for the stats before users join, and for the memory in use, from which memory begins. Servers that
// take too long to count it are asked for the rest alone.
func (w *window) askIdle(ctx context.Context) (idle *inquiry, memory growth) {
	idle = w.ask(ctx, askInUse)
	idle.wait()
	i := idle.failed()
	if w.way.Every > 0 && w.health() == "" {
		return idle, memory // users that have not polled can't be made to ask for anything: see user.join
	}
	if i < 0 || !silent(idle.errs[i]) {
		memory.add(0, idle)
		return idle, memory
	}
	memory.lost = idle.errs[i]
	idle = w.ask(ctx, "")
	idle.wait()
	if idle.failed() >= 0 {
		memory.lost = nil // there are no stats at all
	}
	return idle, memory
}

// wait waits for the answers, which takes no longer than the limit of ask.
func (q *inquiry) wait() {
	q.asking.Wait()
	q.stop()
	for _, stats := range q.stats {
		if stats == nil {
			continue
		}
		if program := stats.Process.Program; program != "" && !slices.Contains(q.window.programs, program) {
			q.window.programs = append(q.window.programs, program)
		}
	}
}

// giveUp ends the inquiry, if it has not ended.
func (q *inquiry) giveUp() {
	q.stop()
	q.asking.Wait()
}

// failed returns the index of the first server that gave no stats; -1: all did.
func (q *inquiry) failed() int {
	return slices.IndexFunc(q.errs, func(err error) bool { return err != nil })
}

// total returns the stats of all servers together; nil if one is missing, as the sum of some would mislead.
func (q *inquiry) total() *serverStats {
	if q.failed() >= 0 {
		return nil
	}
	all := *q.stats[0]
	for _, stats := range q.stats[1:] {
		all.add(stats)
	}
	return &all
}

const (
	costOfStats = "its CPU, memory and use of the store are left out"

	// Stats that come later than this belong to another time than the rest of a window, unless it is so long
	// that a tenth of it is more.
	statsLimit = time.Second

	endGrace = time.Second // for the end of a process to be known, once it refuses connections
)

// fillServers fills in the figures of the servers, or why there are none, and the outages.
func (w *window) fillServers(out *result.Window, idle, from, to *inquiry) {
	from.wait()
	to.wait()
	drop := func(what string) {
		out.Dropped = append(out.Dropped, result.Drop{What: what, Cost: costOfStats})
	}
	defer func() { out.Outages = append(out.Outages, w.outages()...) }()
	var before *inquiry
	for _, q := range []*inquiry{idle, from, to} {
		if i := q.failed(); i >= 0 {
			if what, dropped := w.unanswered(out, q, i, q == idle); dropped {
				drop(what)
			}
			return
		}
		if before != nil && before != q && q.restarted(before) {
			out.Outages = append(out.Outages, result.Outage{Of: w.some(1), Did: "was started again"})
			return
		}
		before = q
	}
	first, start, end := idle.total(), from.total(), to.total()
	limit := max(statsLimit, time.Duration(out.DurationS*float64(time.Second))/10)
	slowest := max(slices.Max(from.took), slices.Max(to.took))
	slow := fmt.Sprintf("%s took %v to answer GET /stats", w.some(1), slowest.Round(time.Millisecond))
	follows := start.follows(first) && end.follows(start)
	switch {
	case slowest > limit && !follows: // the stats of the end may be older than those of the start
		drop(slow)
	case slowest > limit:
		out.Dropped = append(out.Dropped, result.Drop{What: slow, Cost: "its CPU, memory and use of the store are of another time than the rest"})
	case !follows: // a server that doesn't tell how long it has run, or several behind one address
		drop("the counters of the server ran back, as if it was started again,")
	}
	if !follows {
		return
	}
	if !w.foreign() {
		out.Store = end.Store.since(start.Store)
	}
	out.Server = &result.Process{
		CPUS:     end.Process.CPUS - start.Process.CPUS,
		RSSBytes: end.Process.RSSBytes, RSSIdleBytes: first.Process.RSSBytes,
	}
}

// unanswered says why server i gave no stats, if its figures are dropped for that. What has ended is an outage,
// and a target that never had stats is no pushpull server.
func (w *window) unanswered(out *result.Window, q *inquiry, i int, idle bool) (what string, dropped bool) {
	err := q.errs[i]
	switch {
	case silent(err):
		return fmt.Sprintf("%s did not answer GET /stats within %v", w.some(1), getTimeout), true
	case w.foreign() && w.target && errors.Is(err, process.ErrEnded):
		out.Outages = append(out.Outages, result.Outage{Of: w.some(1), Did: "ended", How: "the process that was named has gone"})
		return "", false
	case w.foreign() && !errors.Is(err, errNoStats) && !errors.Is(err, process.ErrEnded):
		return fmt.Sprintf("the processes of %s could not be read (%v)", w.some(1), err), true
	case w.target && idle:
		return "", false
	case w.target && errors.Is(err, syscall.ECONNREFUSED):
		out.Outages = append(out.Outages, result.Outage{Of: w.some(1), Did: "went away", How: err.Error()})
		return "", false
	case !w.target && i < len(w.started):
		if _, _, ended := w.started[i].Ended(endGrace); ended {
			return "", false
		}
	}
	return fmt.Sprintf("%s did not report its stats (%v)", w.some(1), err), true
}

// restarted reports whether a server began to serve after it, or another one at its address, had answered
// earlier: a process that answered then has run for at least the time since.
func (q *inquiry) restarted(earlier *inquiry) bool {
	for i, s := range q.stats {
		since := q.asked.Sub(earlier.asked) - earlier.took[i]
		if s.Process.UptimeS > 0 && s.Process.UptimeS < since.Seconds() {
			return true
		}
	}
	return false
}

// silent reports whether err means that no answer came in time.
func silent(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}

// some names n of the servers: "the server", "2 of 3 servers".
func (w *window) some(n int) string {
	all := len(w.servers)
	switch {
	case w.target && all == 1:
		return "the target"
	case w.target && n == 1:
		return fmt.Sprintf("one of %d targets", all)
	case all == 1:
		return "the server"
	case n == 1:
		return fmt.Sprintf("one of %d servers", all)
	case n == all:
		return fmt.Sprintf("all %d servers", all)
	}
	return fmt.Sprintf("%d of %d servers", n, all)
}

// outages returns which of the started servers have ended by themselves, and whether their store has.
func (w *window) outages() []result.Outage {
	var all []result.Outage
	ended := map[result.Outage]int{}
	for _, server := range w.started {
		how, last, ok := server.Ended(0)
		if !ok {
			continue
		}
		o := result.Outage{Did: "ended", How: how, Last: last}
		if ended[o]++; ended[o] == 1 {
			all = append(all, o)
		}
	}
	for i, o := range all {
		all[i].Of = w.some(ended[o])
	}
	if w.store != nil {
		if how, last, ok := w.store.Ended(0); ok {
			all = append(all, result.Outage{Of: "the store", Did: "ended", How: how, Last: last})
		}
	}
	return all
}
