package main

import (
	"fmt"
	"slices"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/search"
)

// A hunt is the search on one transport.
type hunt struct {
	transport string
	way       result.Way
	most      ceiling
	search    *search.Search // nil: the transport can't hold the p99
	options   search.Options
	text      string // why there is no search
	lacking   bool   // that is, the server has no such transport
}

// huntsOf begins the search on each transport. given: the largest load was asked for.
func huntsOf(p capacityPlan, given bool) (hunts []*hunt, err error) {
	unspoken := p.access.lacking(p.scenario, p.against)
	for _, transport := range p.scenario.Transports {
		h := &hunt{transport: transport, way: loadgen.WayOf(p.against.way(transport))}
		if _, err := p.against.client(transport); err != nil { // its server lacks it: all else is wrong usage
			h.text, h.lacking = err.Error(), true
			hunts = append(hunts, h)
			continue
		}
		if i := slices.IndexFunc(unspoken, func(l result.Lack) bool { return l.Transport == transport }); i >= 0 {
			h.text, h.lacking = unspoken[i].Why, true
			hunts = append(hunts, h)
			continue
		}
		if timer := p.late(transport); timer > 0 {
			h.text = fmt.Sprintf("a message waits up to %v for the timer of %s", timer, transport)
			hunts = append(hunts, h)
			continue
		}
		if h.most, err = p.ceiling(transport, given); err != nil {
			return nil, err
		}
		h.options = p.options
		h.options.Most, h.options.From = h.most.most, min(p.options.From, h.most.most)
		h.search = search.New(h.options)
		hunts = append(hunts, h)
	}
	return hunts, nil
}

// found returns what the search has found so far.
func (h *hunt) found() result.Found {
	f := result.Found{Transport: h.transport, Way: h.way}
	if h.search == nil {
		f.Complete, f.Limit, f.Text = true, search.Timer, h.text
		if h.lacking {
			f.Limit = search.None
		}
		return f
	}
	a := h.search.Answer()
	f.Holds, f.Breaks, f.AtLeast, f.Confirmed, f.Complete = a.Holds, a.Breaks, a.AtLeast, a.Confirmed, a.Complete
	f.Broke, f.Limit, f.Text = a.Why.Broke, a.Why.Limit, a.Why.Text
	f.Windows, f.Noise, f.Revised, f.Above = a.Windows, a.Noise, a.Revised, a.Above
	for _, w := range a.Apart {
		f.Apart = append(f.Apart, result.Apart{Load: w.Load, Round: w.Window})
	}
	if a.Breaks == 0 && a.Complete {
		f.Limit, f.Text = h.most.limit, h.most.text
	}
	return f
}
