//go:build !race

package web_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"pushpull/loadgen/result"
	"pushpull/report/web"
	"pushpull/transports"
)

// stream is a transport of a class that the page must show by what it is: one response that never ends.
type stream struct{}

func (stream) Way() transports.Way { return transports.Way{Title: "a stream", Stream: true} }

func (stream) Handler(log transports.Log) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, ok := transports.Place(w, r)
		if !ok {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": a comment\r\nretry: 1\r\n\r\n")
		for {
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			messages, err := log.Next(r.Context(), r.PathValue("room"), after, 10)
			if err != nil {
				return
			}
			for _, m := range messages {
				// A data line of its own for each half tests the parser.
				data := string(transports.AppendJSON(nil, m))
				const half = len(`{"seq":`)
				fmt.Fprintf(w, "id: %d\ndata: %s\ndata:%s\n\n", m.Seq, data[:half], data[half:])
				after = m.Seq
			}
		}
	})
}

// TestLanesStream shows a lane for a stream one way beside all others: the requests that stay open must
// leave connections for those that don't.
func TestLanesStream(t *testing.T) {
	lanes := append([]web.Lane{{Name: "mine", Way: result.Way{Title: "a stream", Stream: true}}}, allLanes...)
	s := newSite(t, lanes...)
	s.transports["mine"] = stream{}
	s.start()
	p := openLanes(t, s)
	p.slide("interval", kb.Home)
	p.say("hello")
	p.maryHas("hello")
	p.say("größer")
	p.maryHas("hello", "größer")
	got := p.lanes()["mine"]
	if got.Requests != 2 || got.Empty != 0 {
		t.Errorf("%d requests and %d empty answers, want one request for each user", got.Requests, got.Empty)
	}
	for _, user := range []string{"John", "Mary"} {
		p.Until(fmt.Sprintf(`document.querySelector('[data-kind="mine"] [data-of="waits-%s"]').textContent.startsWith("answer open for ")`, user))
	}
	p.Looks("lanes-stream")
}
