package result

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A kind is what a quantity counts: its unit, and the values that can be measured. Computing with larger
// ones might never end.
type kind struct {
	unit  string  // after a value
	least float64 // of a value that is not 0
	most  float64
}

var (
	heads     = kind{"", 0, 1e9}      // users, processors, rounds: formulas and loops go through them
	tallies   = kind{"", 0, 1e14}     // a scenario is at most 20 million messages to a million users each
	spans     = kind{" s", 0, 1e6}    // eleven days
	sizes     = kind{" B", 0, 1e15}   // a petabyte
	divisors  = kind{" s", 1e-9, 1e6} // a time that others are divided by
	intervals = kind{" s", 1e-3, 1e6} // the same as on the command line
	years     = kind{"", 0, 9999}     // those that JSON can write
)

func (k kind) holds(x float64) bool { return x == 0 || k.least <= x && x <= k.most } // no NaN

// Limits of the lists and texts of a window. A run stays far below them: more can't come from it, or
// would come from a server that answers with pages of text.
const (
	mostSlices   = 64             // a run has at most 45
	mostProfiles = 256            // two of each of 100 servers, and of the generator
	mostJoining  = 64             // a run has 6 samples of the servers' memory
	mostSteps    = 5 * MostAgents // of joining
	mostErrors   = 100            // different ones, and as many outages
	mostText     = 500            // bytes of an error
)

// A quantity is a number of a window. If nothing can have measured it, drop takes it away.
type quantity struct {
	name string // for people
	kind
	value float64
	drop  func()
	cost  string // what is unknown without it; empty: it belongs to the ledger, and the window must not be believed
}

// A Drop is a value that was taken out of a window, as nothing can have measured it.
type Drop struct {
	What  string `json:"what"`            // what is wrong, like "answer -196 B can't have been measured"
	Cost  string `json:"cost"`            // what that means, like "the bytes of the calibration are left out"
	Fatal bool   `json:"fatal,omitempty"` // the window must not be believed
}

// Settle makes w a window that can be written and read: it fills in what old results lack, and takes
// out every value that can't have been measured. Each is listed in w.Dropped, and makes a doubt. A
// value of the ledger becomes 0, as the rest of the window may still be of use to a person; any other
// one costs only the figures that it is part of.
//
// Every window passes through it: the generator settles those that it hands over, so that the report at
// the end of a run is the one that is drawn from its file, a Writer those that it writes, and a reader
// those that it reads. A settled window stays as it is. Settle returns an error for a window that no
// row can be made of. It doesn't change what w shares with copies of it.
func (w *Window) Settle() error {
	if w.Transport == "" || w.Users <= 0 || !heads.holds(float64(w.Users)) {
		return errors.New("a window without transport or users")
	}
	if w.Failed != "" {
		*w = w.failed()
	}
	w.Slices, w.Errors, w.Dropped = slices.Clone(w.Slices), slices.Clone(w.Errors), slices.Clone(w.Dropped)
	w.Outages, w.Agents, w.JoinSteps = slices.Clone(w.Outages), slices.Clone(w.Agents), slices.Clone(w.JoinSteps)
	if w.Calibration != nil {
		c := *w.Calibration
		w.Calibration = &c
	}
	for _, j := range []**Joins{&w.Joins, &w.Returns} {
		if *j != nil {
			joins := **j
			*j = &joins
		}
	}
	if w.IdleEnds != nil {
		ends := *w.IdleEnds
		w.IdleEnds = &ends
	}
	if w.Aftermath != nil {
		after := *w.Aftermath
		w.Aftermath = &after
		if err := after.settle(); err != nil {
			w.Aftermath = nil
			w.Dropped = append(w.Dropped, Drop{What: err.Error(), Cost: "what became of its messages is left out", Fatal: true})
		} else if after.Recovery != nil {
			if err := after.Recovery.settle(); err != nil {
				after.Recovery = nil
				w.Dropped = append(w.Dropped, Drop{What: err.Error(), Cost: "that is left out"})
			}
		}
	}
	w.shorten()
	w.settle(quantity{"interval", intervals, w.IntervalS, func() { w.IntervalS = 0 }, costOfWay})
	if w.Way == (Way{}) {
		w.Way = FormerWay(w.Transport, w.IntervalS)
	}
	w.IntervalS = 0
	for _, q := range w.quantities() {
		w.settle(q)
	}
	for _, h := range w.histograms() {
		if *h == nil {
			*h = NewHistogram()
		}
	}
	return nil
}

func (w *Window) settle(q quantity) {
	if q.holds(q.value) {
		return
	}
	q.drop()
	value := strconv.FormatFloat(q.value, 'g', -1, 64) + q.unit
	d := Drop{What: fmt.Sprintf("%s %s can't have been measured", q.name, value), Cost: q.cost + " left out"}
	if q.cost == "" {
		d.Cost, d.Fatal = "it counts as 0", true
	}
	if !slices.Contains(w.Dropped, d) {
		w.Dropped = append(w.Dropped, d)
	}
}

// shorten bounds the lists and texts of w.
func (w *Window) shorten() {
	if n := len(w.Slices); n > mostSlices {
		w.Slices = nil
		w.Dropped = append(w.Dropped, Drop{What: fmt.Sprintf("%d slices are more than a run has", n), Cost: costOfSlices + " left out"})
	}
	if n := len(w.Joining); n > mostJoining {
		w.Joining = nil
		w.Dropped = append(w.Dropped, Drop{What: fmt.Sprintf("%d samples of the server's memory are more than a run has", n), Cost: costOfJoining + " left out"})
	}
	if n := len(w.Agents); n > MostAgents {
		w.Agents = nil
		w.Dropped = append(w.Dropped, Drop{What: fmt.Sprintf("%d agents are more than a run has", n), Cost: costOfAgents + " left out"})
	}
	if n := len(w.JoinSteps); n > mostSteps {
		w.JoinSteps = nil
		w.Dropped = append(w.Dropped, Drop{What: fmt.Sprintf("%d steps of joining are more than a run has", n), Cost: costOfSteps + " left out"})
	}
	for i := range w.Agents {
		w.Agents[i].Name, w.Agents[i].Machine = Shorten(w.Agents[i].Name), Shorten(w.Agents[i].Machine)
	}
	w.Way.Title, w.Way.Engine, w.Way.Server, w.Failed = Shorten(w.Way.Title), Shorten(w.Way.Engine), Shorten(w.Way.Server), Shorten(w.Failed)
	w.Unprofiled = Shorten(w.Unprofiled)
	w.Profiles = slices.Clone(w.Profiles[:min(len(w.Profiles), mostProfiles)])
	for i := range w.Profiles {
		w.Profiles[i] = Shorten(w.Profiles[i])
	}
	w.Outages = w.Outages[:min(len(w.Outages), mostErrors)]
	for i, o := range w.Outages {
		w.Outages[i] = Outage{Shorten(o.Of), Shorten(o.Did), Shorten(o.How), Shorten(o.Last)}
	}
	for i := range w.Errors {
		w.Errors[i].Text = Shorten(w.Errors[i].Text)
	}
	if len(w.Errors) > mostErrors {
		rest := Failure{Text: OtherErrors}
		for _, f := range w.Errors[mostErrors-1:] {
			rest.Count += f.Count
		}
		w.Errors = append(w.Errors[:mostErrors-1], rest)
	}
}

// OtherErrors is the text of errors that are counted together, as there are too many different ones.
const OtherErrors = "other errors"

// Shorten returns the beginning of the text of an error, which may hold a whole page that a server
// answered with, without the bytes that JSON can't write.
func Shorten(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= mostText {
		return text
	}
	end := mostText - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

const (
	costOfSlices  = "the latency over time is"
	costOfJoining = "the server's memory for one more user is"
	costOfAgents  = "what each agent took is"
	costOfSteps   = "when users joined, which theory takes into account, is"
	costOfWay     = "the prediction of theory is"
)

// quantities returns the numbers of w, each with what it costs to take it away.
func (w *Window) quantities() []quantity {
	var all []quantity
	// ledger adds a number without which the window can't be believed.
	ledger := func(name string, k kind, at any) {
		all = append(all, quantity{name, k, value(at), func() { zero(at) }, ""})
	}
	// probe returns a function that adds a number which costs only the figures that it is part of.
	probe := func(cost string, drop func()) func(string, kind, any) {
		return func(name string, k kind, at any) { all = append(all, quantity{name, k, value(at), drop, cost}) }
	}

	ledger("round", heads, &w.Round)
	ledger("servers", heads, &w.Servers)
	ledger("duration", divisors, &w.DurationS)
	ledger("drained", spans, &w.DrainedS)
	ledger("planned", tallies, &w.Planned)
	ledger("sent", tallies, &w.Sent)
	ledger("expected", tallies, &w.Expected)
	ledger("delivered", tallies, &w.Delivered)
	ledger("lost", tallies, &w.Lost)
	ledger("duplicated", tallies, &w.Duplicated)
	ledger("reordered", tallies, &w.Reordered)
	ledger("misdelivered", tallies, &w.Misdelivered)
	ledger("reached", tallies, &w.Reached)
	ledger("untimed", tallies, &w.Untimed)
	ledger("bunched", tallies, &w.Bunched)
	if w.IdleEnds != nil {
		ledger("idle ends", tallies, &w.IdleEnds.Count)
		ledger("silence before idle ends", spans, &w.IdleEnds.AfterS)
	}
	ledger("failed requests", tallies, &w.FailedRequests)
	ledger("rejoins", tallies, &w.Rejoins)
	ledger("limited requests", tallies, &w.Limited)
	ledger("spoiled windows", tallies, &w.Spoiled)
	ledger("connections", tallies, &w.Traffic.Connections)
	ledger("requests", tallies, &w.Traffic.Requests)
	ledger("handshakes", tallies, &w.Traffic.Handshakes)
	ledger("empty responses", tallies, &w.Traffic.EmptyResponses)
	ledger("posts", tallies, &w.Traffic.Posts)
	ledger("bytes in", sizes, &w.Traffic.BytesIn)
	ledger("bytes out", sizes, &w.Traffic.BytesOut)
	ledger("bytes of handshakes", sizes, &w.Traffic.HandshakeBytes)
	ledger("full handshakes of TLS", tallies, &w.Traffic.TLSFull)
	ledger("resumed handshakes of TLS", tallies, &w.Traffic.TLSResumed)
	for i := range w.Errors {
		ledger("count of an error", tallies, &w.Errors[i].Count)
	}

	// Theory would compute with another way, and the name of the transport may be just as odd.
	way := probe(costOfWay, func() { w.Way = Way{Title: cmp.Or(w.Way.Title, w.Transport), Server: w.Way.Server} })
	way("poll interval", intervals, &w.Way.EveryS)
	way("hold", intervals, &w.Way.HoldS)
	scans := intervals
	scans.most = w.Way.HoldS // a held request is scanned for at least once
	way("scan interval", scans, &w.Way.ScanS)
	way("heartbeat", intervals, &w.Way.HeartbeatS)
	way("batch", tallies, &w.Way.Batch)

	probe("the share of the processors that the generator used is", func() { w.Cores = 0 })("cores", heads, &w.Cores)
	year := w.Started.Year()
	probe("the time of the start is", func() { w.Started = time.Time{} })("year of the start", years, &year)

	over := probe(costOfSlices, func() { w.Slices = nil })
	for i := range w.Slices {
		over("start of a slice", spans, &w.Slices[i].AtS)
		over("length of a slice", divisors, &w.Slices[i].WidthS)
	}

	if s := w.Store; s != nil {
		store := probe("the use of the store is", func() { w.Store = nil })
		store("appends", tallies, &s.Appends)
		store("reads", tallies, &s.Reads)
		store("empty reads", tallies, &s.EmptyReads)
	}
	usage := func(whose string, p *Process, drop func()) {
		usage := probe("CPU and memory of the "+whose+" are", drop)
		usage(whose+" CPU", spans, &p.CPUS)
		usage(whose+" memory", sizes, &p.RSSBytes)
		usage(whose+" memory at idle", sizes, &p.RSSIdleBytes)
	}
	if w.Server != nil {
		usage("server", w.Server, func() { w.Server = nil })
	}
	steps := probe(costOfSteps, func() { w.JoinSteps = nil })
	for i := range w.JoinSteps {
		s := &w.JoinSteps[i]
		steps("users that joined in a step", heads, &s.Users)
		steps("begin of a step of joining", spans, &s.BeforeS)
		length := spans
		length.most = s.BeforeS
		steps("length of a step of joining", length, &s.LengthS)
	}
	memory := probe(costOfJoining, func() { w.Joining = nil })
	for i := range w.Joining {
		s := &w.Joining[i]
		memory("users of a sample of the server's memory", heads, &s.Users)
		memory("server memory in use", sizes, &s.InUseBytes)
		memory("server memory while users joined", sizes, &s.RSSBytes)
	}
	usage("generator", &w.Generator, func() { w.Generator = Process{} })

	agents := probe(costOfAgents, func() { w.Agents = nil })
	for i := range w.Agents {
		a := &w.Agents[i]
		agents("process id of an agent", tallies, &a.PID)
		agents("users of an agent", heads, &a.Users)
		agents("cores of an agent", heads, &a.Cores)
		agents("lateness of an agent", spans, &a.LateP99S)
		agents("round trip to an agent", spans, &a.RoundTripS)
		agents("CPU of an agent", spans, &a.Process.CPUS)
		agents("memory of an agent", sizes, &a.Process.RSSBytes)
		agents("memory of an agent at idle", sizes, &a.Process.RSSIdleBytes)
	}

	joined := func(of string, at **Joins) {
		if j := *at; j != nil {
			joins := probe("what "+of+" took is", func() { *at = nil })
			joins("times of "+of, tallies, &j.Users)
			joins("connections of "+of, tallies, &j.Connections)
			joins("bytes of "+of, sizes, &j.Bytes)
		}
	}
	joined("joining", &w.Joins)
	joined("joining again", &w.Returns)
	if c := w.Calibration; c != nil {
		probe("the calibration is", func() { w.Calibration = nil })("members", heads, &c.Members)
		probe("the check of the network is", func() { c.Direct, c.NetworkS = NewHistogram(), 0 })("round trip of the network", spans, &c.NetworkS)
		if b := c.Bytes; b != nil {
			exchange := probe("the bytes of the calibration are", func() { c.Bytes = nil })
			exchange("send", sizes, &b.Send)
			exchange("empty", sizes, &b.Empty)
			exchange("fresh", sizes, &b.Fresh)
			exchange("answer", sizes, &b.Answer)
			exchange("message", sizes, &b.Message)
			if l := b.Literals; l != nil {
				exchange("headers of the first message", sizes, &l.Send)
				exchange("headers of the first poll", sizes, &l.Poll)
				exchange("headers of the first answer", sizes, &l.Answer)
				exchange("date", sizes, &l.Date)
			}
		}
	}
	return all
}

// value returns the number that at points to.
func value(at any) float64 {
	switch at := at.(type) {
	case *int:
		return float64(*at)
	case *int64:
		return float64(*at)
	}
	return *at.(*float64)
}

// zero sets the number that at points to to 0.
func zero(at any) {
	switch at := at.(type) {
	case *int:
		*at = 0
	case *int64:
		*at = 0
	case *float64:
		*at = 0
	}
}

// histograms returns the histograms of w.
func (w *Window) histograms() []**Histogram {
	all := []**Histogram{&w.Latency, &w.SendDelay, &w.Accept, &w.Late}
	if c := w.Calibration; c != nil {
		all = append(all, &c.RoundTrip, &c.Direct, &c.Delivery)
	}
	for _, j := range []*Joins{w.Joins, w.Returns} {
		if j != nil {
			all = append(all, &j.Ready)
		}
	}
	for i := range w.Slices {
		all = append(all, &w.Slices[i].Latency)
	}
	return all
}

// plausible returns an error for a scenario that no run has: nothing in its file can be believed.
func (s *Scenario) plausible() error {
	type number struct {
		name string
		kind
		value float64
	}
	all := []number{{"slices", heads, float64(s.Slices)}, {"servers", heads, float64(s.Servers)}, {"heartbeat_s", spans, float64(s.Heartbeat)}}
	for _, k := range Knobs() {
		if x, ok := k.number(s); ok {
			n := number{k.Key, heads, x}
			if _, timed := k.Field(s).(*Seconds); timed {
				n = number{k.Key + "_s", spans, x}
			}
			all = append(all, n)
		}
	}
	if err := s.Network.Validate(); err != nil {
		return fmt.Errorf("the network: %w: no scenario has that", err)
	}
	for _, n := range all {
		if !n.holds(n.value) {
			return fmt.Errorf("%s is %v: no scenario has that", n.name, n.value)
		}
	}
	return nil
}
