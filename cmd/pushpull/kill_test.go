//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pushpull/loadgen/result"
	"pushpull/report/web"
	"pushpull/transports/store/storetest"
)

// TestServerKilled kills one of three servers on one store in the middle of each window: its users
// join the others and resume from their cursors, so that every acknowledged message is delivered
// exactly once.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	pushpull := build(t)
	for name, store := range map[string]func(t *testing.T) string{
		"nats":     func(*testing.T) string { return "nats:" },
		"postgres": func(t *testing.T) string { return storetest.Postgres(t).URL },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killServers(t, pushpull, store(t))
		})
	}
}

// serversLine matches the servers in a plain line of progress.
var serversLine = regexp.MustCompile(`server (\d+) and (\d+) and (\d+), `)

func killServers(t *testing.T, pushpull, store string) {
	transports := []string{"short-poll@200ms", "long-poll-scan@50ms", "long-poll", "websocket"}
	const users = 60
	cmd := exec.CommandContext(t.Context(), pushpull, "run", "chat", "--servers", "3", "--store", store,
		"--users", strconv.Itoa(users), "--rate", "2", "--warmup", "200ms", "--duration", "2s", "--drain", "10s", "--rounds", "1", "--watch", "127.0.0.1:0",
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
	killed, watched := 0, make(chan error, 1)
	watched <- nil
	victims := make(chan int, len(transports))
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		if url, ok := strings.CutPrefix(lines.Text(), "watching on "); ok {
			<-watched
			go func() { watched <- killTalking(t.Context(), url, victims) }()
		}
		servers := serversLine.FindStringSubmatch(lines.Text())
		if servers == nil {
			continue
		}
		pid, err := strconv.Atoi(servers[1+killed%3])
		if err != nil {
			t.Fatal(err)
		}
		killed++
		victims <- pid
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitDoubtful {
		t.Errorf("%v, want exit code %d: servers have ended", err, exitDoubtful)
	}
	if err := <-watched; err != nil {
		t.Error(err)
	}
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
		if !slices.Contains(row.Doubts, result.Doubt{Code: "outage", Text: "one of 3 servers ended during round 1 (killed by signal 9)", Fatal: true}) {
			t.Errorf("%s: the killed server is no doubt: %v", row.Transport, row.Doubts)
		}
		for _, d := range row.Doubts {
			if expected := []string{"outage", "errors", "rejoins", "fewer-sends", "few-samples", "theory", "generator-late", "generator-cpu"}; !slices.Contains(expected, d.Code) {
				t.Errorf("%s: %s", row.Transport, d.Text)
			}
		}
	}
}

// killTalking follows the live page of a run. In each window, once measured messages have been delivered,
// it kills the next process of victims.
func killTalking(ctx context.Context, page string, victims <-chan int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"live/states", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	events.Buffer(nil, 1<<20)
	for killed := 0; events.Scan(); {
		data, ok := strings.CutPrefix(events.Text(), "data: ")
		if !ok {
			continue
		}
		var event struct{ State web.State }
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return err
		}
		now := event.State
		talking := slices.ContainsFunc(now.Standings, func(s web.Standing) bool {
			return s.Transport == now.Transport && s.Now != nil && s.Now.Delivered > 0
		})
		if now.Phase != "measuring" || !talking || now.Window == killed {
			continue
		}
		killed = now.Window
		pid := <-victims
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("killing server %d: %w", pid, err)
		}
	}
	return nil // the stream ends with the run, cleanly or not
}
