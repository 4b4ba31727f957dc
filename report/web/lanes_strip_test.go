//go:build !race

package web_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pushpull/loadgen/result"
	"pushpull/report/web/browsertest"
	"pushpull/transports/store/memory"
)

// waits has what users of each class wait for while nothing is said: in the drawing and in words.
var waits = map[string]struct {
	wire  string
	words *regexp.Regexp
}{
	result.Timer:  {"timer", regexp.MustCompile(`^waiting: next poll in \d\.\d s$`)},
	result.Held:   {"held", regexp.MustCompile(`^request held by the server for \d+(\.\d)? s$`)},
	result.Scan:   {"held", regexp.MustCompile(`^request held by the server for \d+(\.\d)? s$`)},
	result.Stream: {"open", regexp.MustCompile(`^answer open for \d+(\.\d)? s$`)},
	result.Duplex: {"open", regexp.MustCompile(`^connection open for \d+(\.\d)? s$`)},
}

// marks counts the marks that a lane has drawn since watchMarks, by kind.
type marks struct{ Message, Ask, Nothing int }

func (p onPage) watchMarks() {
	p.t.Helper()
	browsertest.Eval[bool](p.Browser, `(() => {
		window.drawn = {};
		for (const lane of document.querySelectorAll(".lane")) {
			const counts = drawn[lane.dataset.kind] = { message: 0, ask: 0, nothing: 0 };
			new MutationObserver(changes => changes.forEach(c => c.addedNodes.forEach(mark => counts[mark.classList[1]]++)))
				.observe(lane.querySelector(".marks"), { childList: true });
		}
		return true;
	})()`)
}

func (p onPage) marks() map[string]marks {
	p.t.Helper()
	return browsertest.Eval[map[string]marks](p.Browser, "drawn")
}

// TestLanesSayWhy holds that each lane draws, and says in words, what its users wait for and what travels.
func TestLanesSayWhy(t *testing.T) {
	p := openLanes(t, startSite(t, allLanes...))
	p.Move()
	classOf := map[string]string{}
	for _, lane := range allLanes {
		classOf[lane.Name] = lane.Way.Class()
	}
	p.until("the users wait", func(l laneState) bool {
		want := waits[classOf[l.Name]]
		for i := range l.Wires {
			if l.Wires[i] != want.wire || !want.words.MatchString(l.Waits[i]) {
				return false
			}
		}
		return true
	})
	for name, l := range p.lanes() {
		if l.Arrived != "0 of 0" || l.DelayOf != "no message yet" {
			t.Errorf("%s says %q, %q before the first message", name, l.Arrived, l.DelayOf)
		}
	}

	p.Until(`document.querySelector(".marks .mark") === null`) // else the next request may not be drawn
	p.watchMarks()
	p.say("hello")
	// The message waits in the store until a poll comes.
	p.Until(`document.querySelector('[data-way="timer"] .waiting').dataset.n === "1"`)
	p.slide("interval", kb.Home)
	p.maryHas("hello")
	p.until("the counts agree", func(l laneState) bool { return l.Arrived == "1 of 1" && l.DelayOf == "last delay" })
	p.Until(`document.querySelector('[data-way="timer"] .waiting').dataset.n === "0"`)
	p.Until(`drawn["short-poll"].nothing > 2`)
	for name, got := range p.marks() {
		// From John to the server, to the store, and back to him, unless he sends on his connection, and Mary.
		if got.Message < 4 {
			t.Errorf("%s: %+v, want a message to be drawn to the store and to both users", name, got)
		}
		// Only requests are drawn as such, and empty answers only to polls that found nothing.
		class := classOf[name]
		if asks := class != result.Duplex && class != result.Stream; asks != (got.Ask > 0) || (class == result.Timer) != (got.Nothing > 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}

	p.Until(`/ took this page [\d.]+ m?s each, .* by performance.now, .* the server needed [\d.]+ ms/.test(document.querySelector(".why").textContent)`)

	const moves = `document.getAnimations().some(a => {
		const frames = a.effect.getKeyframes();
		return frames.some(f => f.transform !== frames[0].transform || f.strokeDashoffset);
	})`
	p.Until(moves)

	// Nothing moves for a person who doesn't want that.
	p.Do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		features := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return chromedp.Void{}, err
	})
	p.Until("document.getAnimations().length > 0 && !" + moves)
}

// TestLanesRefuse holds that the page keeps no more than 100 messages for a server that is gone.
func TestLanesRefuse(t *testing.T) {
	s := startSite(t, allLanes...)
	p := openLanes(t, s)
	s.end()
	p.until("the lanes are cut off", func(l laneState) bool { return l.Name == "short-poll" || l.State == "lost" })
	p.send(0, 103)
	p.until("the last are refused", func(l laneState) bool { return l.Arrived == "0 of 103, 3 refused" })
	p.Until(fmt.Sprintf(`document.querySelectorAll('[data-view="John"] li[data-sent="refused"] .bad').length === %d`, 3*len(allLanes)))
	s.start()
	for _, n := range []int{30, 60, 100} { // a busy machine takes a while, as each lane sends one message after another
		p.Until(fmt.Sprintf(`Array.from(document.querySelectorAll(".lane")).every(lane => {
			const arrived = lane.querySelector('[data-of="arrived"]').textContent.match(/^(\d+) of 103, 3 refused$/);
			return lane.querySelector(".state").dataset.state === "connected" && arrived && arrived[1] >= %d;
		})`, n))
	}
	p.Faults() // a browser logs each request that fails
}

// TestLanesCountLost holds that a message that the server has stored and lost is no longer awaited.
func TestLanesCountLost(t *testing.T) {
	s := startSite(t, allLanes...)
	p := openLanes(t, s)
	p.slide("interval", kb.Home)
	p.say("kept")
	p.maryHas("kept")
	p.slide("interval", kb.End)
	p.still("short-poll")
	p.say("lost")
	p.Until(fmt.Sprintf(`document.querySelectorAll('[data-view="John"] li[data-sent="stored"]').length === %d`, 2*len(allLanes)))
	s.end()
	s.store = &memory.Store{}
	p.until("the held ones are cut off", func(l laneState) bool { return l.Name == "short-poll" || l.State == "lost" })
	s.start()
	p.slide("interval", kb.Home)
	p.until("the server has lost it", func(l laneState) bool {
		want := "2 of 2"
		if l.Name == "short-poll" {
			want = "1 of 2, 1 lost"
		}
		return l.State == "connected" && l.Arrived == want && l.DelayOf == "last delay"
	})
	p.say("anew")
	p.until("it goes on", func(l laneState) bool { return l.Mary[len(l.Mary)-1].Text == "anew" })
	p.Faults() // a browser logs each request that fails
}
