package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pushpull/transports/store/nats"
)

// jobs holds the processes that a script has started, by name.
type jobs map[string]*job

// jobsKey is the key of a script's jobs in its environment.
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

// start NAME COMMAND [ARG...] starts a process, whose output goes to NAME.out and NAME.err.
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "start NAME COMMAND [ARG...]")
	program := args[1]
	if unraced := ts.Getenv("UNRACED"); program == "pushpull" && unraced != "" {
		program = unraced // exec.Command searches the PATH of the tests, not of the script
	}
	j := &job{command: exec.Command(program, args[2:]...), done: make(chan struct{})}
	j.command.Dir = ts.MkAbs(".")
	j.command.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "TMPDIR="+ts.Getenv("TMPDIR"), "GORACE="+ts.Getenv("GORACE"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
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

// signal NAME SIGNAL sends a signal to a process started by start. One that has ended meanwhile, as after an earlier signal,
// gets none: ended says how it ended.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "signal NAME SIGNAL")
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": os.Kill}
	if err := started(ts, args[0]).command.Process.Signal(signals[args[1]]); !errors.Is(err, os.ErrProcessDone) {
		ts.Check(err)
	}
}

// ended NAME CODES waits for the end of a process and checks it like exits; the code of a killed process
// is -1.
func cmdEnded(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "ended NAME CODES")
	j := started(ts, args[0])
	select {
	case <-j.done:
		checkExit(ts, args[1], j.err, ts.ReadFile(args[0]+".err"))
	case <-time.After(scriptTimeout):
		ts.Fatalf("%s still runs after %v", args[0], scriptTimeout)
	}
}

// await FILE PATTERN [VAR] waits until a pattern matches in a file, and sets the variable to the
// pattern's group.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "await FILE PATTERN [VAR]")
	match := awaitMatch(ts, args[0], regexp.MustCompile("(?m)"+args[1]))
	if len(args) > 2 {
		ts.Setenv(args[2], match[1])
	}
}

func awaitMatch(ts *testscript.TestScript, file string, pattern *regexp.Regexp) (match []string) {
	until(ts, fmt.Sprintf("%s in %s", pattern, file), func() bool {
		data, err := os.ReadFile(ts.MkAbs(file))
		if errors.Is(err, fs.ErrNotExist) {
			return false // whoever writes it has just been started
		}
		ts.Check(err)
		match = pattern.FindStringSubmatch(string(data))
		return match != nil
	})
	return match
}

// address NAME VAR waits until pushpull serve prints its address, and sets the variable to it.
func cmdAddress(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "address NAME VAR")
	match := awaitMatch(ts, args[0]+".out", regexp.MustCompile(`(?m)^listening on (https?://\S+)\n`))
	ts.Setenv(args[1], match[1])
}

// nats VAR [TOKEN] starts a NATS server without streams, for clients that know the token, which ends with the script. It sets
// the variable to the server's address, without the token.
func cmdNATS(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "nats VAR [TOKEN]")
	token := strings.Join(args[1:], "")
	server, err := nats.EmbedPlain(token)
	ts.Check(err)
	ts.Defer(func() { ts.Check(server.Close()) })
	ts.Setenv(args[0], strings.Replace(server.URL(), token+"@", "", 1))
}

// nats-context NAME [KEY=TEXT...] writes a context of the command line of NATS.
func cmdNATSContext(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "nats-context NAME [KEY=TEXT...]")
	fields := map[string]string{}
	for _, arg := range args[1:] {
		key, text, _ := strings.Cut(arg, "=")
		fields[key] = text
	}
	data, err := json.Marshal(fields)
	ts.Check(err)
	dir := filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), "nats", "context")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, args[0]+".json"), data, 0o600))
}

// certificate NAME VAR waits until a server has printed the file of its certificate, and sets the variable to it.
func cmdCertificate(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "certificate NAME VAR")
	match := awaitMatch(ts, args[0]+".out", regexp.MustCompile(`(?m)^certificate in (\S+)\n`))
	ts.Setenv(args[1], match[1])
}

// await-sent URL N waits until a server has stored N messages.
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

// serverPID matches the server in a plain line of progress.
var serverPID = regexp.MustCompile(`server (\d+), `)

// lastServer returns the server process of the latest window.
func lastServer(ts *testscript.TestScript, name string) *os.Process {
	matches := serverPID.FindAllStringSubmatch(ts.ReadFile(name+".err"), -1)
	if matches == nil {
		ts.Fatalf("%s has printed no server", name)
	}
	pid, err := strconv.Atoi(matches[len(matches)-1][1])
	ts.Check(err)
	server, err := os.FindProcess(pid)
	ts.Check(err)
	return server
}

// kill-server NAME kills the server of the latest window.
func cmdKillServer(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "kill-server NAME")
	ts.Check(lastServer(ts, args[0]).Kill())
}

// kill-store NAME kills the embedded store that a run has started. It works on Linux alone.
func cmdKillStore(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "kill-store NAME")
	run := strconv.Itoa(started(ts, args[0]).command.Process.Pid)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	ts.Check(err)
	for _, path := range stats {
		stat, _ := os.ReadFile(path) // it may have ended
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if fields := strings.Fields(string(rest)); len(fields) > 1 && fields[1] == run && bytes.Contains(line, []byte("\x00store\x00")) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			ts.Check(err)
			store, err := os.FindProcess(pid)
			ts.Check(err)
			ts.Check(store.Kill())
			return
		}
	}
	ts.Fatalf("%s has started no store", args[0])
}

// server-gone NAME waits until the server of the latest window has ended.
func cmdServerGone(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "server-gone NAME")
	server := lastServer(ts, args[0])
	until(ts, "the end of the server", func() bool {
		// Without a parent that waits for it the server stays as a zombie, which still accepts signals.
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server.Pid))
		return bytes.Contains(stat, []byte(") Z ")) || server.Signal(syscall.Signal(0)) != nil
	})
}
