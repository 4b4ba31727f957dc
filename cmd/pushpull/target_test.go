package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// guarded HOST PLAIN CA starts a server at https://$HOST/chat, with a certificate of a private authority
// that it writes to the file CA. Every request must have the credentials tester:s3cr3t and the query
// token=s3cr3t. Another one at http://$PLAIN redirects to it.
func cmdGuarded(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "guarded HOST PLAIN CA")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		s := server.Server{Store: &memory.Store{}}
		served <- s.Serve(ctx, l)
	}()
	quiet, transport := log.New(io.Discard, "", 0), &http.Transport{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: l.Addr().String()})
	forward.Transport, forward.ErrorLog = transport, quiet
	secure := httptest.NewUnstartedServer(http.StripPrefix("/chat", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if name != "tester" || password != "s3cr3t" || r.URL.Query().Get("token") != "s3cr3t" {
			http.Error(w, "not you: "+r.RequestURI+" "+password, http.StatusUnauthorized)
			return
		}
		forward.ServeHTTP(w, r)
	})))
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secure.URL+"/chat"+r.URL.Path, http.StatusMovedPermanently)
	}))
	ts.Defer(func() {
		stop()
		<-served
		plain.Close()
		secure.Close()
		transport.CloseIdleConnections()
	})
	ts.Setenv(args[0], strings.TrimPrefix(secure.URL, "https://"))
	ts.Setenv(args[1], strings.TrimPrefix(plain.URL, "http://"))
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), block, 0o644))
}

// A secret in an address, well-formed or not, in its place or elsewhere, is in no error or output.
func TestNoSecretIsShown(t *testing.T) {
	fine := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer fine.Close()
	t.Chdir(t.TempDir())
	elsewhere := strings.TrimPrefix(fine.URL, "http://") + "/nothing"
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+elsewhere+"?other=s3cr3t", http.StatusFound)
	}))
	defer refusing.Close()
	const at = "@127.0.0.1:1"
	servers := []string{
		"http://me:s3cr3t" + at, "http://s3cr3t" + at, "http://me:9/s3cr3t" + at, "http://me:9#s3cr3t" + at, "https://me:s3cr3t%" + at, "http://me:s3 cr3t" + at,
		"http://me:s3cr3t@127.0.0.1:port", "http://me:s3cr3t@", "http://127.0.0.1:1/?token=s3cr3t", "https://127.0.0.1:1?password=s3cr3t#s3cr3t", "http://127.0.0.1:1?s3cr3t",
		"ftp://me:s3cr3t" + at, "http:/me:s3cr3t" + at, "http:me:s3cr3t" + at, "//me:s3cr3t" + at, "//s3cr3t" + at, "me:s3cr3t" + at, "s3cr3t" + at, "me:s3cr3t@/x?token=s3cr3t",
		strings.Replace(refusing.URL, "//", "//me:s3cr3t@", 1) + "?token=s3cr3t",
		strings.Replace(fine.URL, "//", "//me:s3cr3t@", 1) + "#s3cr3t",
	}
	stores := []string{
		"postgres://me:s3cr3t" + at, "postgres://me:s3cr3t%" + at, "postgres://127.0.0.1:1/chat?password=s3cr3t&sslmode=odd", "postgres:me:s3cr3t" + at,
		"redis://me:s3cr3t" + at, "redis://127.0.0.1:1?password=s3cr3t", "redis:s3cr3t" + at,
		"nats://me:s3cr3t" + at, "nats://s3cr3t" + at, "nats://127.0.0.1:1?token=s3cr3t", "nats:?token=s3cr3t", "nats:s3cr3t" + at,
		"mysql://me:s3cr3t" + at, "sqlite:nowhere/s?password=s3cr3t", "http://me:s3cr3t" + at, "s3cr3t" + at,
	}
	anywhere := []string{"http://me:s3cr3t" + at, "http://127.0.0.1:1/?token=s3cr3t", "http:/me:s3 cr3t" + at, "//s3cr3t" + at, "nats://me:s3cr3t" + at}
	for _, c := range []struct {
		addresses []string
		lines     []string // in which X stands for an address
	}{
		{servers, []string{"run --target X", "run --target=X", "run --server-at X", "run --server-at=" + fine.URL + ",X", "duet --base X", "duet --base " + fine.URL + " --head X"}},
		{stores, []string{"run --store X", "run --store=X --servers 2", "serve --listen 127.0.0.1:0 --store X", "store X"}},
		{anywhere, []string{
			"run -target=X", "run --users X", "run --transports X", "run --frobnicate=X", "run --watch X", "run --out r --junit X/j --store mysql:", "run X",
			"duet --metric X --base " + fine.URL, "serve --listen X", "serve --allow-origin X --store mysql:", "serve --results X", "serve X",
			"report X", "report X X --csv", "check X X", "selftest X", "scenarios X", "X",
		}},
	} {
		for _, address := range c.addresses {
			for _, line := range c.lines {
				sees(t, strings.Fields(line), address)
			}
		}
	}
	if left, err := filepath.Glob("*"); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// sees runs a command that must fail, with an address for each X, and looks for the secret in what it says.
func sees(t *testing.T, line []string, address string) {
	t.Helper()
	for i, word := range line {
		line[i] = strings.ReplaceAll(word, "X", address)
	}
	root := newRootCommand()
	root.SetArgs(line)
	var said bytes.Buffer
	root.SetOut(&said)
	root.SetErr(&said)
	root.SetIn(strings.NewReader(""))
	cmd, err := root.ExecuteContextC(t.Context())
	if err == nil {
		t.Errorf("%q is accepted", line)
		return
	}
	if text := complaint(cmd, err, line) + said.String(); strings.Contains(strings.ReplaceAll(text, " ", ""), "s3cr3t") || strings.Contains(text, "\n") {
		t.Errorf("%q: %s", line, text)
	}
}

// A command line is kept so that it repeats the run, as far as that needs no secret.
func TestCommandLine(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("pushpull@v1", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{
			"run chat --transports=short-poll@5s,long-poll --target=http://me:s3cr3t@h/?a=s3cr3t",
			"pushpull run chat --transports=short-poll@5s,long-poll '--target=http://xxxxx@h/?a=xxxxx'",
		},
		{"run --store=postgres://me:s3cr3t@h/chat --store=sqlite:a.db --store=memory: --ca=a@b", "pushpull run --store=postgres://me:xxxxx@h/chat --store=sqlite:a.db --store=memory: --ca=a@b"},
		{"duet --base=./pushpull@v1 --head=https://s3cr3t@h", "pushpull duet --base=./pushpull@v1 --head=https://xxxxx@h"},
	} {
		words := strings.Fields(c.line)
		cmd, rest, err := newRootCommand().Find(words)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Flags().SortFlags = false
		if err := cmd.ParseFlags(rest); err != nil {
			t.Fatal(err)
		}
		if got := commandLine(cmd, cmd.Flags().Args()); got != c.want {
			t.Errorf("kept as %s, want %s", got, c.want)
		}
	}
}

// A nil target, of servers that a run starts, leaves the scenario as it is.
func TestDescribe(t *testing.T) {
	var s result.Scenario
	(*target)(nil).describe(&s)
	if s.Target != "" || s.Redirected != "" {
		t.Errorf("%+v", s)
	}
	(&target{asked: "a", led: "b"}).describe(&s)
	if s.Target != "a" || s.Redirected != "b" {
		t.Errorf("%+v", s)
	}
}

// The servers of a run get the address of their store in their environment: arguments are seen by all users
// of a machine.
func TestStoreIsNoArgument(t *testing.T) {
	t.Chdir(t.TempDir())
	const address = "sqlite:chat.db?password=s3cr3t"
	scenario, err := loadgen.Builtin("chat")
	if err != nil {
		t.Fatal(err)
	}
	opts := runOptions{stores: []string{address}, servers: serversOptions{n: 1}, variants: []variant{{}}}
	sides, stop, err := opts.sides(t.Context(), scenario, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	side := sides[0]
	if strings.Contains(strings.Join(side.Command, " "), "s3cr3t") || !slices.Contains(side.Env, storeVariable+"="+address) {
		t.Errorf("started as %q with %q", side.Command, side.Env)
	}
}
