package loadgen

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// allowedCPUs returns the list of CPUs that each thread of a process may use, once for each different list.
func allowedCPUs(t *testing.T, process string) map[string]bool {
	t.Helper()
	threads, err := filepath.Glob("/proc/" + process + "/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads of %s: %v", process, err)
	}
	lists := map[string]bool{}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(status)) {
			if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
				lists[strings.TrimSpace(list)] = true
			}
		}
	}
	return lists
}

// TestSplit looks at the CPUs of the threads of this process and of a server, while there is a split and
// after it.
func TestSplit(t *testing.T) {
	_, have := availableCPUs()
	if have < 2 {
		t.Skip("this machine has one CPU")
	}
	before, procs := allowedCPUs(t, "self"), runtime.GOMAXPROCS(0)
	s, err := SplitCPUs(1)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Bound || s.Servers != 1 || s.Generator != have-1 || runtime.GOMAXPROCS(0) != have || s.cores() != have-1 {
		t.Errorf("split %+v of %d CPUs, GOMAXPROCS %d", s, have, runtime.GOMAXPROCS(0))
	}
	side, stop, err := withPrograms(Side{Command: command(), CPUs: s})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	servers, err := side[0].start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stopAll(servers)
	own, others := allowedCPUs(t, "self"), allowedCPUs(t, strconv.Itoa(servers[0].PID))
	if len(own) != 1 || len(others) != 1 {
		t.Errorf("the threads of the generator may use %v, those of the server %v, want one list each", own, others)
	}
	for list := range own {
		if others[list] || before[list] {
			t.Errorf("the generator may use %v, the server %v, the generator before %v", own, others, before)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after := allowedCPUs(t, "self")
	if runtime.GOMAXPROCS(0) != procs || len(after) != len(before) {
		t.Errorf("after the split %v and GOMAXPROCS %d, before %v and %d", after, runtime.GOMAXPROCS(0), before, procs)
	}
	for list := range after {
		if !before[list] {
			t.Errorf("after the split the generator may use %s, before %v", list, before)
		}
	}
}
