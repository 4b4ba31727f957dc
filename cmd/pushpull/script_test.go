package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

func TestMain(m *testing.M) {
	testscript.Main(leakFree{m}, map[string]func(){"pushpull": main})
}

// leakFree fails when the tests leave goroutines behind.
type leakFree struct{ m *testing.M }

func (l leakFree) Run() int {
	code := l.m.Run()
	removeBuilt()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// The scripts that measure what they print run first, and have the machine for themselves.
func TestRun(t *testing.T) {
	for _, script := range scriptsIn(t, "testdata/run") {
		runScripts(t, testscript.Params{Files: []string{script}})
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, testscript.Params{Dir: "testdata/script"})
}

func scriptsIn(t *testing.T, dir string) []string {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("scripts in %s: %q, %v", dir, scripts, err)
	}
	return scripts
}

func runScripts(t *testing.T, p testscript.Params) {
	t.Helper()
	p.RequireExplicitExec = true
	p.Setup = func(env *testscript.Env) error {
		env.Values[jobsKey{}] = jobs{}
		// A process under the race detector would sleep a second before it ends.
		env.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=10"))
		return nil
	}
	p.Condition = condition
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"unraced":     cmdUnraced,
		"exits":       cmdExits,
		"measure":     cmdMeasure,
		"json":        cmdJSON,
		"has":         cmdHas,
		"result":      cmdResult,
		"chop":        cmdChop,
		"http":        cmdHTTP,
		"lossy":       cmdLossy,
		"start":       cmdStart,
		"await":       cmdAwait,
		"await-sent":  cmdAwaitSent,
		"signal":      cmdSignal,
		"ended":       cmdEnded,
		"address":     cmdAddress,
		"kill-server": cmdKillServer,
		"server-gone": cmdServerGone,
	}
	testscript.Run(t, p)
}

// usage ends a script that calls one of its commands wrongly.
func usage(ts *testscript.TestScript, neg bool, args []string, atLeast int, text string) {
	if neg || len(args) < atLeast {
		ts.Fatalf("usage: %s", text)
	}
}

// exits CODES COMMAND [ARG...] runs a command that must end with one of the exit codes, like 0 or
// 1,4, and say on standard error what pushpull promises for it.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "exits CODES COMMAND [ARG...]")
	err := ts.Exec(args[1], args[2:]...)
	checkExit(ts, args[0], err, ts.ReadFile("stderr"))
}

func checkExit(ts *testscript.TestScript, want string, err error, stderr string) {
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if !slices.Contains(strings.Split(want, ","), strconv.Itoa(code)) {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
	if code >= 0 { // a signal ends it without a word
		ts.Check(checkStderr(code, stderr))
	}
}

// An aside is a line on standard error that is no error.
var aside = regexp.MustCompile(`^(round \d|pair \d|case \d|stopping, |watching on |the report is at |the result and its report are in |pushpull: warning: |.* looks? worse: measuring )`)

// checkStderr holds pushpull to its promise: what went wrong is one line, the last one, that
// begins with its name. There is no stack and no usage beside it.
func checkStderr(code int, stderr string) error {
	lines := slices.Collect(strings.Lines(stderr))
	if code != exitFine {
		last := len(lines) - 1
		if last < 0 || !strings.HasPrefix(lines[last], "pushpull: ") || aside.MatchString(lines[last]) {
			return fmt.Errorf("exit code %d without a last line that says why:\n%s", code, stderr)
		}
		lines = lines[:last]
	}
	for _, line := range lines {
		if !aside.MatchString(line) {
			return fmt.Errorf("exit code %d with a line too many: %s", code, line)
		}
	}
	return nil
}

// measure [-calm] ARG... runs pushpull run ARG..., which must exit 0. On a busy machine it may
// rightly say that the generator was late, which is no fault of pushpull: -calm tries again then.
func cmdMeasure(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "measure [-calm] ARG...")
	calm := args[0] == "-calm"
	if calm {
		args = args[1:]
	}
	for try := 1; ; try++ {
		err := ts.Exec("pushpull", append([]string{"run"}, args...)...)
		stderr := ts.ReadFile("stderr")
		if !disturbed(stderr) || try == 5 {
			checkExit(ts, "0", err, stderr)
			return
		}
		if !calm {
			checkExit(ts, "4", err, stderr)
			return
		}
		if out := slices.Index(args, "--out"); out >= 0 {
			ts.Check(os.RemoveAll(ts.MkAbs(args[out+1])))
		}
	}
}

// disturbed says whether a run is not to be believed because the machine was busy.
func disturbed(stderr string) bool {
	return strings.Contains(stderr, "not to be believed") && strings.Contains(stderr, "the generator ")
}

// json PATH OP VALUE compares what standard output holds at a path like scenario.users or
// transports.websocket.lost with a value. A part of the path is a key, an index, the name of a
// transport, or * for every element. A value that begins with a dot names a neighbour in the
// same object.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "json PATH OP VALUE")
	parts := strings.Split(args[0], ".")
	parent, key := parts[:len(parts)-1], parts[len(parts)-1]
	for _, object := range find(ts, document(ts), parent) {
		got, ok := at(object, key)
		if !ok {
			ts.Fatalf("no %s in %v", key, object)
		}
		want := any(args[2])
		if neighbour, ok := strings.CutPrefix(args[2], "."); ok {
			if want, ok = at(object, neighbour); !ok {
				ts.Fatalf("no %s in %v", neighbour, object)
			}
		}
		if !compare(fmt.Sprint(got), args[1], fmt.Sprint(want)) {
			ts.Fatalf("%s is %v, want %s %v, in %v", args[0], got, args[1], want, object)
		}
	}
}

// has PATH KEY... checks that every object at a path has the keys, which may be paths too.
func cmdHas(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "has PATH KEY...")
	for _, object := range find(ts, document(ts), strings.Split(args[0], ".")) {
		for _, key := range args[1:] {
			find(ts, object, strings.Split(key, "."))
		}
	}
}

func document(ts *testscript.TestScript) any {
	var document any
	in := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	ts.Check(in.Decode(&document))
	if _, err := in.Token(); err != io.EOF {
		ts.Fatalf("standard output holds more than one object")
	}
	return document
}

// find returns what is at a path; nothing there ends the script.
func find(ts *testscript.TestScript, value any, path []string) []any {
	if len(path) == 0 {
		return []any{value}
	}
	if all, ok := value.([]any); ok && path[0] == "*" {
		if len(all) == 0 {
			ts.Fatalf("nothing at %s", strings.Join(path, "."))
		}
		var found []any
		for _, one := range all {
			found = append(found, find(ts, one, path[1:])...)
		}
		return found
	}
	next, ok := at(value, path[0])
	if !ok {
		ts.Fatalf("no %s in %v", path[0], value)
	}
	return find(ts, next, path[1:])
}

func at(value any, key string) (any, bool) {
	switch value := value.(type) {
	case map[string]any:
		v, ok := value[key]
		return v, ok
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(value) {
			return value[i], true
		}
		for _, one := range value {
			if o, ok := one.(map[string]any); ok && o["transport"] == key {
				return one, true
			}
		}
	}
	return nil, false
}

// compare compares numbers as numbers, everything else as text.
func compare(got, op, want string) bool {
	order := strings.Compare(got, want)
	a, errA := strconv.ParseFloat(got, 64)
	b, errB := strconv.ParseFloat(want, 64)
	if numbers := errA == nil && errB == nil; numbers {
		switch {
		case a < b:
			order = -1
		case a > b:
			order = 1
		default:
			order = 0
		}
	} else if op != "==" && op != "!=" {
		return false
	}
	switch op {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return false
}

// result PATH WINDOWS [interrupted] checks that a result holds whole lines only, and how many
// windows, like 3 or 1+, the last of them stopped early or not.
func cmdResult(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "result PATH WINDOWS [interrupted]")
	r, err := result.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	atLeast, more := strings.CutSuffix(args[1], "+")
	if n, err := strconv.Atoi(atLeast); err != nil || len(r.Windows) < n || len(r.Windows) > n && !more {
		ts.Fatalf("%s holds %d windows, want %s", args[0], len(r.Windows), args[1])
	}
	want := len(args) > 2
	for i, w := range r.Windows {
		if last := i == len(r.Windows)-1; w.Interrupted != (want && last) {
			ts.Fatalf("window %d of %s: interrupted is %v", i+1, args[0], w.Interrupted)
		}
	}
}

// chop FILE BYTES cuts bytes off the end of a file.
func cmdChop(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "chop FILE BYTES")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(data[:len(data)-n]), 0o644))
}

// http STATUS METHOD URL [BODY] asks a server; the answer's body is on standard output.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "http STATUS METHOD URL [BODY]")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, args[1], args[2], strings.NewReader(strings.Join(args[3:], " ")))
	ts.Check(err)
	status, body, err := ask(req)
	ts.Check(err)
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("%s %s: status %d, want %s: %s", args[1], args[2], status, args[0], body)
	}
	ts.Stdout().Write(body)
}

func ask(req *http.Request) (status int, body []byte, err error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// lossy VAR starts a server that loses every fifth message and puts its address into a variable.
func cmdLossy(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "lossy VAR")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		s := server.Server{Store: &lossyStore{Store: &memory.Store{}}}
		served <- s.Serve(ctx, l)
	}()
	ts.Defer(func() { stop(); <-served })
	ts.Setenv(args[0], "http://"+l.Addr().String())
}

// A lossyStore forgets every fifth message that it says it has stored.
type lossyStore struct {
	transports.Store
	appended atomic.Int64
}

func (s *lossyStore) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	if n := s.appended.Add(1); n%5 == 0 {
		return uint64(n), nil
	}
	return s.Store.Append(ctx, room, body)
}

// patience is how long a script waits for what must come. Nothing takes so long that works.
const patience = 30 * time.Second

// until asks every few milliseconds.
func until(ts *testscript.TestScript, what string, done func() bool) {
	begun := time.Now()
	for range time.Tick(10 * time.Millisecond) {
		if done() {
			return
		}
		if time.Since(begun) > patience {
			ts.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// condition knows [mount]: a script can mount a file system for itself.
func condition(name string) (bool, error) {
	if name != "mount" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	dir, err := os.MkdirTemp("", "pushpull-mount-")
	if err != nil {
		return false, err
	}
	defer os.Remove(dir)
	return exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", dir).Run() == nil, nil
}
