package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// jobs are the processes that a script has started, by name.
type jobs map[string]*job

// jobsKey is where a script keeps its jobs.
type jobsKey struct{}

type job struct {
	command *exec.Cmd
	done    chan struct{} // closed once err is set
	err     error
}

func started(ts *testscript.TestScript, name string) *job {
	j := ts.Value(jobsKey{}).(jobs)[name]
	if j == nil {
		ts.Fatalf("%s was not started", name)
	}
	return j
}

// start NAME COMMAND [ARG...] starts a process. What it writes is in NAME.out and NAME.err.
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "start NAME COMMAND [ARG...]")
	program := args[1]
	if unraced := ts.Getenv("UNRACED"); program == "pushpull" && unraced != "" {
		program = unraced // exec.Command looks into the PATH of the tests, not of the script
	}
	j := &job{command: exec.Command(program, args[2:]...), done: make(chan struct{})}
	j.command.Dir = ts.MkAbs(".")
	j.command.Env = append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR"), "GORACE="+ts.Getenv("GORACE"))
	for suffix, w := range map[string]*io.Writer{".out": &j.command.Stdout, ".err": &j.command.Stderr} {
		file, err := os.Create(ts.MkAbs(args[0] + suffix))
		ts.Check(err)
		defer file.Close()
		*w = file
	}
	ts.Check(j.command.Start())
	go func() {
		j.err = j.command.Wait()
		close(j.done)
	}()
	ts.Defer(func() {
		j.command.Process.Kill()
		<-j.done
	})
	ts.Value(jobsKey{}).(jobs)[args[0]] = j
}

// signal NAME SIGNAL sends a signal to a process that start has started.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "signal NAME SIGNAL")
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	ts.Check(started(ts, args[0]).command.Process.Signal(signals[args[1]]))
}

// ended NAME CODES WITHIN waits for the end of a process, like exits; -1 is the code of one that
// was killed.
func cmdEnded(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "ended NAME CODES WITHIN")
	j := started(ts, args[0])
	within, err := time.ParseDuration(args[2])
	ts.Check(err)
	select {
	case <-j.done:
		checkExit(ts, args[1], j.err, ts.ReadFile(args[0]+".err"))
	case <-time.After(within):
		ts.Fatalf("%s is still there after %v", args[0], within)
	}
}

// await FILE PATTERN [VAR] waits until a file holds what a pattern matches, and puts the pattern's
// group into a variable.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "await FILE PATTERN [VAR]")
	match := awaitMatch(ts, args[0], regexp.MustCompile("(?m)"+args[1]))
	if len(args) > 2 {
		ts.Setenv(args[2], match[1])
	}
}

func awaitMatch(ts *testscript.TestScript, file string, pattern *regexp.Regexp) (match []string) {
	until(ts, fmt.Sprintf("%s in %s", pattern, file), func() bool {
		match = pattern.FindStringSubmatch(ts.ReadFile(file))
		return match != nil
	})
	return match
}

// address NAME VAR waits for what pushpull serve prints and puts the server's address into a
// variable.
func cmdAddress(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "address NAME VAR")
	match := awaitMatch(ts, args[0]+".out", regexp.MustCompile(`(?m)^listening on (http://\S+)\n`))
	ts.Setenv(args[1], match[1])
}

// await-sent URL N waits until a server has stored so many messages.
func cmdAwaitSent(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "await-sent URL N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	until(ts, "messages", func() bool {
		req, err := http.NewRequest(http.MethodGet, args[0]+"/stats", nil)
		ts.Check(err)
		_, body, err := ask(req)
		ts.Check(err)
		var stats struct{ Store struct{ Appends int } }
		ts.Check(json.Unmarshal(body, &stats))
		return stats.Store.Appends >= n
	})
}

// serverPID is how a plain line of progress names the server of the window.
var serverPID = regexp.MustCompile(`server (\d+), `)

// lastServer returns the process of the last window that has begun.
func lastServer(ts *testscript.TestScript, name string) *os.Process {
	matches := serverPID.FindAllStringSubmatch(ts.ReadFile(name+".err"), -1)
	if matches == nil {
		ts.Fatalf("%s has named no server", name)
	}
	pid, err := strconv.Atoi(matches[len(matches)-1][1])
	ts.Check(err)
	server, err := os.FindProcess(pid)
	ts.Check(err)
	return server
}

// kill-server NAME kills the server of the window under way.
func cmdKillServer(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "kill-server NAME")
	ts.Check(lastServer(ts, args[0]).Kill())
}

// server-gone NAME waits until the server of the last window is no more.
func cmdServerGone(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "server-gone NAME")
	server := lastServer(ts, args[0])
	until(ts, "the end of the server", func() bool {
		// A process that nobody has waited for is a zombie, which takes signals.
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server.Pid))
		return bytes.Contains(stat, []byte(") Z ")) || server.Signal(syscall.Signal(0)) != nil
	})
}
