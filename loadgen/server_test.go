package loadgen

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadStats(t *testing.T) {
	stats, err := readStats(t.Context(), start(t))
	if err != nil || stats.Process.RSSBytes < 1<<20 || stats.Process.CPUS <= 0 {
		t.Errorf("our own server tells %+v, %v", stats, err)
	}
	for name, text := range map[string]string{"another server's": `{"uptime":7}`, "no JSON": "<html>", "nothing": ""} {
		base := answering(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
		if stats, err := readStats(t.Context(), base); err == nil {
			t.Errorf("%s figures are taken for a pushpull server's: %+v", name, stats)
		}
	}
}

// A server that was started anew counts from 0: the difference would be told as less than nothing.
func TestFollows(t *testing.T) {
	var before, after serverStats
	before.Process.CPUS, before.Store.Reads = 3, 100
	after.Process.CPUS, after.Store.Reads = 4, 100
	if !after.follows(&before) {
		t.Error("a server that goes on is taken for another one")
	}
	after.Process.CPUS, after.Store.Reads = 4, 7
	if after.follows(&before) {
		t.Error("fewer reads of the store are taken for those of the same server")
	}
	after.Process.CPUS, after.Store.Reads = .2, 100
	if after.follows(&before) {
		t.Error("less CPU is taken for that of the same server")
	}
}

// TestTail keeps the end of what a process said, and tells its last line.
func TestTail(t *testing.T) {
	var said tail
	for n := range 10_000 {
		fmt.Fprintf(&said, "line %d\n", n)
	}
	if got := said.String(); got != "line 9999" {
		t.Errorf("the last line is %q", got)
	}
	if n := len(said.text); n > 4<<10 {
		t.Errorf("%d bytes are kept", n)
	}
	fmt.Fprint(&said, strings.Repeat("x", 10_000))
	if got := len(said.String()); got != 4<<10 {
		t.Errorf("%d bytes of a long line are kept, want the end of it", got)
	}
	if got := (&tail{}).String(); got != "" {
		t.Errorf("nothing was said, and told as %q", got)
	}
}

func TestEnvironment(t *testing.T) {
	e := Environment()
	if e.Cores < 1 || e.OS == "" || e.Arch == "" || !strings.HasPrefix(e.Go, "go") || e.Pushpull == "" || e.Modules == nil {
		t.Errorf("%+v", e)
	}
}
