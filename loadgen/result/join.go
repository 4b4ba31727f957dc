package result

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Join joins the parts of a window that several generators measured at the same time on the same
// servers, each with a part of the users. It adds the counts and the usage of the generators, merges
// the histograms, and takes the duration of the longest part. Each part holds the figures of the same
// servers and store, read at slightly different times, so those are not added: the largest counts. Join
// returns an error if the parts can't be of one window. It doesn't change the parts.
func Join(parts ...Window) (Window, error) {
	if len(parts) == 0 {
		return Window{}, errors.New("joining the parts of a window: there are none")
	}
	first := parts[0]
	w := Window{
		Transport: first.Transport, Round: first.Round, Started: first.Started,
		Way: first.Way, IntervalS: first.IntervalS, Servers: first.Servers,
		Latency: NewHistogram(), SendDelay: NewHistogram(), Accept: NewHistogram(), Late: NewHistogram(),
	}
	for _, p := range parts {
		if err := w.join(p); err != nil {
			return Window{}, fmt.Errorf("joining the parts of a window: %w", err)
		}
	}
	sampling := slices.DeleteFunc(slices.Clone(parts), func(p Window) bool { return len(p.Joining) == 0 })
	if len(sampling) == 1 { // else users of other parts have joined, too
		w.Joining = slices.Clone(sampling[0].Joining)
	}
	slices.SortStableFunc(w.Agents, Agent.compare)
	slices.SortStableFunc(w.JoinSteps, func(a, b JoinStep) int { return cmp.Compare(b.BeforeS, a.BeforeS) })
	slices.SortFunc(w.Slices, func(a, b Slice) int { return cmp.Compare(a.AtS, b.AtS) })
	return w, nil
}

// join makes p a part of w.
func (w *Window) join(p Window) error {
	switch {
	case p.Transport != w.Transport:
		return fmt.Errorf("one is of %s and one of %s", w.Transport, p.Transport)
	case p.Round != w.Round:
		return fmt.Errorf("one is of round %d and one of round %d", w.Round, p.Round)
	case p.Servers != w.Servers:
		return fmt.Errorf("one is on %d servers and one on %d", max(1, w.Servers), max(1, p.Servers))
	case !p.Way.alike(w.Way) || p.IntervalS != w.IntervalS:
		return fmt.Errorf("they disagree on what %s is: measure all with the same version of pushpull", w.Transport)
	}
	if p.Started.Before(w.Started) {
		w.Started = p.Started
	}
	if beat := p.Way.HeartbeatS; beat > 0 && (w.Way.HeartbeatS == 0 || beat < w.Way.HeartbeatS) {
		w.Way.HeartbeatS = beat
	}
	w.DurationS = max(w.DurationS, p.DurationS)
	w.DrainedS = max(w.DrainedS, p.DrainedS)
	w.Interrupted = w.Interrupted || p.Interrupted
	w.OtherProgram = w.OtherProgram || p.OtherProgram
	w.Failed = cmp.Or(w.Failed, p.Failed) // a window without some of its users is another load
	w.Profiles = append(w.Profiles, p.Profiles...)
	w.Unprofiled = cmp.Or(w.Unprofiled, p.Unprofiled)
	for _, o := range p.Outages {
		if !slices.Contains(w.Outages, o) {
			w.Outages = append(w.Outages, o)
		}
	}

	w.Users += p.Users
	w.Cores += p.Cores
	w.Planned += p.Planned
	w.Sent += p.Sent
	w.Expected += p.Expected
	w.Delivered += p.Delivered
	w.Lost += p.Lost
	w.Duplicated += p.Duplicated
	w.Reordered += p.Reordered
	w.Misdelivered += p.Misdelivered
	w.Reached += p.Reached
	w.Untimed += p.Untimed
	w.Bunched += p.Bunched
	if p.IdleEnds != nil && (w.IdleEnds == nil || p.IdleEnds.Count > w.IdleEnds.Count) {
		w.IdleEnds = p.IdleEnds // timers that differ can't be added
	}
	w.FailedRequests += p.FailedRequests
	w.Rejoins += p.Rejoins
	w.Limited += p.Limited
	w.Spoiled = max(w.Spoiled, p.Spoiled) // all parts of a window are replaced together

	w.Latency.Merge(p.Latency)
	w.SendDelay.Merge(p.SendDelay)
	w.Accept.Merge(p.Accept)
	w.Late.Merge(p.Late)
	for _, s := range p.Slices {
		if err := w.joinSlice(s); err != nil {
			return err
		}
	}

	w.JoinSteps = append(w.JoinSteps, p.JoinSteps...)
	w.Joins, w.Returns = w.Joins.with(p.Joins), w.Returns.with(p.Returns)
	w.Traffic.add(p.Traffic)
	w.Generator.add(p.Generator)
	w.Agents = append(w.Agents, p.Agents...)
	w.joinServer(p)
	for _, f := range p.Errors {
		i := slices.IndexFunc(w.Errors, func(known Failure) bool { return known.Text == f.Text })
		if i < 0 {
			w.Errors = append(w.Errors, f)
		} else {
			w.Errors[i].Count += f.Count
		}
	}
	for _, d := range p.Dropped {
		if !slices.Contains(w.Dropped, d) {
			w.Dropped = append(w.Dropped, d)
		}
	}
	if p.Calibration != nil {
		if w.Calibration == nil {
			w.Calibration = &Calibration{RoundTrip: NewHistogram(), Direct: NewHistogram(), Delivery: NewHistogram()}
		}
		w.Calibration.join(*p.Calibration)
	}
	if p.Aftermath != nil {
		return w.joinAftermath(p.Aftermath)
	}
	return nil
}

func (w *Window) joinAftermath(p *Aftermath) error {
	if w.Aftermath == nil {
		after := *p
		w.Aftermath = &after
		return nil
	}
	if p.Fault != w.Aftermath.Fault {
		return fmt.Errorf("one has the fault %s and one %s", w.Aftermath.Fault, p.Fault)
	}
	w.Aftermath.Add(p)
	w.Aftermath.Recovery = joinRecoveries(w.Aftermath.Recovery, p.Recovery)
	w.Aftermath.BeganS, w.Aftermath.EndedS = min(w.Aftermath.BeganS, p.BeganS), max(w.Aftermath.EndedS, p.EndedS)
	return nil
}

// joinRecoveries returns the recovery of the users of two parts. Half of all are back at the latest when half of each
// are. The steps were taken at different times, so there are none.
func joinRecoveries(a, b *Recovery) *Recovery {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return &Recovery{
		Back: a.Back + b.Back, Cut: a.Cut + b.Cut, HalfS: max(a.HalfS, b.HalfS), AllS: max(a.AllS, b.AllS),
		Connections: a.Connections + b.Connections, Requests: a.Requests + b.Requests, CPUS: max(a.CPUS, b.CPUS),
	}
}

// with returns j and p together. It changes neither.
func (j *Joins) with(p *Joins) *Joins {
	if j == nil {
		j = &Joins{}
		if p == nil {
			return nil
		}
	}
	all := Joins{Users: j.Users, Connections: j.Connections, Bytes: j.Bytes, Ready: NewHistogram()}
	all.Ready.Merge(j.Ready)
	if p != nil {
		all.Users += p.Users
		all.Connections += p.Connections
		all.Bytes += p.Bytes
		all.Ready.Merge(p.Ready)
	}
	return &all
}

func (w *Window) joinSlice(s Slice) error {
	for i := range w.Slices {
		if known := &w.Slices[i]; known.AtS == s.AtS {
			if known.WidthS != s.WidthS {
				return fmt.Errorf("the latency from %v s on is of %v s in one part and of %v s in another", s.AtS, known.WidthS, s.WidthS)
			}
			known.Latency.Merge(s.Latency)
			return nil
		}
	}
	latency := NewHistogram()
	latency.Merge(s.Latency)
	w.Slices = append(w.Slices, Slice{AtS: s.AtS, WidthS: s.WidthS, Latency: latency})
	return nil
}

// joinServer extends the figures of the servers by those of p. The servers of all parts are the same,
// and each part read their figures at slightly different times.
func (w *Window) joinServer(p Window) {
	if s := p.Store; s != nil {
		if w.Store == nil {
			w.Store = &Store{}
		}
		w.Store.Appends = max(w.Store.Appends, s.Appends)
		w.Store.Reads = max(w.Store.Reads, s.Reads)
		w.Store.EmptyReads = max(w.Store.EmptyReads, s.EmptyReads)
	}
	if s := p.Server; s != nil {
		if w.Server == nil {
			w.Server = &Process{RSSIdleBytes: s.RSSIdleBytes}
		}
		w.Server.CPUS = max(w.Server.CPUS, s.CPUS)
		w.Server.RSSBytes = max(w.Server.RSSBytes, s.RSSBytes)
		w.Server.RSSIdleBytes = min(w.Server.RSSIdleBytes, s.RSSIdleBytes) // before users of any part joined
	}
}

func (c *Calibration) join(p Calibration) {
	c.Members += p.Members
	c.RoundTrip.Merge(p.RoundTrip)
	c.Connects = c.Connects || p.Connects
	c.Direct.Merge(p.Direct)
	c.NetworkS = max(c.NetworkS, p.NetworkS)
	c.Delivery.Merge(p.Delivery)
	if b := p.Bytes; b != nil { // the same in all parts, apart from numbers with more digits
		if c.Bytes == nil {
			c.Bytes = &Bytes{}
		}
		c.Bytes.Send = max(c.Bytes.Send, b.Send)
		c.Bytes.Empty = max(c.Bytes.Empty, b.Empty)
		c.Bytes.Fresh = max(c.Bytes.Fresh, b.Fresh)
		c.Bytes.Answer = max(c.Bytes.Answer, b.Answer)
		c.Bytes.Message = max(c.Bytes.Message, b.Message)
		if l := b.Literals; l != nil {
			all := Literals{}
			if c.Bytes.Literals != nil {
				all = *c.Bytes.Literals
			}
			c.Bytes.Literals = &Literals{max(all.Send, l.Send), max(all.Poll, l.Poll), max(all.Answer, l.Answer), max(all.Date, l.Date)}
		}
	}
}

func (t *Traffic) add(p Traffic) {
	t.Connections += p.Connections
	t.Requests += p.Requests
	t.Handshakes += p.Handshakes
	t.EmptyResponses += p.EmptyResponses
	t.Posts += p.Posts
	t.BytesIn += p.BytesIn
	t.BytesOut += p.BytesOut
	t.HandshakeBytes += p.HandshakeBytes
	t.TLSFull += p.TLSFull
	t.TLSResumed += p.TLSResumed
}
