package loadgen

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

type cpuSet = unix.CPUSet

// mostCPUs is how many CPUs a cpuSet can hold.
const mostCPUs = len(cpuSet{}) * strconv.IntSize

// availableCPUs returns the CPUs that this process may use, and their number.
func availableCPUs() (cpuSet, int) {
	var all cpuSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return all, 0
	}
	return all, all.Count()
}

// bind binds the threads of this process to its CPUs.
func (s *Split) bind() error {
	s.generator = s.all
	for cpu := mostCPUs - 1; s.servers.Count() < s.Servers; cpu-- {
		if s.generator.IsSet(cpu) {
			s.generator.Clear(cpu)
			s.servers.Set(cpu)
		}
	}
	if err := bindThreads(&s.generator); err != nil {
		return err
	}
	// With one thread more than CPUs, the kernel runs the thread that a timer wakes to send, instead of leaving it
	// to wait for all that the others have to do: on one CPU, sends were later by tens of milliseconds otherwise.
	s.Bound, s.former = true, runtime.GOMAXPROCS(s.Generator+1)
	return nil
}

func (s *Split) release() error {
	runtime.GOMAXPROCS(s.former)
	return bindThreads(&s.all)
}

// bindThreads binds each thread of this process. Threads that begin later inherit the CPUs of the one that
// starts them, so it ends once all threads that it finds are known to be bound.
func bindThreads(to *cpuSet) error {
	bound := map[string]bool{}
	for again := true; again; {
		again = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("listing the threads of this process: %w", err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil || bound[thread.Name()] {
				continue
			}
			if err := unix.SchedSetaffinity(id, to); err != nil && err != unix.ESRCH { // ESRCH: the thread has ended
				return fmt.Errorf("binding a thread to its CPUs: %w", err)
			}
			bound[thread.Name()], again = true, true
		}
	}
	return nil
}

// startBound starts c from a thread on the CPUs of the servers, which c inherits.
func (s *Split) startBound(c *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.SchedSetaffinity(0, &s.servers)
		if err == nil {
			err = c.Start()
		} else {
			err = fmt.Errorf("binding the server to its CPUs: %w", err)
		}
		// A thread that can't be bound again ends with this goroutine, as it is locked to it.
		if unix.SchedSetaffinity(0, &s.generator) == nil {
			runtime.UnlockOSThread()
		}
		started <- err
	}()
	return <-started
}
