package text_test

import (
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/text"
)

func TestForeign(t *testing.T) {
	stream := result.Way{Title: "WebSocket on Far", Server: "Far", Stream: true, Duplex: true, Lacks: result.Lacks{Acks: true}}
	poll := result.Way{Title: "long polling on Far", Server: "Far", HoldS: 30, Batch: 1, Lacks: result.Lacks{Acks: true, Order: true}}
	near := result.ForeignServer{Name: "near", Title: "Near", Started: true, Untried: "it can't be installed here."}
	for _, c := range []struct {
		servers []result.ForeignServer
		rows    []result.Row
		want    []string
	}{
		{nil, []result.Row{{Transport: "websocket"}}, nil},
		{
			[]result.ForeignServer{{Name: "far-2", Title: "Far", Address: "http://h/", PID: true}, near},
			[]result.Row{{Transport: "far-2/websocket", Way: stream, Server: &result.Server{}}, {Transport: "far-2/long-poll", Way: poll}, {Transport: "far-2/sse"}},
			[]string{
				"far-2 (Far): It ran at http://h/, and its figures hold what it did before. CPU and memory are those of its processes on this machine; memory is resident memory, which varies. Unlike pushpull's server: doesn't acknowledge; doesn't keep order (long-poll); one message an answer (long-poll).",
				"near: A command started it for each window. Its CPU and memory are unknown. Its dialect was never tried on the real server: it can't be installed here.",
			},
		},
		{ // a side of a duet
			[]result.ForeignServer{{Name: "far", Title: "Far", Started: true}},
			[]result.Row{{Transport: "websocket", Way: stream, Server: &result.Server{}}},
			[]string{"far: A command started it for each window. CPU and memory are those of its processes on this machine; memory is resident memory, which varies. Unlike pushpull's server: doesn't acknowledge."},
		},
	} {
		got := text.Foreign(result.Run{Scenario: result.Scenario{Against: c.servers}}, c.rows)
		if len(got) != len(c.want) {
			t.Errorf("%d lines of %d servers: %q", len(got), len(c.servers), got)
			continue
		}
		for i, want := range c.want {
			if got[i] != want {
				t.Errorf("got  %s\nwant %s", got[i], want)
			}
		}
	}
}

// A server's name and texts may hold anything, and are shown as one line of plain text.
func TestForeignIsPlain(t *testing.T) {
	evil := result.ForeignServer{Name: "a\nb", Title: "c\x1b[31m", Text: "d\re", Address: "f\ng", Untried: "h\ni"}
	for _, line := range text.Foreign(result.Run{Scenario: result.Scenario{Against: []result.ForeignServer{evil}}}, nil) {
		for _, r := range line {
			if r < ' ' || r == 0x7f {
				t.Errorf("%q holds a control character", line)
			}
		}
	}
}
