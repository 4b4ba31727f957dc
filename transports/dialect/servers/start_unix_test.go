//go:build unix

package servers_test

import (
	"bufio"
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 3 * time.Minute  // how long a server may take until it listens, as serverless-offline does on a busy machine
	stopTimeout  = 10 * time.Second // how long it may take to stop
)

// start returns the address of a server of its own for the test, which its script starts. If the server isn't
// installed, the test is skipped; in CI it fails.
func start(t *testing.T, name string) *url.URL {
	t.Helper()
	script := filepath.Join("..", "..", "..", "testdata", "servers", name, "start.sh")
	cmd := exec.Command(script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = stopTimeout
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	first := make(chan string, 1)
	exited := make(chan error, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		first <- line
		exited <- cmd.Wait()
	}()
	t.Cleanup(func() { stop(t, name, cmd.Process.Pid, exited) })

	select {
	case line := <-first:
		address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
		if !ok {
			err := <-exited
			exited <- err
			if strings.Contains(said.String(), "is missing: run") && os.Getenv("PUSHPULL_CI") == "" {
				t.Skip(strings.TrimSpace(said.String()))
			}
			t.Fatalf("starting %s: %v, %q, %s", name, err, line, &said)
		}
		base, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return base
	case <-time.After(startTimeout):
		t.Fatalf("%s doesn't listen after %v", name, startTimeout)
		return nil
	}
}

// stop ends a server, and checks that it leaves no process behind.
func stop(t *testing.T, name string, group int, exited <-chan error) {
	_ = syscall.Kill(-group, syscall.SIGTERM)
	late := time.After(stopTimeout)
	select {
	case <-exited:
	case <-late:
		t.Errorf("%s doesn't stop within %v", name, stopTimeout)
		_ = syscall.Kill(-group, syscall.SIGKILL)
		<-exited
		return
	}
	// A process that has ended counts until its parent knows.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(-group, 0) == nil {
		select {
		case <-tick.C:
		case <-late:
			t.Errorf("%s has left processes behind", name)
			_ = syscall.Kill(-group, syscall.SIGKILL)
			return
		}
	}
}
