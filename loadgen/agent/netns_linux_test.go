package agent

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
)

// A site is network namespaces: NATS and the server in one, and agents in others, each with a link to it. The test itself has
// a link to it, too.
type site struct {
	t   *testing.T
	hub string
}

// newSite makes the namespaces, which end with the test. It skips a test that lacks the right to.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t, fmt.Sprintf("pushpull-%d", os.Getpid())}
	if out, err := exec.Command("ip", "netns", "add", s.hub).CombinedOutput(); err != nil {
		t.Skipf("network namespaces need ip and root: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", s.hub).Run() })
	s.ip("-n", s.hub, "link", "set", "lo", "up")
	s.link(0, "")
	return s
}

func (s *site) ip(args ...string) {
	s.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("ip %s: %v %s", strings.Join(args, " "), err, out)
	}
}

// address returns that of the hub, or the other one, of link i.
func address(i int, hub bool) string {
	if hub {
		return fmt.Sprintf("10.213.%d.1", i)
	}
	return fmt.Sprintf("10.213.%d.2", i)
}

// link links the hub with a namespace, or with this process.
func (s *site) link(i int, namespace string) {
	s.t.Helper()
	here, there := fmt.Sprintf("pphub%d", i), fmt.Sprintf("pp%d", i)
	s.ip("link", "add", here, "netns", s.hub, "type", "veth", "peer", "name", there)
	in := []string{}
	if namespace != "" {
		s.ip("link", "set", there, "netns", namespace)
		in = []string{"-n", namespace}
	}
	s.ip("-n", s.hub, "addr", "add", address(i, true)+"/30", "dev", here)
	s.ip("-n", s.hub, "link", "set", here, "up")
	s.ip(append(in, "addr", "add", address(i, false)+"/30", "dev", there)...)
	s.ip(append(in, "link", "set", there, "up")...)
	if namespace != "" {
		s.ip(append(in, "route", "add", "default", "via", address(i, true))...)
	}
}

// cut takes link i down, or up again.
func (s *site) cut(i int, how string) {
	s.ip("-n", s.hub, "link", "set", fmt.Sprintf("pphub%d", i), how)
}

// start starts this binary in a namespace, and returns the first line that it prints.
func (s *site) start(namespace string, args ...string) string {
	s.t.Helper()
	c := exec.Command("ip", append([]string{"netns", "exec", namespace, os.Args[0]}, args...)...)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			s.t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// agent starts an agent in a namespace of its own, with link i.
func (s *site) agent(i int, port string) {
	s.t.Helper()
	name := fmt.Sprintf("%s-%d", s.hub, i)
	s.ip("netns", "add", name)
	s.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	s.ip("-n", name, "link", "set", "lo", "up")
	s.link(i, name)
	s.start(name, "agent", fmt.Sprintf("nats://%s:%s", address(0, true), port))
}

// TestNamespaces has two agents in network namespaces of their own, and NATS and the server in a third: a run completes. Then the
// link of one is cut in the middle of a window: it ends soon, and says which agent is missing.
func TestNamespaces(t *testing.T) {
	s := newSite(t)
	port := s.start(s.hub, "broker")
	base, err := url.Parse(strings.TrimPrefix(s.start(s.hub, "serve", "0.0.0.0:0"), "listening on "))
	if err != nil {
		t.Fatal(err)
	}
	base.Host = address(0, true) + ":" + base.Port()
	s.agent(1, port)
	s.agent(2, port)
	conn, done, err := Connect(Place{URL: fmt.Sprintf("nats://%s:%s", address(0, true), port)}, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	gather := func() *Team {
		team, err := Gather(t.Context(), conn, TeamOptions{Agents: 2, Version: "1", silence: silent, patience: soon, cpu: using(0)})
		if err != nil {
			t.Fatal(err)
		}
		return team
	}
	measure := func(scenario loadgen.Scenario, team *Team, at func(loadgen.Progress)) ([]result.Window, error) {
		return runOn(t.Context(), scenario, loadgen.Side{Target: base, Team: team}, at)
	}
	team := gather()
	defer team.Close()
	windows, err := measure(small, team, nil)
	if err != nil || len(windows) != 1 || windows[0].Lost != 0 || windows[0].Delivered == 0 || windows[0].Delivered != windows[0].Expected {
		t.Fatalf("%+v, %v", windows, err)
	}

	long := endless()
	long.Rounds = 2
	var at time.Time
	windows, err = measure(long, team, func(loadgen.Progress) {
		at = time.Now()
		s.cut(2, "down")
	})
	if err == nil || !strings.Contains(err.Error(), "has not answered for 2s: it has ended, hangs, or can't reach NATS") {
		t.Errorf("%+v, %v", windows, err)
	}
	if took := time.Since(at); took > soon {
		t.Errorf("it took %v", took)
	}
	team.Close()
	s.cut(2, "up")
	s.ip("-n", s.hub+"-2", "route", "replace", "default", "via", address(2, true))
	gather().Close() // the agent is back, and free
}
