package loadgen

import (
	"strings"
	"testing"
)

// TestBadSplit asks for CPUs that there are not.
func TestBadSplit(t *testing.T) {
	_, have := availableCPUs()
	for _, servers := range []int{-1, 0, have, have + 1} {
		s, err := SplitCPUs(servers)
		if err == nil {
			s.Close()
			t.Errorf("%d of %d CPUs for the servers: no error", servers, have)
			continue
		}
		if want := "the load generator needs one"; have > 1 && !strings.Contains(err.Error(), want) {
			t.Errorf("%d of %d CPUs: %v, want %q", servers, have, err, want)
		}
	}
	var none *Split
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// TestSplitEnvironment checks the variables that servers get where they can't be bound to CPUs.
func TestSplitEnvironment(t *testing.T) {
	for _, c := range []struct {
		split   *Split
		servers int
		want    string
	}{
		{nil, 1, ""},
		{&Split{Servers: 4, Bound: true}, 1, ""},
		{&Split{Servers: 4}, 1, "GOMAXPROCS=4"},
		{&Split{Servers: 4}, 2, "GOMAXPROCS=2"},
		{&Split{Servers: 1}, 2, "GOMAXPROCS=1"},
	} {
		if got := strings.Join(c.split.environment(c.servers), " "); got != c.want {
			t.Errorf("%+v for %d servers: %q, want %q", c.split, c.servers, got, c.want)
		}
	}
}
