package loadgen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports/process"
)

const (
	startTimeout  = 10 * time.Second // for a server to print its address
	foreignStart  = 30 * time.Second // the same of a foreign server, which may be a container
	stopTimeout   = 6 * time.Second  // for a server to stop before it is killed
	groupTimeout  = time.Second      // for the rest of a foreign server's process group, once the process itself has ended
	outputTimeout = time.Second      // for the end of a server's standard error once it has ended itself
)

// A Server is a server process, started for one window.
type Server struct {
	Base  *url.URL
	PID   int
	Other bool // it runs another file than the first server of its Program

	command *exec.Cmd
	input   io.Closer
	output  *os.File
	lines   *bufio.Reader // of output
	pprof   *url.URL      // where its profiles are, once findProfiles has found it
	stderr  *process.Tail
	ended   chan struct{} // closed once the process has ended, and waited is set
	waited  error
	told    bool // Ended has reported the end

	foreign bool           // it is stopped by a signal to its process group
	drained sync.WaitGroup // of a foreign server's output, which it must be able to write to
}

// StartServer starts a program with argv, like pushpull serve --until-eof, and returns when it listens.
// A nil program means this binary as it is now. The process must print "listening on http://HOST:PORT"
// as the first line of its standard output, and stop when its standard input ends, so that it can't
// outlive this process. The caller must stop the server, even if it has ended.
//
// env are variables, like NAME=value, that are added to the environment of this process. Other users of the
// machine see argv, but not env.
func StartServer(ctx context.Context, program *Program, argv []string, env ...string) (*Server, error) {
	return startServer(ctx, program, nil, argv, env, false)
}

// startServer starts a server on the CPUs that cpus has for it.
func startServer(ctx context.Context, program *Program, cpus *Split, argv, env []string, foreign bool) (*Server, error) {
	if program == nil {
		var err error
		if program, err = OpenProgram(""); err != nil {
			return nil, fmt.Errorf("starting the server: %w", err)
		}
		defer program.Close()
	}
	binary, same := program.start()
	output, childOutput, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	defer childOutput.Close()
	s := &Server{stderr: &process.Tail{}, output: output, ended: make(chan struct{}), foreign: foreign}
	s.command = exec.Command(binary)
	s.command.WaitDelay = outputTimeout
	s.command.Args = argv
	s.command.Env = append(os.Environ(), env...)
	s.command.Stdout, s.command.Stderr = childOutput, s.stderr
	ownGroup(s.command)
	if s.input, err = s.command.StdinPipe(); err == nil {
		if foreign {
			err = startForeign(s.command, cpus.start, s.ended)
		} else {
			err = cpus.start(s.command)
		}
	}
	if err != nil {
		output.Close()
		return nil, fmt.Errorf("starting the server: %w", program.explain(err))
	}
	childOutput.Close() // else output would not end with the child
	s.PID = s.command.Process.Pid
	go func() {
		defer close(s.ended)
		s.waited = s.command.Wait()
	}()

	limit := startTimeout
	if foreign {
		limit = foreignStart
	}
	output.SetReadDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, func() { output.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	s.lines = bufio.NewReader(output)
	line, err := s.lines.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err == nil && ok && ctx.Err() == nil {
		if s.Base, err = url.Parse(address); err == nil {
			s.Other = program.differs(s.PID, same)
			if foreign {
				output.SetReadDeadline(time.Time{})
				s.drained.Go(func() { _, _ = io.Copy(io.Discard, s.lines) })
			}
			return s, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF):
		err = errors.New("it ended before it printed its address")
	case err == nil:
		err = fmt.Errorf("it printed %.100q instead of its address", line)
	}
	if foreign {
		killGroup(s.command)
	} else {
		s.command.Process.Kill()
	}
	_ = s.Stop()
	return nil, fmt.Errorf("starting the server: %w", program.explain(s.explain(err)))
}

// findProfiles waits until the server prints where its profiles are, as the second line of its standard output,
// like "profiles on http://127.0.0.1:6060/debug/pprof/".
func (s *Server) findProfiles() error {
	s.output.SetReadDeadline(time.Now().Add(outputTimeout))
	line, err := s.lines.ReadString('\n')
	if err != nil {
		return fmt.Errorf("it does not print where its profiles are: %w", err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "profiles on ")
	if !ok {
		return fmt.Errorf("it printed %.100q instead of where its profiles are", line)
	}
	s.pprof, err = url.Parse(address)
	return err
}

// Stop makes the server stop by closing its standard input, and waits for it. It kills a server that
// takes too long. The error says how the server ended if it did not end well, unless Ended has reported that.
//
// A foreign server is stopped by SIGTERM to its process group. What is left of the group in the end is killed.
func (s *Server) Stop() error {
	defer s.drained.Wait()
	defer s.output.Close()
	s.input.Close()
	if s.foreign {
		return s.stopGroup()
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
		s.command.Process.Kill()
		<-s.ended
		return fmt.Errorf("stopping the server: %w", s.explain(fmt.Errorf("it did not stop within %v, and was killed", stopTimeout)))
	}
	if s.waited != nil && !s.told && !errors.Is(s.waited, exec.ErrWaitDelay) { // a child of it, which it left behind, has its output
		return fmt.Errorf("stopping the server: %w", s.explain(s.waited))
	}
	return nil
}

// stopGroup stops the process group of a foreign server. How the server ends after the signal is its own matter.
func (s *Server) stopGroup() error {
	defer killGroup(s.command)
	endGroup(s.command)
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-s.ended:
	case <-limit.C:
		killGroup(s.command)
		<-s.ended
		return fmt.Errorf("stopping the server: %w", s.explain(fmt.Errorf("it did not stop within %v after SIGTERM, and was killed", stopTimeout)))
	}
	for end := time.Now().Add(groupTimeout); groupLives(s.command) && time.Now().Before(end); {
		time.Sleep(groupTimeout / 100) //nolint:forbidigo // nothing reports the end of a process that is not a child
	}
	return nil
}

// Ended reports whether the server has ended although nobody stopped it, how, like "killed by signal 9", and
// the last line of its standard error. It waits for the end up to the given time. Neither Ended nor Stop may be
// called by two goroutines at the same time.
func (s *Server) Ended(wait time.Duration) (how, last string, ended bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.ended:
	default:
		select {
		case <-s.ended:
		case <-timer.C:
			return "", "", false
		}
	}
	s.told = true
	if s.command.ProcessState == nil { // the system did not say
		return s.waited.Error(), s.stderr.Last(), true
	}
	return ending(s.command.ProcessState), s.stderr.Last(), true
}

// explain adds the last line of the server's standard error to err.
func (s *Server) explain(err error) error {
	if last := s.stderr.Last(); last != "" {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}

// serverStats holds the fields of GET /stats used here.
type serverStats struct {
	Store   storeStats `json:"store"`
	Process struct {
		CPUS       float64 `json:"cpu_s"`
		RSSBytes   int64   `json:"rss_bytes"`
		InUseBytes int64   `json:"in_use_bytes"` // 0 if unknown, or not asked for
		Program    string  `json:"program"`      // "" if unknown, or not asked for
		UptimeS    float64 `json:"uptime_s"`     // 0 if unknown
	} `json:"process"`
}

type storeStats result.Store

func (s storeStats) since(start storeStats) *result.Store {
	return &result.Store{
		Appends:    s.Appends - start.Appends,
		Reads:      s.Reads - start.Reads,
		EmptyReads: s.EmptyReads - start.EmptyReads,
	}
}

// follows reports whether s and earlier can be stats of the same process: a server that was restarted
// in between counts from 0 again.
func (s *serverStats) follows(earlier *serverStats) bool {
	return s.Process.CPUS >= earlier.Process.CPUS && s.Store.Appends >= earlier.Store.Appends &&
		s.Store.Reads >= earlier.Store.Reads && s.Store.EmptyReads >= earlier.Store.EmptyReads
}

// add adds the figures of another server to s.
func (s *serverStats) add(other *serverStats) {
	s.Store.Appends += other.Store.Appends
	s.Store.Reads += other.Store.Reads
	s.Store.EmptyReads += other.Store.EmptyReads
	s.Process.CPUS += other.Process.CPUS
	s.Process.RSSBytes += other.Process.RSSBytes
	s.Process.InUseBytes += other.Process.InUseBytes
}
