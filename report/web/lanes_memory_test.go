//go:build !race

package web_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pushpull/report/web"
)

// A footprint is what a page holds after a garbage collection.
type footprint struct {
	nodes, listeners int64 // of the DOM, detached ones included
	heap             float64
}

func (p onPage) footprint() (f footprint) {
	p.t.Helper()
	p.Do(func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		if _, err = cdp.Call(ctx, target, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
			return none, err
		}
		counters, err := cdp.Call(ctx, target, memory.GetDOMCounters, cdp.Empty{})
		if err != nil {
			return none, err
		}
		usage, err := cdp.Call(ctx, target, runtime.GetHeapUsage, cdp.Empty{})
		f = footprint{counters.Nodes, counters.JsEventListeners, usage.UsedSize}
		return none, err
	})
	return f
}

// send sends numbered messages as John.
func (p onPage) send(first, end int) {
	p.t.Helper()
	p.Do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`for (let i = %d; i < %d; i++) {
		document.getElementById("text").value = "message " + i;
		document.getElementById("say").requestSubmit();
	}`, first, end)))
}

// holds returns when every view ends with a text.
func (p onPage) holds(text string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`Array.from(document.querySelectorAll("[data-view]")).every(v => v.lastElementChild?.querySelector(".text").textContent === %q)`, text))
}

// TestLanesForget holds that a long conversation takes no more memory than a short one. Sending by
// requests takes long, so only one lane says all that it hears.
func TestLanesForget(t *testing.T) {
	const batch = 100 // messages at a time: no more may wait to be sent
	for _, c := range []struct {
		name  string
		lanes []web.Lane
		more  int // messages of the long conversation
		send  func(s *site, p onPage, first, end int)
	}{
		{"said", slices.DeleteFunc(slices.Clone(allLanes), func(l web.Lane) bool { return !l.Way.Duplex }), 500, func(_ *site, p onPage, first, end int) {
			p.send(first, end)
		}},
		{"heard", allLanes, 1000, func(s *site, p onPage, first, end int) {
			for _, room := range p.rooms() {
				for i := first; i < end; i++ {
					body := fmt.Sprintf(`{"id":"%s-%d","from":"John","text":"message %[2]d"}`, room, i)
					if _, err := s.store.Append(t.Context(), room, []byte(body), ""); err != nil {
						t.Fatal(err)
					}
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startSite(t, c.lanes...)
			p := openLanes(t, s)
			p.slide("interval", kb.Home)
			messages := 0
			chat := func(until int) footprint {
				for messages < until {
					first := messages
					messages = min(first+batch, until)
					c.send(s, p, first, messages)
					p.holds(fmt.Sprintf("message %d", messages-1))
				}
				return p.footprint()
			}
			before := chat(200) // fills the views
			after := chat(200 + c.more)
			// The marks and answers under way vary. A page that kept the messages would have ten nodes more
			// for each in each lane.
			t.Logf("%+v, then %+v", before, after)
			if more := after.nodes - before.nodes; more > 1000 {
				t.Errorf("%d messages left %d nodes of the DOM, after %d at first", c.more, more, before.nodes)
			}
			if more := after.listeners - before.listeners; more > 100 {
				t.Errorf("%d messages left %d listeners, after %d at first", c.more, more, before.listeners)
			}
			if more := after.heap - before.heap; more > 1e6 {
				t.Errorf("%d messages left %.1f MB of the heap, after %.1f MB at first", c.more, more/1e6, before.heap/1e6)
			}
			p.Looks("lanes-long-" + c.name)
		})
	}
}
