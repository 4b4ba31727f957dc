package result

import (
	"cmp"
	"fmt"
	"slices"
)

// The number of samples from which on a quantile is reliable.
const (
	samplesP99  = 300
	samplesP999 = 3000
)

// A Doubt is a reason to distrust a row.
type Doubt struct {
	Code  string `json:"code"`  // stable, like "lost"
	Text  string `json:"text"`  // one line, with the numbers
	Fatal bool   `json:"fatal"` // the row must not be believed: exit code 4
}

// MaxCPUShare is the share of the cores of its machine that a generator may use.
const MaxCPUShare = .9

// lateLimit returns the lateness of the generator that can be tolerated, of its p99, for a delivery
// latency with that p50. All are in milliseconds.
func lateLimit(p50 float64) float64 { return max(5, .05*p50) }

// GeneratorLate reports whether the generator spoiled the window: it was later than can be tolerated, so
// its lateness may be a large part of the latencies.
func (w *Window) GeneratorLate() bool {
	if w.Late == nil || w.Latency == nil {
		return false
	}
	limit := lateLimit(milliseconds(w.Latency.Quantile(.5)))
	return milliseconds(w.Late.Quantile(.99)) > limit ||
		slices.ContainsFunc(w.Agents, func(a Agent) bool { return 1000*a.LateP99S > limit })
}

// Fatal reports whether any row has a fatal doubt.
func Fatal(rows []Row) bool {
	for _, row := range rows {
		for _, d := range row.Doubts {
			if d.Fatal {
				return true
			}
		}
	}
	return false
}

// doubts returns the doubts about a row, which was merged from the windows of all that did not fail.
func doubts(row Row, all []Window) []Doubt {
	var found []Doubt
	add := func(fatal bool, code, format string, args ...any) {
		found = append(found, Doubt{code, fmt.Sprintf(format, args...), fatal})
	}
	windows := Measured(all)
	unmeasured(slices.DeleteFunc(slices.Clone(all), func(w Window) bool { return w.Failed == "" }), len(all), add)
	outages(all, add)
	if !row.Measured() {
		dropped(all, add)
		return found
	}
	planned, busiest, cores, others := 0, 0.0, 0, 0
	sampled := false // the server's memory, as the users joined
	failures := map[string]int{}
	var texts []string
	for _, w := range windows {
		planned += w.Planned
		sampled = sampled || len(w.Joining) > 0
		if w.Interrupted {
			add(false, "interrupted", "round %d was stopped after %.1f s: what was still under way counts nowhere", w.Round, w.DurationS)
		}
		if w.OtherProgram {
			others++
		}
		if w.DurationS > 0 && w.Cores > 0 && len(w.Agents) == 0 {
			if share := w.Generator.CPUS / w.DurationS / float64(w.Cores); share > busiest {
				busiest, cores = share, w.Cores
			}
		}
		for _, f := range w.Errors {
			if failures[f.Text] == 0 {
				texts = append(texts, f.Text)
			}
			failures[f.Text] += f.Count
		}
	}
	if others > 0 {
		add(true, "other-program", "%d of %d windows were served by another program than the first, which was replaced during the run: run again, and leave it alone meanwhile", others, len(windows))
	}
	dropped(all, add)
	if row.Server != nil && row.Server.BytesPerUser == nil && sampled {
		why := "it did not grow with them"
		if row.Users < fewestForMemory {
			why = fmt.Sprintf("%d are too few, it takes %d", row.Users, fewestForMemory)
		}
		add(false, "memory", "the server's memory for one more user is left out: %s", why)
	}
	if row.Lost > 0 {
		add(true, "lost", "%d of %d deliveries never came", row.Lost, row.Expected)
	}
	if row.Duplicated > 0 {
		add(true, "duplicated", "%d deliveries came more than once", row.Duplicated)
	}
	switch {
	case row.Reordered > 0 && row.Way.Lacks.Order:
		add(false, "reordered", "%d deliveries came after a later message of the same sender: %s doesn't keep the order", row.Reordered, cmp.Or(row.Way.Server, "the server"))
	case row.Reordered > 0:
		add(true, "reordered", "%d deliveries came after a later message of the same sender", row.Reordered)
	}
	if row.Misdelivered > 0 {
		add(true, "misdelivered", "%d messages came that were never sent to that room", row.Misdelivered)
	}
	buffered(row, windows, add)
	idle(row, windows, add)
	if row.Sent < planned {
		add(true, "fewer-sends", "%d of %d planned messages were stored", row.Sent, planned)
	}
	switch {
	case row.Timed() > 0:
	case row.Delivered > 0:
		add(true, "no-samples", "nothing that was delivered could be timed, as no two members of a room had the same agent: use fewer agents")
	case row.Lost > 0 || row.Sent < planned:
		add(true, "no-samples", "nothing was delivered")
	default:
		add(true, "no-samples", "nothing was delivered: send more, or longer")
	}
	if limit := lateLimit(row.Latency.P50); !lateAgents(windows, limit, add) && row.Generator.LateP99 > limit {
		add(true, "generator-late", "the generator sent up to %.1f ms late (p99), more than the %.1f ms that can be tolerated: use fewer users or a faster machine", row.Generator.LateP99, limit)
	}
	busyAgents(windows, add)
	if busiest > MaxCPUShare {
		add(true, "generator-cpu", "the generator used %.0f%% of the machine's %d cores: use fewer users or a faster machine", 100*busiest, cores)
	}
	if n := row.Timed(); n > 0 && n < samplesP99 {
		add(false, "few-samples", "%d samples are few for a p99, which needs %d: run longer, or more users", n, samplesP99)
	}
	if row.Untimed > 0 {
		add(false, "untimed", "%d of %d deliveries were timed: the others were sent by another agent than the receiver's, and no two clocks are compared", row.Timed(), row.Delivered)
	}
	profiled(row.Profiles, windows, add)
	if n := row.Generator.Replaced; n > 0 {
		windows := fmt.Sprintf("%d windows", n)
		if n == 1 {
			windows = "one window"
		}
		add(false, "replaced", "the generator was late in %s, measured again together with the other side's", windows)
	}
	if row.Rejoins > 0 {
		times := fmt.Sprintf("%d times", row.Rejoins)
		if row.Rejoins == 1 {
			times = "once"
		}
		missed := ""
		if row.Way.Lacks.Resume && row.Lost > 0 {
			missed = ", and " + row.Way.Server + " doesn't resume: what was sent meanwhile is lost to it"
		}
		add(false, "rejoins", "%s a user had to join again after its session broke%s", times, missed)
	}
	if row.Limited > 0 {
		add(false, "limited", "the target limits its users: %d requests were answered 429, or 503 with a time to wait, and made again after it, so the latencies hold these waits: use fewer users, or raise the limit", row.Limited)
	}
	foreign(row, add)
	for _, text := range texts {
		add(false, "errors", "%d times: %s", failures[text], text)
	}
	return found
}

// bunchedShare is the share of deliveries that must come in bunches to name a buffer. A lost segment, or a session that is
// resumed, makes some come together too.
const bunchedShare = .2

// buffered adds a doubt if something between users and server holds the messages of a stream back until there are enough to fill
// a buffer, and so the last ones for good.
func buffered(row Row, windows []Window, add func(fatal bool, code, format string, args ...any)) {
	bunched := 0
	for _, w := range windows {
		bunched += w.Bunched
	}
	if bunched > 0 && float64(bunched) >= bunchedShare*float64(row.Delivered) {
		last := ""
		if row.Lost > 0 {
			last = ", where those that never came may still wait"
		}
		add(false, "bunched", "%d of %d deliveries came in bunches, together with one that was sent at least 100 ms apart: something between users and server buffers the stream%s: switch that off, in nginx by proxy_buffering off or the server's header X-Accel-Buffering: no",
			bunched, row.Delivered, last)
	}
}

// idle adds a doubt if a timer ends connections that are silent.
func idle(row Row, windows []Window, add func(fatal bool, code, format string, args ...any)) {
	var all IdleEnds
	for _, w := range windows {
		if w.IdleEnds != nil {
			all.Count, all.AfterS = all.Count+w.IdleEnds.Count, w.IdleEnds.AfterS
		}
	}
	if all.Count == 0 {
		return
	}
	advice := "hold polls for less, or raise the timeout: proxy_read_timeout in nginx, timeout server and timeout client in HAProxy"
	if row.Way.Stream {
		advice = "send heartbeats more often (serve --heartbeat), or raise the timeout: proxy_read_timeout in nginx, timeout tunnel, or timeout server and timeout client, in HAProxy"
	}
	add(false, "idle-timeout", "%d connections were ended after %.3g s of silence each: something between users and server, or the server, has an idle timeout: %s",
		all.Count, all.AfterS, advice)
}

// profiled adds doubts about profiled windows: where the profiles are, and which are missing.
func profiled(files []string, windows []Window, add func(fatal bool, code, format string, args ...any)) {
	if len(files) > 0 {
		more := ""
		if n := len(files) - 1; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		add(false, "profiled", "profiles: %s%s, to look at with go tool pprof FILE; profiling costs CPU, so compare these numbers with those of profiled runs alone", files[0], more)
	}
	for _, w := range windows {
		if w.Unprofiled != "" {
			add(false, "unprofiled", "round %d lacks profiles: %s", w.Round, w.Unprofiled)
		}
	}
}

// dropped adds a doubt for each figure that values of the windows were taken out of.
func dropped(windows []Window, add func(fatal bool, code, format string, args ...any)) {
	type found struct {
		first   Drop
		round   int
		windows int
	}
	all, order := map[string]*found{}, []string(nil)
	for _, w := range windows {
		for _, d := range w.Dropped {
			name := d.Cost
			if d.Fatal {
				name = d.What // each is a number of its own
			}
			if all[name] == nil {
				all[name] = &found{first: d, round: w.Round}
				order = append(order, name)
			}
			all[name].windows++
		}
	}
	for _, name := range order {
		f := all[name]
		more := ""
		if f.windows > 1 {
			more = fmt.Sprintf(", and %d more like it", f.windows-1)
		}
		add(f.first.Fatal, "implausible", "%s in round %d%s: %s", f.first.What, f.round, more, f.first.Cost)
	}
}

// beyond returns a doubt about durations that were longer than a histogram distinguishes; none if there
// are none. what names them.
func beyond(what string, h *Histogram) []Doubt {
	n := h.Beyond()
	if n == 0 {
		return nil
	}
	return []Doubt{{Code: "above-limit", Text: fmt.Sprintf("%d %s took %v or longer, and longer times are not told apart: figures that depend on them are left out",
		n, what, SecondsOf(Longest))}}
}
