package search

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pushpull/loadgen/result"
)

// A Verdict is what a window says about its load.
type Verdict int

const (
	Unknown Verdict = iota // nothing: the limit that was met is not the servers', or there is too little to judge
	Holds
	Breaks
)

// What broke, in Judgement.Broke.
const (
	P99       = "p99"       // deliveries were later than allowed
	Queue     = "queue"     // deliveries became later and later
	Drain     = "drain"     // the last deliveries came long after the load
	Loss      = "loss"      // deliveries never came
	Doubling  = "doubling"  // deliveries came more than once
	Disorder  = "disorder"  // deliveries came in another order, or in another room
	Refusal   = "refusal"   // messages were not stored
	Outage    = "outage"    // a server or its store ended
	Joining   = "joining"   // the window could not be measured, as when users can't join
	Generator = "generator" // the load generator did not keep up
	Samples   = "samples"   // too few deliveries to judge
	Validity  = "validity"  // the window can't be believed
)

// The limit that was met, in Judgement.Limit. Those of the generator, of this process and of the machine that
// both share are no limits of the servers.
const (
	ServerCPU    = "server-cpu"
	ServerMemory = "server-memory"
	Store        = "store"
	Timer        = "timer"         // of the transport
	Waiting      = "waiting"       // the servers were not busy: something in them waits
	MachineCPU   = "machine-cpu"   // shared by servers and generator
	GeneratorCPU = "generator-cpu" // or its lateness
	Files        = "files"         // that this process may open
	Ports        = "ports"         // of this machine
	Memory       = "memory"        // of this machine, for servers and generator
	None         = ""              // unknown

	OtherPrograms = result.OtherPrograms // kept the window from showing anything
)

// A Judgement is what a window says about its load, and why.
type Judgement struct {
	Verdict   Verdict
	Disturbed bool   // other programs of the machine may be the reason: nothing that was measured had much to do
	Certain   bool   // no other window can change it, as when a message was lost
	Broke     string // what broke, one of the constants; empty: nothing
	Limit     string // the limit that was met, likewise
	Text      string // what broke and which limit was met, with the numbers, like "p99 was 140 ms; the server used 98% of its CPU"
}

// weight is how much a judgement counts against its load.
func (j Judgement) weight() int {
	if j.Disturbed {
		return 1
	}
	return 2
}

// Criteria are what a window is judged by.
type Criteria struct {
	P99       time.Duration // the latest that 99 of 100 deliveries may come
	Precision float64       // of the search: a load beyond the capacity by as much makes a queue grow by as much of the time

	ServerCPUs int   // that the servers have for themselves; 0: they share all with the generator
	Memory     int64 // of the machine, in bytes; 0: unknown
	Cores      int   // of the machine; 0: unknown
	InMemory   bool  // the servers keep messages in their own memory, so no store can be the limit
}

// Conditions are what else is known of the time of a window.
type Conditions struct {
	Others float64 // CPUs that other programs used of the machine's, on average; 0: none, or unknown
}

// samples is how many deliveries it takes to know their p99.
const samples = 300

// Shares of what a process may use above which it is taken for the limit.
const (
	full = .85
	busy = .70 // of the generator: above, its own queues may be what delays deliveries
	idle = .50 // of the generator: below, it is not late for want of CPU

	disturbing = .15 // of the machine's CPUs, that other programs used
)

// Judge judges a window.
//
// What broke while other programs used much of the machine is not the servers' doing, unless it can't be noise.
func Judge(w *result.Window, c Criteria, during Conditions) Judgement {
	j := judge(w, c)
	if j.Verdict == Holds || j.Certain || c.Cores == 0 || during.Others < disturbing*float64(c.Cores) {
		return j
	}
	j.Verdict, j.Disturbed, j.Limit = Unknown, true, OtherPrograms
	j.Text += fmt.Sprintf("; other programs used %.0f%% of a CPU meanwhile", 100*during.Others)
	return j
}

func judge(w *result.Window, c Criteria) Judgement {
	j := broke(w, c)
	if j.Verdict == Holds {
		return j
	}
	if j.Verdict == Unknown {
		return j
	}
	limit, words := limitOf(w, c)
	j.Limit = limit
	if words != "" {
		j.Text += "; " + words
	}
	j.Disturbed = limit == Waiting && !j.Certain
	switch j.Limit {
	case MachineCPU, GeneratorCPU, Files, Ports:
		j.Verdict, j.Certain = Unknown, false
	}
	return j
}

// broke says what broke first in a window. Lateness of the generator comes before all that it can cause.
func broke(w *result.Window, c Criteria) Judgement {
	breaks := func(certain bool, what, format string, args ...any) Judgement {
		return Judgement{Verdict: Breaks, Certain: certain, Broke: what, Text: fmt.Sprintf(format, args...)}
	}
	unknown := func(what, limit, format string, args ...any) Judgement {
		return Judgement{Verdict: Unknown, Broke: what, Limit: limit, Text: fmt.Sprintf(format, args...)}
	}
	if w.Failed != "" {
		return breaks(false, Joining, "it could not be measured: %s", w.Failed)
	}
	switch {
	case len(w.Outages) > 0:
		o := w.Outages[0]
		return breaks(false, Outage, "%s %s (%s)", o.Of, o.Did, o.How)
	case w.Interrupted:
		return unknown(Validity, None, "it ended early")
	case w.OtherProgram:
		return unknown(Validity, None, "a server ran another program than the first ones")
	case w.GeneratorLate():
		j := unknown(Generator, GeneratorCPU, "the load generator sent %s late (p99) and used %.0f%% of its CPU", written(w.Late.Quantile(.99)), 100*generatorShare(w))
		if generatorShare(w) < idle {
			j.Disturbed, j.Limit = true, OtherPrograms
			j.Text += ", so other programs kept it from sending"
		}
		return j
	case generatorShare(w) > .9:
		return unknown(Generator, GeneratorCPU, "the load generator used %.0f%% of its CPU", 100*generatorShare(w))
	}
	for _, d := range w.Dropped {
		if d.Fatal {
			return unknown(Validity, None, "%s", d.What)
		}
	}
	switch {
	case w.Lost > 0:
		return breaks(true, Loss, "%d of %d deliveries never came", w.Lost, w.Expected)
	case w.Duplicated > 0:
		return breaks(true, Doubling, "%d deliveries came more than once", w.Duplicated)
	case w.Reordered+w.Misdelivered > 0:
		return breaks(true, Disorder, "%d deliveries came in another order or room", w.Reordered+w.Misdelivered)
	case w.Sent < w.Planned:
		return breaks(true, Refusal, "%d of %d messages were not stored", w.Planned-w.Sent, w.Planned)
	case w.Delivered < samples:
		return unknown(Samples, None, "%d deliveries are too few for a p99, which needs %d", w.Delivered, samples)
	}
	if p99 := w.Latency.Quantile(.99); p99 > c.P99 {
		return breaks(false, P99, "p99 was %s", written(p99))
	}
	parts := partsOf(w)
	for _, part := range parts {
		if p99 := part.Latency.Quantile(.99); p99 > c.P99 {
			return breaks(false, P99, "p99 was %s in the part from %.0f to %.0f s", written(p99), part.AtS, part.AtS+part.WidthS)
		}
	}
	if by, rate, grew := growth(w, parts, c); grew {
		return breaks(false, Queue, "the p50 grew all the time, by %s, which is %.0f ms a second", written(by), 1e3*rate)
	}
	patience := 3*c.P99.Seconds() + w.Way.EveryS + w.Way.ScanS
	if w.DrainedS > patience {
		return breaks(false, Drain, "the last delivery came %.1f s after the load", w.DrainedS)
	}
	return Judgement{Verdict: Holds}
}

// partsOf returns a window in up to four parts of about the same length, each with enough deliveries for a p99.
func partsOf(w *result.Window) []result.Slice {
	number := int(min(4, int64(len(w.Slices)), w.Latency.Count()/samples))
	var parts []result.Slice
	for i := range number {
		from, to := i*len(w.Slices)/number, (i+1)*len(w.Slices)/number
		part := result.Slice{AtS: w.Slices[from].AtS, Latency: result.NewHistogram()}
		for _, slice := range w.Slices[from:to] {
			part.Latency.Merge(slice.Latency)
			part.WidthS = slice.AtS + slice.WidthS - part.AtS
		}
		if part.Latency.Count() >= samples {
			parts = append(parts, part)
		}
	}
	return parts
}

// growth reports by how much the p50 grew over the parts of a window, and by how much in each second, if it grew
// from each part to the next by more than a load does that is beyond the capacity by half the precision.
func growth(w *result.Window, parts []result.Slice, c Criteria) (by time.Duration, rate float64, grew bool) {
	if len(parts) < 3 {
		return 0, 0, false
	}
	for i, part := range parts[1:] {
		if part.Latency.Quantile(.5) <= parts[i].Latency.Quantile(.5) {
			return 0, 0, false
		}
	}
	first, last := parts[0], parts[len(parts)-1]
	middle := func(s result.Slice) float64 { return s.AtS + s.WidthS/2 }
	apart := middle(last) - middle(first)
	by = last.Latency.Quantile(.5) - first.Latency.Quantile(.5)
	rate = by.Seconds() / apart
	chance := .1 * (w.Way.EveryS + w.Way.ScanS) // by which the p50 of waits for a timer may differ
	return by, rate, by.Seconds() > chance+c.Precision/2*apart
}

// limitOf returns the limit that was met in a window in which something broke, and says so in words.
func limitOf(w *result.Window, c Criteria) (limit, words string) {
	switch {
	case says(w, "too many open files"):
		return Files, "this process may not open more files"
	case says(w, "cannot assign requested address"):
		return Ports, "this machine has no more local ports"
	case len(w.Outages) > 0 && strings.Contains(w.Outages[0].Of, "store"):
		return Store, ""
	case len(w.Outages) > 0 && strings.Contains(w.Outages[0].How, "signal 9"):
		return ServerMemory, "the system ends a process like that if memory is short"
	case len(w.Outages) > 0 || w.Failed != "":
		return None, ""
	}
	generator := generatorShare(w)
	if server, ok := serverShare(w, c); ok {
		if w.Server.RSSBytes > 0 && c.Memory > 0 && float64(w.Server.RSSBytes) > .8*float64(c.Memory) {
			return ServerMemory, fmt.Sprintf("the server used %d MB of memory", w.Server.RSSBytes/1e6)
		}
		percent := fmt.Sprintf("the server used %.0f%% of its CPU", 100*server)
		both := fmt.Sprintf("%s, the load generator %.0f%%", percent, 100*generator)
		if c.ServerCPUs == 0 {
			both = fmt.Sprintf("server and load generator used %.0f%% and %.0f%% of the machine's CPUs", 100*server, 100*generator)
			percent = both
			if server+generator > full {
				return MachineCPU, both
			}
		}
		switch {
		case server > full:
			return ServerCPU, percent
		case max(w.Way.EveryS, w.Way.ScanS)*.99 > .9*c.P99.Seconds():
			return Timer, "the timer of the transport leaves no time"
		case generator > busy:
			return GeneratorCPU, both
		case !c.InMemory:
			return Store, percent + ", so its store is the limit"
		}
		return Waiting, percent + ", so something in it waits"
	}
	if generator > busy {
		return GeneratorCPU, fmt.Sprintf("the load generator used %.0f%% of its CPU", 100*generator)
	}
	return None, ""
}

// says reports whether an error of a window contains words.
func says(w *result.Window, words string) bool {
	return strings.Contains(w.Failed, words) ||
		slices.ContainsFunc(w.Errors, func(e result.Failure) bool { return strings.Contains(e.Text, words) })
}

// serverShare returns the share that the servers used of the CPUs they may use, or false if it is unknown.
func serverShare(w *result.Window, c Criteria) (float64, bool) {
	cpus := c.ServerCPUs
	if cpus == 0 {
		cpus = w.Cores
	}
	if w.Server == nil || cpus == 0 || w.DurationS <= 0 {
		return 0, false
	}
	return w.Server.CPUS / w.DurationS / float64(cpus), true
}

// generatorShare returns the share that the generator used of its CPUs.
func generatorShare(w *result.Window) float64 {
	if w.Cores == 0 || w.DurationS <= 0 {
		return 0
	}
	return w.Generator.CPUS / w.DurationS / float64(w.Cores)
}

// written writes a duration with three digits.
func written(d time.Duration) string {
	digits := time.Duration(1)
	for d/digits >= 1000 {
		digits *= 10
	}
	return d.Round(digits).String()
}
