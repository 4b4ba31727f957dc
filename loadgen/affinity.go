package loadgen

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
)

// A Split divides the CPUs of this machine between servers and the generator, which otherwise take them from
// each other: then the limit of one looks like that of the other.
//
// On Linux both are bound to CPUs of their own. Other systems can't do that for this process: there each server
// runs its Go code on no more CPUs than it may have (GOMAXPROCS), which neither bounds its system calls well nor
// keeps the generator off these CPUs.
type Split struct {
	Servers   int  // CPUs that all servers of a window have together
	Generator int  // CPUs that are left to this process
	Bound     bool // both are bound to their CPUs

	servers, generator, all cpuSet // all: of this process before the split
	former                  int    // GOMAXPROCS before the split
}

// SplitCPUs gives that many CPUs to the servers that are started with the split from then on, and the others to
// this process, until Close is called. Each side needs at least one. A process can have one split at a time.
func SplitCPUs(servers int) (*Split, error) {
	all, have := availableCPUs()
	switch {
	case have < 2:
		return nil, fmt.Errorf("this process may use one CPU, and a split needs two: leave the servers unlimited")
	case have == 2 && servers != 1:
		return nil, fmt.Errorf("the servers can have 1 of the 2 CPUs, not %d: the load generator needs one", servers)
	case servers < 1 || servers >= have:
		return nil, fmt.Errorf("the servers can have 1 to %d of the %d CPUs, not %d: the load generator needs one", have-1, have, servers)
	}
	s := &Split{Servers: servers, Generator: have - servers, all: all}
	if err := s.bind(); err != nil {
		return nil, fmt.Errorf("dividing the CPUs: %w", err)
	}
	return s, nil
}

// Close gives all CPUs back to this process. Servers that run keep theirs. Closing nil does nothing.
func (s *Split) Close() error {
	if s == nil {
		return nil
	}
	if err := s.release(); err != nil {
		return fmt.Errorf("using all CPUs again: %w", err)
	}
	return nil
}

// StartServer is the function StartServer, for a process on the CPUs of the servers. A nil split leaves it all
// CPUs of this process.
func (s *Split) StartServer(ctx context.Context, program *Program, argv []string, env ...string) (*Server, error) {
	return startServer(ctx, program, s, argv, env, false)
}

// environment returns variables for each of a number of servers.
func (s *Split) environment(servers int) []string {
	if s == nil || s.Bound {
		return nil // a Go program uses the CPUs that it is bound to
	}
	return []string{"GOMAXPROCS=" + strconv.Itoa(max(1, s.Servers/servers))}
}

// cores returns the number of CPUs that this process may use; 0 without a split.
func (s *Split) cores() int {
	if s == nil {
		return 0
	}
	return s.Generator
}

// start starts a command on the CPUs of the servers.
func (s *Split) start(c *exec.Cmd) error {
	if s == nil || !s.Bound {
		return c.Start()
	}
	return s.startBound(c)
}
