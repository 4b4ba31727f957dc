//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports/store/storetest"
)

// TestServerKilled kills one of three servers on one store in the middle of each window: its users
// join again on the others and read on from their cursors, so that every message which was
// acknowledged is delivered, and none twice.
func TestServerKilled(t *testing.T) {
	pushpull := build(t)
	for name, store := range map[string]func(t *testing.T) string{
		"nats":     func(*testing.T) string { return "nats:" },
		"postgres": func(t *testing.T) string { return storetest.Postgres(t).URL },
	} {
		t.Run(name, func(t *testing.T) {
			killServers(t, pushpull, store(t))
		})
	}
}

// serversLine is how a plain line of progress names the servers of a window.
var serversLine = regexp.MustCompile(`server (\d+) and (\d+) and (\d+), `)

func killServers(t *testing.T, pushpull, store string) {
	transports := []string{"short-poll@200ms", "long-poll-scan@50ms", "long-poll", "websocket"}
	const users = 60
	cmd := exec.CommandContext(t.Context(), pushpull, "run", "chat", "--servers", "3", "--store", store,
		"--users", strconv.Itoa(users), "--rate", "2", "--warmup", "500ms", "--duration", "3s", "--drain", "5s", "--rounds", "1",
		"--transports", strings.Join(transports, ","), "--json", "--out", filepath.Join(t.TempDir(), "run"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	cmd.Stdout = &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := 0
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		servers := serversLine.FindStringSubmatch(lines.Text())
		if servers == nil {
			continue
		}
		pid, err := strconv.Atoi(servers[1+killed%3])
		if err != nil {
			t.Fatal(err)
		}
		killed++
		// The users have joined, warmed up and talk.
		time.AfterFunc(2*time.Second, func() {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Errorf("killing server %d: %v", pid, err)
			}
		})
	}
	_ = cmd.Wait() // what was under way is not acknowledged, so it may be 4
	var measured struct{ Transports []result.Row }
	if err := json.NewDecoder(strings.NewReader(printed.String())).Decode(&measured); err != nil && err != io.EOF {
		t.Fatalf("%v: %q", err, said)
	}
	if killed != len(transports) || len(measured.Transports) != len(transports) {
		t.Fatalf("%d windows, %d of them measured: %q", killed, len(measured.Transports), said)
	}
	for _, row := range measured.Transports {
		t.Logf("%s: %d of %d delivered, %d sent, %d rejoins, %d failed requests, %v",
			row.Transport, row.Delivered, row.Expected, row.Sent, row.Rejoins, row.FailedRequests, row.Doubts)
		if row.Lost+row.Duplicated+row.Reordered+row.Misdelivered > 0 || row.Delivered == 0 {
			t.Errorf("%s: %d lost, %d duplicated, %d reordered, %d misdelivered", row.Transport, row.Lost, row.Duplicated, row.Reordered, row.Misdelivered)
		}
		if row.Servers != 3 || row.Rejoins < users/3 || row.FailedRequests == 0 {
			t.Errorf("%s: %d servers, %d rejoins, %d failed requests", row.Transport, row.Servers, row.Rejoins, row.FailedRequests)
		}
		for _, d := range row.Doubts {
			if expected := []string{"errors", "rejoins", "fewer-sends", "few-samples", "theory", "generator-late", "generator-cpu"}; !slices.Contains(expected, d.Code) {
				t.Errorf("%s: %s", row.Transport, d.Text)
			}
		}
	}
}
