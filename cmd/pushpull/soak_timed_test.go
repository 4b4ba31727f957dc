//go:build timed && linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushpull/transports/server"
)

// TestSoak runs idle and rooms for as long as SOAK says, on three servers that share a NATS server, and looks at
// memory, goroutines, descriptors and disk on all sides. They must stay flat: see figure. SOAK_TRANSPORT names the
// transport, websocket by default. It is for make soak.
func TestSoak(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("it takes an hour: run make soak, or make soak SOAK=10m")
	}
	transport := os.Getenv("SOAK_TRANSPORT")
	if transport == "" {
		transport = "websocket"
	}
	binary := build(t)
	for _, scenario := range []string{"idle", "rooms"} {
		t.Run(scenario, func(t *testing.T) { soak(t, binary, scenario, transport, lasts) })
	}
}

// soak runs a scenario, and looks at its processes from the second quarter of the time on, when caches are filled.
func soak(t *testing.T, binary, scenario, transport string, lasts time.Duration) {
	disk := t.TempDir()
	words := []string{
		"run", scenario, "--servers", "3", "--store", "nats:",
		"--transports", transport, "--rounds", "1", "--duration", lasts.String(), "--out", filepath.Join(t.TempDir(), "result"),
		"--pprof", "0",
	}
	if scenario == "idle" {
		// Servers keep up to 128 messages of a room for its readers. At its own rate it would take hours to have
		// so many. A room has two members.
		words = append(words, "--rate", strconv.FormatFloat(150/2/(lasts/4).Seconds(), 'f', 3, 64))
	}
	run := exec.CommandContext(t.Context(), binary, words...)
	run.Env = append(os.Environ(), "TMPDIR="+disk)
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = 10 * time.Second
	file, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	said := func() string {
		text, _ := os.ReadFile(file.Name())
		return string(text)
	}
	run.Stdout, run.Stderr = file, file
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	var looks []inspection
	tick := time.NewTicker(min(time.Minute, lasts/60))
	defer tick.Stop()
	for begun, failed := time.Now(), 0; time.Since(begun) < lasts; {
		select {
		case err := <-ended:
			t.Fatalf("the run ended early: %v\n%s", err, said())
		case <-tick.C:
		}
		if time.Since(begun) < lasts/4 {
			continue
		}
		l, err := inspect(run.Process.Pid, disk)
		if err == nil {
			err = l.profile(said())
		}
		if err == nil {
			looks, failed = append(looks, l), 0
		} else if failed++; failed > 3 {
			t.Fatalf("looking at the processes: %v", err)
		}
	}
	if err := <-ended; err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 4 { // measured, with doubts
			t.Errorf("the run ended with %v", err)
		}
	}
	t.Logf("\n%s", said())
	for _, f := range figures(looks) {
		t.Log(f.verdict())
		if !f.flat() {
			t.Errorf("%s is not flat", f.name)
		}
	}
}

// An inspection is what the processes of a run take at a time.
type inspection struct {
	at      time.Time
	disk    float64 // bytes
	appends float64 // messages so far
	values  map[string]float64
}

// inspect looks at a run and its servers.
func inspect(pid int, disk string) (inspection, error) {
	l := inspection{at: time.Now(), values: map[string]float64{}}
	if err := l.process("generator", pid); err != nil {
		return l, err
	}
	children, err := childrenOf(pid)
	if err != nil {
		return l, err
	}
	servers := 0
	for _, child := range children {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err != nil {
			return l, err
		}
		if words := strings.Split(string(line), "\x00"); len(words) < 2 || words[1] != "serve" {
			if err := l.process("store", child); err != nil {
				return l, err
			}
			continue
		}
		stats, err := statsOf(child)
		if err != nil {
			return l, err
		}
		servers++
		if err := l.process("servers", child); err != nil {
			return l, err
		}
		l.values["servers, memory in use"] += float64(stats.Process.InUse)
		l.values["servers, goroutines"] += float64(stats.Process.Goroutines)
		l.appends += float64(stats.Store.Appends)
	}
	if servers != 3 {
		return l, fmt.Errorf("%d servers answer, want 3", servers)
	}
	return l, filepath.WalkDir(disk, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, gone := entry.Info(); gone == nil {
				l.disk += float64(info.Size())
			}
		}
		return nil // a file may go while we look
	})
}

// profile adds what the profiles of the generator say. It takes the words of the run, which tell where they are.
func (l *inspection) profile(said string) error {
	_, at, found := strings.Cut(said, "profiles on ")
	if !found {
		return fmt.Errorf("the run doesn't say where its profiles are: %s", said)
	}
	at, _, _ = strings.Cut(at, "\n")
	client := http.Client{Timeout: 10 * time.Second}
	for _, p := range []struct{ of, path, before string }{
		{"generator, goroutines", "goroutine?debug=1", "goroutine profile: total "},
		{"generator, memory in use", "heap?debug=1&gc=1", "\n# HeapAlloc = "},
	} {
		resp, err := client.Get(at + p.path)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		_, number, _ := strings.Cut(string(text), p.before)
		number, _, _ = strings.Cut(number, "\n")
		if l.values[p.of], err = strconv.ParseFloat(number, 64); err != nil {
			return fmt.Errorf("%s: %w", p.path, err)
		}
	}
	return nil
}

// process adds what a process takes.
func (l *inspection) process(who string, pid int) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		number, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmRSS":
			l.values[who+", memory"] += number * 1024
		case "Threads":
			l.values[who+", threads"] += number
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	l.values[who+", descriptors"] += float64(len(open))
	return err
}

// childrenOf returns the processes that a process has started.
func childrenOf(pid int) (all []int, err error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the thread may have ended
		for word := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, err
			}
			all = append(all, child)
		}
	}
	return all, err
}

// statsOf asks a server for its stats, at the port on which its process listens.
func statsOf(pid int) (stats server.Stats, err error) {
	sockets := map[string]bool{}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil {
			sockets[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return stats, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text()) // number, address and port, the other's, state, …, inode
		if len(words) < 10 || words[3] != "0A" || !sockets[words[9]] {
			continue
		}
		_, hex, _ := strings.Cut(words[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			return stats, err
		}
		client := http.Client{Timeout: 10 * time.Second}
		resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/stats?in-use=1&rooms=0", port))
		if err != nil {
			return stats, err
		}
		defer resp.Body.Close()
		return stats, json.NewDecoder(resp.Body).Decode(&stats)
	}
	return stats, syscall.ECONNREFUSED
}

// A figure is one number over time. It is flat if the line of least squares through it grows by a tenth of its mean
// at most, or by its slack, over all looks.
type figure struct {
	name   string
	unit   float64 // in which it is printed
	word   string
	slack  float64
	hours  []float64
	values []float64
}

func figures(looks []inspection) []figure {
	var all []figure
	if len(looks) < 2 {
		return nil
	}
	add := func(name, word string, unit, slack float64, of func(inspection) float64) {
		f := figure{name: name, unit: unit, word: word, slack: slack}
		for _, l := range looks {
			f.hours = append(f.hours, l.at.Sub(looks[0].at).Hours())
			f.values = append(f.values, of(l))
		}
		all = append(all, f)
	}
	var names []string
	for name := range looks[0].values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		of := func(l inspection) float64 { return l.values[name] }
		switch {
		case strings.Contains(name, "memory"):
			add(name, "MB", 1<<20, 16<<20, of)
		default:
			add(name, "", 1, 12, of)
		}
	}
	// A message that is kept takes its body and some headers on the disk.
	messages := looks[len(looks)-1].appends - looks[0].appends
	add("disk", "MB", 1<<20, 4<<20+500*messages, func(l inspection) float64 { return l.disk })
	return all
}

// line returns the slope of the line of least squares, in an hour, and the mean.
func (f figure) line() (slope, mean float64) {
	var x, y float64
	for i := range f.hours {
		x += f.hours[i] / float64(len(f.hours))
		y += f.values[i] / float64(len(f.hours))
	}
	var xx, xy float64
	for i := range f.hours {
		xx += (f.hours[i] - x) * (f.hours[i] - x)
		xy += (f.hours[i] - x) * (f.values[i] - y)
	}
	return xy / xx, y
}

// growth returns by how much the line grows over all looks, and by how much it may.
func (f figure) growth() (grows, most float64) {
	slope, mean := f.line()
	return slope * f.hours[len(f.hours)-1], max(mean/10, f.slack)
}

func (f figure) flat() bool {
	grows, most := f.growth()
	return grows <= most
}

func (f figure) verdict() string {
	slope, mean := f.line()
	grows, most := f.growth()
	word := "flat"
	if !f.flat() {
		word = "GROWS"
	}
	return fmt.Sprintf("%-5s %-24s mean %8.1f %-2s, %+9.2f an hour, %+7.2f over %d looks (at most %.1f)",
		word, f.name, mean/f.unit, f.word, slope/f.unit, grows/f.unit, len(f.values), most/f.unit)
}

// TestTimedFlat has figures that grow, shrink and stay flat.
func TestTimedFlat(t *testing.T) {
	for name, c := range map[string]struct {
		of   func(i float64) float64
		flat bool
	}{
		"constant": {func(float64) float64 { return 1e9 }, true},
		"noise":    {func(i float64) float64 { return 1e9 + 2e8*float64(int(i)%2) }, true},
		"shrinks":  {func(i float64) float64 { return 1e9 - i*1e7 }, true},
		"leaks":    {func(i float64) float64 { return 1e9 + i*5e6 }, false},
		"slack":    {func(i float64) float64 { return i / 10 }, true},
	} {
		f := figure{unit: 1, slack: 12}
		for i := range 40 {
			f.hours, f.values = append(f.hours, float64(i)/60), append(f.values, c.of(float64(i)))
		}
		if f.flat() != c.flat {
			t.Errorf("%s: %s", name, f.verdict())
		}
	}
}
