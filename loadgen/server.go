package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen/result"
)

const (
	startLimit = 10 * time.Second // for a server to say where it listens
	stopLimit  = 6 * time.Second  // for a server to stop when asked to
	statsLimit = 5 * time.Second  // for an answer about itself
)

// A Server is a server process that was started for one window.
type Server struct {
	Base *url.URL
	PID  int

	command *exec.Cmd
	input   io.Closer
	output  *os.File
	said    *tail
}

// StartServer starts binary, or this binary when it is empty, with argv, like pushpull serve
// --until-eof, and returns when it listens: it must say "listening on http://HOST:PORT" on its
// standard output, and stop when its standard input ends, so that it doesn't outlive this process.
func StartServer(ctx context.Context, binary string, argv []string) (*Server, error) {
	if binary == "" {
		var err error
		if binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("starting the server: %w", err)
		}
	}
	output, childOutput, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	defer childOutput.Close()
	s := &Server{said: &tail{}, output: output}
	s.command = exec.Command(binary)
	s.command.Args = argv
	s.command.Stdout, s.command.Stderr = childOutput, s.said
	ownGroup(s.command)
	if s.input, err = s.command.StdinPipe(); err == nil {
		err = s.command.Start()
	}
	if err != nil {
		output.Close()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	childOutput.Close() // the child has it: its end is the end of the output
	s.PID = s.command.Process.Pid

	output.SetReadDeadline(time.Now().Add(startLimit))
	stop := context.AfterFunc(ctx, func() { output.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(output).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err == nil && ok && ctx.Err() == nil {
		if s.Base, err = url.Parse(address); err == nil {
			return s, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF):
		err = errors.New("it ended before it said where it listens")
	case err == nil:
		err = fmt.Errorf("it said %.100q instead of where it listens", line)
	}
	s.command.Process.Kill()
	_ = s.Stop()
	return nil, fmt.Errorf("starting the server: %w", s.explain(err))
}

// Stop stops the server and waits for it: gently at first.
func (s *Server) Stop() error {
	defer s.output.Close()
	s.input.Close()
	timer := time.AfterFunc(stopLimit, func() { s.command.Process.Kill() })
	defer timer.Stop()
	if err := s.command.Wait(); err != nil {
		return fmt.Errorf("stopping the server: %w", s.explain(err))
	}
	return nil
}

// explain adds to err what the server said last.
func (s *Server) explain(err error) error {
	if said := s.said.String(); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// A tail keeps the end of what a process said.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - 4<<10; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

// String returns the last line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimSpace(t.text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}

// serverStats is what GET /stats says, as far as it is wanted here.
type serverStats struct {
	Store   storeStats `json:"store"`
	Process struct {
		CPUS     float64 `json:"cpu_s"`
		RSSBytes int64   `json:"rss_bytes"`
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

// follows says whether s can be what the server of an earlier moment has come to: one that was
// started anew in between counts from 0.
func (s *serverStats) follows(earlier *serverStats) bool {
	return s.Process.CPUS >= earlier.Process.CPUS && s.Store.Appends >= earlier.Store.Appends &&
		s.Store.Reads >= earlier.Store.Reads && s.Store.EmptyReads >= earlier.Store.EmptyReads
}

// add makes s the figures of two servers together.
func (s *serverStats) add(other *serverStats) {
	s.Store.Appends += other.Store.Appends
	s.Store.Reads += other.Store.Reads
	s.Store.EmptyReads += other.Store.EmptyReads
	s.Process.CPUS += other.Process.CPUS
	s.Process.RSSBytes += other.Process.RSSBytes
}

// readStats asks a server for its own figures.
func readStats(ctx context.Context, base *url.URL) (*serverStats, error) {
	var stats serverStats
	if err := get(ctx, base, "stats", "rooms=0", func(r io.Reader) error { return json.NewDecoder(r).Decode(&stats) }); err != nil {
		return nil, err
	}
	if stats.Process.RSSBytes == 0 {
		return nil, errors.New("not the figures of a pushpull server")
	}
	return &stats, nil
}

// Reach returns an error that says what to do unless a server answers at base.
func Reach(ctx context.Context, base *url.URL) error {
	if err := get(ctx, base, "healthz", "", func(io.Reader) error { return nil }); err != nil {
		return fmt.Errorf("reaching the server at %s: %w: start it with pushpull serve, or check the URL", base, err)
	}
	return nil
}

// get asks on a connection of its own, which is no user's and not counted.
func get(ctx context.Context, base *url.URL, path, query string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, statsLimit)
	defer cancel()
	u := base.JoinPath(path)
	u.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the address is said once
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s to GET /%s", resp.Status, path)
	}
	return read(resp.Body)
}
