package loadgen

import (
	"fmt"
	"strings"
	"testing"

	"pushpull/loadgen/wire"
)

func TestReadStats(t *testing.T) {
	stats, err := readStats(t.Context(), wire.NewDialer(start(t), &wire.Counts{}), "", getTimeout)
	if err != nil || stats.Process.RSSBytes < 1<<20 || stats.Process.CPUS <= 0 {
		t.Errorf("the stats of a pushpull server are %+v, %v", stats, err)
	}
	for name, text := range map[string]string{"another server's": `{"uptime":7}`, "no JSON": "<html>", "nothing": ""} {
		base := answering(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
		if stats, err := readStats(t.Context(), wire.NewDialer(base, &wire.Counts{}), "", getTimeout); err == nil {
			t.Errorf("%s: accepted as the stats of a pushpull server: %+v", name, stats)
		}
	}
}

// A restarted server counts from 0 again, so the difference to its earlier stats would be negative.
func TestFollows(t *testing.T) {
	var before, after serverStats
	before.Process.CPUS, before.Store.Reads = 3, 100
	after.Process.CPUS, after.Store.Reads = 4, 100
	if !after.follows(&before) {
		t.Error("more CPU time is not accepted as that of the same process")
	}
	after.Process.CPUS, after.Store.Reads = 4, 7
	if after.follows(&before) {
		t.Error("fewer reads of the store are accepted as those of the same process")
	}
	after.Process.CPUS, after.Store.Reads = .2, 100
	if after.follows(&before) {
		t.Error("less CPU time is accepted as that of the same process")
	}
}

func TestEnvironment(t *testing.T) {
	e := Environment()
	if e.Cores < 1 || e.OS == "" || e.Arch == "" || !strings.HasPrefix(e.Go, "go") || e.Pushpull == "" || e.Modules == nil {
		t.Errorf("%+v", e)
	}
}
