package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"pushpull/loadgen/result"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/scratch"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// costs is a choice as a fixture. Its path is absolute, as tests change the directory.
var costs, _ = filepath.Abs(filepath.Join("..", "..", "testdata", "choice"))

func TestMain(m *testing.M) {
	testscript.Main(leakFree{m}, map[string]func(){"pushpull": main, "chatty": chattyProgram})
}

// leakFree fails if the tests leak goroutines.
type leakFree struct{ m *testing.M }

func (l leakFree) Run() int {
	// The tests mostly wait for other processes, so more of them than there are processors run at once.
	// A -parallel on the command line overrides this.
	flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	// A SIGHUP that is ignored, as under nohup, would stay ignored in the processes that the tests start; one
	// that is caught gets its default there.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	code := l.m.Run()
	removeBuilt()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, testscript.Params{Dir: "testdata/script"})
}

func runScripts(t *testing.T, p testscript.Params) {
	t.Helper()
	p.RequireExplicitExec = true
	p.Setup = func(env *testscript.Env) error {
		env.Values[jobsKey{}] = jobs{}
		// Under the race detector a process sleeps for a second before it exits, by default.
		env.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=10"))
		return unrace(env)
	}
	p.Condition = condition
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"raced":        cmdRaced,
		"exits":        cmdExits,
		"says":         cmdSays,
		"measure":      cmdMeasure,
		"json":         cmdJSON,
		"has":          cmdHas,
		"result":       cmdResult,
		"chop":         cmdChop,
		"http":         cmdHTTP,
		"crowd":        cmdCrowd,
		"lossy":        cmdLossy,
		"limiting":     cmdLimiting,
		"guarded":      cmdGuarded,
		"refusing":     cmdRefusing,
		"start":        cmdStart,
		"await":        cmdAwait,
		"await-sent":   cmdAwaitSent,
		"signal":       cmdSignal,
		"ended":        cmdEnded,
		"address":      cmdAddress,
		"certificate":  cmdCertificate,
		"nats":         cmdNATS,
		"nats-context": cmdNATSContext,
		"kill-server":  cmdKillServer,
		"kill-store":   cmdKillStore,
		"server-gone":  cmdServerGone,
		"same-sweep":   cmdSameSweep,
		"costs":        cmdCosts,
		"serve-chatty": cmdChatty,
	}
	testscript.Run(t, p)
}

// cmdCosts copies the costs that package report writes for its tests.
func cmdCosts(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "costs DIR")
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(costs)))
}

// usage ends a script that calls one of its commands with wrong arguments.
func usage(ts *testscript.TestScript, neg bool, args []string, atLeast int, text string) {
	if neg || len(args) < atLeast {
		ts.Fatalf("usage: %s", text)
	}
}

// exits CODES COMMAND [ARG...] runs a command that must end with one of the exit codes, like 0 or
// 1,4, and with the standard error that checkStderr requires for it.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "exits CODES COMMAND [ARG...]")
	err := ts.Exec(args[1], args[2:]...)
	checkExit(ts, args[0], err, ts.ReadFile("stderr"))
}

// says PATTERN looks for a regular expression in the standard output of the last command, wherever its lines
// are wrapped.
func cmdSays(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "says PATTERN")
	words := strings.Join(strings.Fields(ts.ReadFile("stdout")), " ")
	if !regexp.MustCompile(args[0]).MatchString(words) {
		ts.Fatalf("no match for %q in %q", args[0], words)
	}
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
	if code >= 0 { // a process killed by a signal prints no error
		ts.Check(checkStderr(code, stderr))
	}
}

// aside matches the lines on standard error that report no error.
var aside = regexp.MustCompile(`^(round \d|\d+ combinations? |pair \d|case \d|stopping, |watching on |the users are at |time=\S+ level=|profiles on |the report is at |the result and its report are in |pushpull: warning: |.* looks? worse: measuring |\d+ search(es)?, |(the )?servers (have|and load) |\S+  ([\d.]+ |left out: ))`)

// checkStderr checks that a failed pushpull reports its error in one line, the last, which begins with
// its name, and that a successful one reports none. A stack or a usage text is one line too many.
func checkStderr(code int, stderr string) error {
	lines := slices.Collect(strings.Lines(stderr))
	if code != exitFine {
		last := len(lines) - 1
		if last < 0 || !strings.HasPrefix(lines[last], "pushpull: ") || aside.MatchString(lines[last]) {
			return fmt.Errorf("exit code %d without an error in the last line:\n%s", code, stderr)
		}
		lines = lines[:last]
	}
	for _, line := range lines {
		if !aside.MatchString(line) {
			return fmt.Errorf("exit code %d with an unexpected line: %s", code, line)
		}
	}
	return nil
}

// measure ARG... runs pushpull run ARG..., which must exit 0, or 4 if the generator was late, as it may
// be on a busy machine.
func cmdMeasure(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "measure ARG...")
	err := ts.Exec("pushpull", append([]string{"run"}, args...)...)
	stderr := ts.ReadFile("stderr")
	want := "0"
	if disturbed(stderr) {
		want = "4"
	}
	checkExit(ts, want, err, stderr)
}

// disturbed returns true if the results can't be trusted because the machine was busy.
func disturbed(stderr string) bool {
	if !strings.Contains(stderr, "not to be believed") {
		return false
	}
	return strings.Contains(stderr, "the generator ") || strings.Contains(stderr, "that can be tolerated") || strings.Contains(stderr, "of the machine's ")
}

// json PATH OP VALUE compares the value at a path in the JSON on standard output, like scenario.users
// or transports.websocket.lost, with VALUE. A part of the path is a key, an index, the name of a
// transport, or * for every element. A VALUE that begins with a dot names another key of the same
// object.
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

// find returns the values at a path; if there are none, it ends the script.
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

// compare compares numbers by value, and everything else as text.
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

// result PATH WINDOWS [interrupted] checks that a result has complete lines only and the number of
// windows, like 3 or 1+. With interrupted, the last window must be marked so, else none.
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

// http STATUS METHOD URL [BODY] sends a request and prints the body of the response, whose status must
// be STATUS.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "http STATUS METHOD URL [BODY]")
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
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
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // whether a certificate is trusted, pushpull itself is asked
	}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// lossy VAR starts a server that loses every fifth message and sets the variable to its address.
func cmdLossy(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "lossy VAR")
	serve(ts, args[0], server.Server{Store: &lossyStore{Store: &memory.Store{}}})
}

// serve starts a server that ends with the script, and sets the variable to its address.
func serve(ts *testscript.TestScript, variable string, s server.Server) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l) }()
	ts.Defer(func() { stop(); <-served })
	ts.Setenv(variable, "http://"+l.Addr().String())
}

// refusing VAR TRANSPORT STATUS|DELAY starts a server and sets the variable to its address. It answers all requests for
// the transport with the status, or that much later, like 4s.
func cmdRefusing(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "refusing VAR TRANSPORT STATUS|DELAY")
	endpoints := all.Endpoints(transports.Limits{}.WithDefaults())
	endpoints[args[1]] = refusing{endpoints[args[1]], args[2]}
	serve(ts, args[0], server.Server{Store: &memory.Store{}, Transports: endpoints})
}

// refusing is an endpoint that refuses every request, or delays it.
type refusing struct {
	transports.Endpoint
	how string // a status or a duration
}

func (r refusing) Handler(log transports.Log) http.Handler {
	next := r.Endpoint.Handler(log)
	status, refused := strconv.Atoi(r.how)
	delay, _ := time.ParseDuration(r.how)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if refused == nil {
			http.Error(w, "no", status)
			return
		}
		select {
		case <-time.After(delay):
			next.ServeHTTP(w, req)
		case <-req.Context().Done():
		}
	})
}

// A lossyStore acknowledges every fifth message without storing it.
type lossyStore struct {
	transports.Store
	appended atomic.Int64
}

func (s *lossyStore) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	if n := s.appended.Add(1); n%5 == 0 {
		return uint64(n), nil
	}
	return s.Store.Append(ctx, room, body, key)
}

// scriptTimeout limits each wait of a script. It is far above what any step takes.
const scriptTimeout = 2 * time.Minute

// until polls done until it returns true, and ends the script after scriptTimeout.
func until(ts *testscript.TestScript, what string, done func() bool) {
	begun := time.Now()
	for range time.Tick(10 * time.Millisecond) {
		if done() {
			return
		}
		if time.Since(begun) > scriptTimeout {
			ts.Fatalf("waited %v for %s", scriptTimeout, what)
		}
	}
}

// condition implements [mount], which is true if a script can mount a file system of its own.
func condition(name string) (bool, error) {
	if name != "mount" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	dir, err := scratch.Make("pushpull-mount")
	if err != nil {
		return false, err
	}
	defer func() { _ = dir.Remove() }()
	return exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", dir.Path).Run() == nil, nil
}
