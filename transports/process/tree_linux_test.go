package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script runs a shell script in a process group of its own, and waits for its first line.
func script(t *testing.T, text string) (pid int, next func()) {
	t.Helper()
	c := exec.Command("/bin/sh", "-c", text)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	in, inErr := c.StdinPipe()
	if err := errors.Join(err, inErr, c.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
	})
	lines := bufio.NewReader(out)
	wait := func() {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	wait()
	return c.Process.Pid, func() { fmt.Fprintln(in); wait() }
}

// busy is a shell loop that takes some CPU time.
const busy = `i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done; `

func usage(t *testing.T, tree *Tree) Usage {
	t.Helper()
	u, err := tree.Usage()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestTreeHoldsChildren has a child that works and ends, one that is seen while it works, and one that is left behind
// by its parent: all count, and the CPU time never runs back.
func TestTreeHoldsChildren(t *testing.T) {
	pid, next := script(t, `echo ready; read x
		( `+busy+` ); echo worked; read x
		( `+busy+` echo seen; read y <&3 ) 3<&0 & wait; echo ended; read x
		( ( `+busy+` echo orphan; sleep 60 ) & ) ; sleep 60`)
	tree, err := OpenTree(pid)
	if err != nil {
		t.Fatal(err)
	}
	before := usage(t, tree)
	if before.RSS < 100<<10 {
		t.Errorf("a shell has %d bytes", before.RSS)
	}
	for _, what := range []string{"a child that has ended", "a child that works", "the same child, ended", "an orphan"} {
		next()
		now := usage(t, tree)
		grown := now.CPU - before.CPU
		if least := 5 * time.Millisecond; grown < 0 || what != "the same child, ended" && grown < least {
			t.Errorf("%s: the CPU time grew by %v", what, grown)
		}
		if what == "the same child, ended" && grown > 40*time.Millisecond {
			t.Errorf("a child that had been seen counts twice: %v", grown)
		}
		before = now
	}
	if len(tree.known) < 3 {
		t.Errorf("%d processes, the orphan and what it runs not among them", len(tree.known))
	}
}

// TestTreeEnds ends the first process.
func TestTreeEnds(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", "read x")
	in, err := c.StdinPipe()
	if err := errors.Join(err, c.Start()); err != nil {
		t.Fatal(err)
	}
	tree, err := OpenTree(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	_ = c.Wait()
	if _, err := tree.Usage(); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	for _, pid := range []int{c.Process.Pid, 0, -1, 1 << 40} {
		if _, err := OpenTree(pid); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d: %v", pid, err)
		}
	}
}

// TestTreeIsSelf measures this process, whose CPU time getrusage knows.
func TestTreeIsSelf(t *testing.T) {
	tree, err := OpenTree(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	was, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	before := usage(t, tree)
	x := 0
	for i := range 200_000_000 {
		x ^= i
	}
	now, err := Self()
	after := usage(t, tree)
	if err != nil || x == 1 {
		t.Fatal(err)
	}
	if got, want := after.CPU-before.CPU, now.CPU-was.CPU; got < want*8/10-10*time.Millisecond || got > want*12/10+20*time.Millisecond {
		t.Errorf("%v, where getrusage says %v", got, want)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1 2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseStat(data)
		if (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}

func TestParseStat(t *testing.T) {
	m, err := parseStat([]byte("7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1 2"))
	if err != nil || *m != (member{parent: 1, group: 7, born: 99, own: 11 * tick, reaped: 15 * tick}) {
		t.Errorf("%+v, %v", m, err)
	}
}
