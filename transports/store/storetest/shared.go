package storetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pushpull/transports"
)

// shared appends through two stores on one log.
func (s *test) shared() {
	address := s.address()
	one, other := s.openAt(address, plenty), s.openAt(address, plenty)
	s.expect(other, "room", 0)
	first := s.append(one, "room", "first")
	s.expect(other, "room", 0, "first")
	second := s.append(other, "room", "second")
	if second <= first {
		s.Errorf("seq %d follows %d", second, first)
	}
	third := s.append(one, "room", "third")
	for _, store := range []Store{one, other} {
		s.expect(store, "room", 0, "first", "second", "third")
		s.expect(store, "room", second, "third")
		s.expect(store, "room", third)
	}
}

// sharedGap lets messages leave through one store and reads the gap through another.
func (s *test) sharedGap() {
	const retention = 8
	address := s.address()
	one, other := s.openAt(address, retention), s.openAt(address, retention)
	seqs := s.fill(one, "room", retention)
	_, err := other.After(s.ctx, "room", 0, 1)
	oldest := s.asGap(err)
	at := slices.Index(seqs, oldest)
	if at < 1 {
		s.Fatalf("the oldest message is seq %d, message %d of those appended", oldest, at)
	}
	var want []string
	for i := at; i < len(seqs); i++ {
		want = append(want, strconv.Itoa(i))
	}
	s.expect(other, "room", oldest-1, want...)
}

func (s *test) wakeUpBetween() {
	address := s.address()
	s.passToken(s.openAt(address, plenty), s.openAt(address, plenty))
}

// reopened closes the log and opens it again.
func (s *test) reopened() {
	address := s.address()
	store, err := s.suite.Open(s.ctx, address, plenty)
	if err != nil {
		s.Fatal(err)
	}
	s.append(store, "another room", "is there")
	last := s.append(store, "room", "before")
	_, stop := store.Watch("room") // a store with watchers must close too
	if err := store.Close(); err != nil {
		s.Fatalf("closing: %v", err)
	}
	stop()
	store = s.openAt(address, plenty)
	s.expect(store, "room", 0, "before")
	if next := s.append(store, "room", "after"); next <= last {
		s.Errorf("seq %d follows %d", next, last)
	}
	s.expect(store, "room", last, "after")
	s.expect(store, "another room", 0, "is there")
}

// appendsFor is the environment variable of a process that appends. It holds the address, the
// process's name and the number of messages.
const appendsFor = "PUSHPULL_STORETEST_APPEND"

// Main must be called by TestMain. If it returns false, TestMain must return without running tests:
// the suite has started this process to append messages, and that is done.
func (s Suite) Main() (test bool) {
	job := os.Getenv(appendsFor)
	if job == "" {
		return true
	}
	if err := s.appendAll(job); err != nil {
		fmt.Println("error:", err)
	}
	return false
}

// appendAll appends messages once a line arrives on standard input, and prints their seqs.
func (s Suite) appendAll(job string) error {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	var address, name string
	var each int
	if _, err := fmt.Sscanf(job, "%q %q %d", &address, &name, &each); err != nil {
		return err
	}
	store, err := s.Open(ctx, address, plenty)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	for i := range each {
		body := fmt.Sprint(name, " ", i)
		seq, err := store.Append(ctx, "room", []byte(body), "")
		if err != nil {
			return err
		}
		fmt.Println(seq, body)
	}
	return store.Close()
}

// processes lets several processes append to one room while this one appends and reads.
func (s *test) processes() {
	const writers, each, readers = 3, 60, 3
	address := s.address()
	reading := s.openAt(address, plenty)

	var wg sync.WaitGroup
	var mu sync.Mutex
	wrote := map[uint64]string{}
	note := func(seq uint64, body string) {
		mu.Lock()
		defer mu.Unlock()
		if other, taken := wrote[seq]; taken {
			s.Errorf("%q and %q both have seq %d", body, other, seq)
		}
		wrote[seq] = body
	}
	var inputs []io.Writer
	var ready sync.WaitGroup
	for w := range writers {
		cmd := exec.CommandContext(s.ctx, os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%q %q %d", appendsFor, address, fmt.Sprint("process", w), each))
		input, err := cmd.StdinPipe()
		if err != nil {
			s.Fatal(err)
		}
		output, err := cmd.StdoutPipe()
		if err != nil {
			s.Fatal(err)
		}
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		if err := cmd.Start(); err != nil {
			s.Fatal(err)
		}
		inputs = append(inputs, input)
		ready.Add(1)
		begin := sync.OnceFunc(ready.Done)
		wg.Go(func() {
			defer begin()
			for lines := bufio.NewScanner(output); lines.Scan(); {
				line := lines.Text()
				if line == "ready" {
					begin()
					continue
				}
				number, body, _ := strings.Cut(line, " ")
				seq, err := strconv.ParseUint(number, 10, 64)
				if err != nil {
					s.Errorf("process %d printed %q", w, line)
					continue
				}
				note(seq, body)
			}
			if err := cmd.Wait(); err != nil {
				s.Errorf("process %d: %v: %s", w, err, &complaint)
			}
		})
	}
	ready.Wait()
	for _, input := range inputs {
		fmt.Fprintln(input, "go")
	}
	wg.Go(func() {
		for i := range each {
			body := fmt.Sprint("here ", i)
			seq, err := reading.Append(s.ctx, "room", []byte(body), "")
			if err != nil {
				s.Errorf("Append: %v", err)
				return
			}
			note(seq, body)
		}
	})
	const total = (writers + 1) * each
	logs := make([][]transports.Message, readers)
	for r := range readers {
		wg.Go(func() {
			var err error
			if logs[r], err = follow(s.ctx, reading, "room", total, 1+7*r); err != nil {
				s.Errorf("reader %d: %v", r, err)
			}
		})
	}
	wg.Wait()
	for r, log := range logs {
		if !slices.Equal(bodies(log), bodies(logs[0])) {
			s.Errorf("reader %d read different messages than reader 0", r)
		}
	}
	last := map[string]int{}
	for _, m := range logs[0] {
		if wrote[m.Seq] != string(m.Body) {
			s.Errorf("message %d is %q, but was appended as %q", m.Seq, m.Body, wrote[m.Seq])
		}
		name, number, _ := strings.Cut(string(m.Body), " ")
		if n, _ := strconv.Atoi(number); n != last[name] {
			s.Errorf("message %d of %s is number %d", n, name, last[name])
		}
		last[name]++
	}
	if len(wrote) != total {
		s.Errorf("%d messages were appended, want %d", len(wrote), total)
	}
}

// goesAway breaks the store under load: no acknowledged message is lost, no call hangs, and
// watchers are woken again once the store is back.
func (s *test) goesAway() {
	const rooms, before, during, after = 4, 10, 5, 10
	store := s.open(plenty)
	acknowledged := make([][]string, rooms)
	var mu sync.Mutex
	attempt := func(room, i int) error {
		ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
		defer cancel()
		body := fmt.Sprint(room, " ", i)
		_, err := store.Append(ctx, fmt.Sprint("room", room), []byte(body), "")
		if err == nil {
			mu.Lock()
			acknowledged[room] = append(acknowledged[room], body)
			mu.Unlock()
		}
		return err
	}
	for room := range rooms {
		for i := range before {
			if err := attempt(room, i); err != nil {
				s.Fatal(err)
			}
		}
	}
	grown, stop := store.Watch("room0")
	defer stop()
	s.after(store, "room0", 0, before)

	// The load continues while the store breaks, so that some appends are under way at that moment.
	var load sync.WaitGroup
	broken := make(chan struct{})
	for room := range rooms {
		load.Go(func() {
			for i := before; ; i++ {
				select {
				case <-broken:
					return
				default:
					_ = attempt(room, i) // if it fails, the message may be stored nevertheless
				}
			}
		})
	}
	mend := s.suite.Break(s.T)
	close(broken)
	load.Wait()
	for i := range during {
		if err := attempt(0, 1_000_000+i); err == nil {
			s.Fatal("an unreachable store acknowledges a message")
		}
		ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
		if messages, err := store.After(ctx, "room0", 0, 1); err == nil {
			s.Fatalf("an unreachable store returns %d messages", len(messages))
		}
		cancel()
	}
	mend()
	s.comesBack(store)
	for room := range rooms {
		for i := range after {
			if err := attempt(room, 2_000_000+i); err != nil {
				s.Fatalf("after the store came back: %v", err)
			}
		}
	}
	for room := range rooms {
		got := bodies(s.after(store, fmt.Sprint("room", room), 0, plenty))
		seen := map[string]int{}
		for _, body := range got {
			seen[body]++
			if seen[body] > 1 {
				s.Errorf("%q is stored %d times", body, seen[body])
			}
		}
		at := 0
		for _, body := range acknowledged[room] {
			for at < len(got) && got[at] != body {
				at++
			}
			if at == len(got) {
				s.Fatalf("%q was acknowledged, but is missing or out of order: %q", body, got)
			}
		}
	}

	// The watcher from before is woken for the next message.
	select {
	case <-grown:
	default:
	}
	messages := s.after(store, "room0", 0, plenty)
	if err := attempt(0, 3_000_000); err != nil {
		s.Fatal(err)
	}
	s.awake(store, "room0", messages[len(messages)-1].Seq)
	select {
	case <-grown:
	case <-s.ctx.Done():
		s.Fatal("the watcher is not woken once the store is back")
	}
}

// comesBack waits until the store works again. It tries repeatedly, like a client does.
func (s *test) comesBack(store transports.Store) {
	s.Helper()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
		_, err := store.After(ctx, "back?", 0, 1)
		cancel()
		if err == nil {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.Fatalf("the store does not come back: %v", err)
		}
	}
}

// awayWhenOpened opens an unreachable store: it must fail soon, with an error of one line.
func (s *test) awayWhenOpened() {
	address := s.address()
	s.openAt(address, plenty)
	mend := s.suite.Break(s.T)
	defer mend()
	store, err := s.suite.Open(s.ctx, address, plenty)
	if err == nil {
		_ = store.Close()
		s.Fatal("an unreachable store can be opened")
	}
	if s.ctx.Err() != nil || strings.Contains(err.Error(), "\n") {
		s.Errorf("opening an unreachable store: %v", err)
	}
}

// newer opens a log of a later version of pushpull, which must be refused.
func (s *test) newer() {
	address := s.address()
	s.append(s.openAt(address, plenty), "room", "hello")
	s.suite.Newer(s.T, address)
	store, err := s.suite.Open(s.ctx, address, plenty)
	if err == nil {
		_ = store.Close()
		s.Fatal("a log of a later version is opened")
	}
	if !strings.Contains(err.Error(), "newer") || strings.Contains(err.Error(), "\n") {
		s.Errorf("the error doesn't say that the log is newer: %v", err)
	}
}
