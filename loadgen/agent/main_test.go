package agent

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	serving "pushpull/transports/server"
	"pushpull/transports/store/memory"
)

// TestMain makes this binary a server, or an agent, if it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(serveUsers())
	}
	if len(os.Args) > 1 && os.Args[1] == "broker" {
		os.Exit(serveNATS())
	}
	if len(os.Args) > 2 && os.Args[1] == "agent" {
		os.Exit(serveAgent(os.Args[2]))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else each process under -race takes a second to end
	goleak.VerifyTestMain(m)
}

func untilEOF() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

// serveNATS runs a NATS server on all addresses, and prints its port.
func serveNATS() int {
	s, err := server.NewServer(&server.Options{Host: "0.0.0.0", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(soon) {
		return 1
	}
	fmt.Println(s.Addr().(*net.TCPAddr).Port)
	<-untilEOF().Done()
	return 0
}

// serveUsers runs a server at an address; without one on loopback.
func serveUsers() int {
	l, err := net.Listen("tcp", cmp.Or(strings.Join(os.Args[2:], ""), "127.0.0.1:0"))
	if err == nil {
		fmt.Printf("listening on http://%s\n", l.Addr())
		err = (&serving.Server{Store: &memory.Store{}}).Serve(untilEOF(), l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveAgent(address string) int {
	conn, done, err := Connect(Place{URL: address}, "agent")
	if err == nil {
		defer done()
		err = Serve(untilEOF(), conn, Options{Version: "1", silence: silent}, func(string) { fmt.Println("ready") })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Silence of tests that lose an agent, and of those that must not, however busy the machine is.
const silent, patient = 2 * time.Second, time.Minute

// A broker is a NATS server that can be stopped, and started again at the same address.
type broker struct {
	*server.Server
	port int
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{port: server.RANDOM_PORT}
	b.start(t)
	t.Cleanup(b.stop)
	return b
}

func (b *broker) start(t *testing.T) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: b.port, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS did not start")
	}
	b.Server, b.port = s, s.Addr().(*net.TCPAddr).Port
}

func (b *broker) stop() {
	b.Shutdown()
	b.WaitForShutdown()
}

func (b *broker) connect(t *testing.T) *nats.Conn {
	t.Helper()
	conn, done, err := Connect(Place{URL: b.ClientURL()}, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return conn
}

// agents starts agents in this process. end ends them.
func (b *broker) agents(t *testing.T, n int, o Options) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	ready := make(chan string, n)
	if o.Version == "" {
		o.Version = "1"
	}
	if o.silence == 0 {
		o.silence = patient
	}
	for i := range n {
		mine := o
		mine.Name = fmt.Sprint(o.Name, i+1)
		conn := b.connect(t)
		serving.Go(func() {
			if err := Serve(ctx, conn, mine, func(id string) { ready <- id }); err != nil {
				t.Error(err)
			}
		})
	}
	end = sync.OnceFunc(func() { cancel(); serving.Wait() })
	t.Cleanup(end)
	for range n {
		receive(t, ready)
	}
	return end
}

// process starts an agent in a process of its own, which ends with the test.
func (b *broker) process(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "agent", b.ClientURL())
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = c.Wait() // a test may have killed it
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the agent printed %q, %v", line, err)
	}
	return c
}

func (b *broker) gather(t *testing.T, n int) *Team { return b.gatherFor(t, n, patient) }

// gatherFor is gather with another Silence.
func (b *broker) gatherFor(t *testing.T, n int, silence time.Duration) *Team {
	t.Helper()
	team, err := Gather(t.Context(), b.connect(t), TeamOptions{Agents: n, Version: "1", Here: true, silence: silence, patience: soon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(team.Close)
	return team
}

// soon is the limit of everything that must not hang.
const soon = 10 * time.Second

// receive returns the next value of a channel.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(soon):
		t.Fatalf("nothing was received within %v", soon)
	}
	return v
}

// small is a scenario of ten rooms.
var small = loadgen.Scenario{
	Name: "small", Users: 40, RoomSize: 4, Rate: 5, Size: 100, Rounds: 1, Seed: 1,
	Warmup: .2, Duration: .5, Drain: 60, Transports: []string{"long-poll"},
}

// endless is the same, for longer than a test.
func endless() loadgen.Scenario {
	s := small
	s.Rate, s.Duration = 2, 60
	return s
}

// side starts servers for the users of a team.
func side(team loadgen.Team) loadgen.Side {
	return loadgen.Side{Command: []string{os.Args[0], "serve"}, Team: team}
}

// run measures a scenario. at, if not nil, is called once with the first progress of which users are sending.
func run(ctx context.Context, s loadgen.Scenario, team loadgen.Team, at func(loadgen.Progress)) (windows []result.Window, err error) {
	return runOn(ctx, s, side(team), at)
}

func runOn(ctx context.Context, s loadgen.Scenario, on loadgen.Side, at func(loadgen.Progress)) (windows []result.Window, err error) {
	o := loadgen.Options{Scenario: s, Sides: []loadgen.Side{on}}
	if at != nil {
		var once sync.Once
		o.Progress = func(now loadgen.Progress) {
			if now.Phase == "measuring" && now.Sent > 0 {
				once.Do(func() { at(now) })
			}
		}
	}
	err = loadgen.Run(ctx, o, func(_ int, w *result.Window) error {
		windows = append(windows, *w)
		return nil
	})
	return windows, err
}
