//go:build !race

package web_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"pushpull/transports"
	"pushpull/transports/store/memory"
)

// TestLanesStream shows the lanes of streams that go one way, beside all others: the requests that stay open must
// leave connections for those that don't. A gap in a stream is told, and the stream goes on after it.
func TestLanesStream(t *testing.T) {
	s := newSite(t, allLanes...)
	store := &losing{log: new(memory.Store)}
	s.store = store
	s.start()
	p := openLanes(t, s)
	p.slide("interval", kb.Home)
	p.say("hello")
	p.maryHas("hello")
	p.say("größer")
	p.maryHas("hello", "größer")
	streams := 0
	for _, lane := range allLanes {
		if !lane.Way.Stream || lane.Way.Duplex {
			continue
		}
		streams++
		if got := p.lanes()[lane.Name]; got.Requests != 2 || got.Empty != 0 {
			t.Errorf("%s: %d requests and %d empty answers, want one request for each user", lane.Name, got.Requests, got.Empty)
		}
		for _, user := range []string{"John", "Mary"} {
			p.Until(fmt.Sprintf(`document.querySelector('[data-kind="%s"] [data-of="waits-%s"]').textContent.startsWith("answer open for ")`, lane.Name, user))
		}
	}
	if streams == 0 {
		t.Error("no lane is a stream that goes one way")
	}
	p.Looks("lanes-stream")

	store.lose()
	p.say("after the gap")
	p.maryHas("hello", "größer", "the server has lost messages of this room", "after the gap")
	p.Faults() // a browser logs each request that fails
}

// A losing store can lose its log while it serves, as when somebody empties a database.
type losing struct {
	transports.Bell
	mu  sync.Mutex
	log *memory.Store
}

func (l *losing) current() *memory.Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log
}

func (l *losing) lose() {
	l.mu.Lock()
	l.log = new(memory.Store)
	l.mu.Unlock()
	l.RingAll()
}

func (l *losing) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	defer l.Ring(room)
	return l.current().Append(ctx, room, body)
}

func (l *losing) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	return l.current().After(ctx, room, seq, limit)
}
