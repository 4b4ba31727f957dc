package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"pushpull/loadgen"
)

// pipes returns the streams of a process, and what a reader sees of each. With one pipe for both, the
// reader of standard output sees everything.
func pipes(t *testing.T, one bool) (stdout, stderr *stream, out, err *os.File) {
	t.Helper()
	open := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	out, toOut := open()
	err, toErr := out, toOut
	if !one {
		err, toErr = open()
	}
	stdout, stderr = newStreams(toOut, toErr)
	return stdout, stderr, out, err
}

// readAll reads everything that is written before s is flushed.
func readAll(t *testing.T, s *stream, from *os.File) string {
	t.Helper()
	read := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(from)
		read <- all
	}()
	if err := s.flush(t.Context()); err != nil {
		t.Error(err)
	}
	s.file.Close()
	return string(<-read)
}

// A line is longer than what a pipe holds with few of them.
var line = strings.Repeat("x", 999) + "\n"

// A write to a full pipe doesn't wait, and loses nothing of standard output.
func TestSlowReader(t *testing.T) {
	stdout, _, out, _ := pipes(t, false)
	const lines = 3000
	for range lines {
		fmt.Fprint(stdout, line)
	}
	if !stdout.behind() {
		t.Error("3 MB fit into a pipe")
	}
	if got := readAll(t, stdout, out); got != strings.Repeat(line, lines) {
		t.Errorf("%d bytes arrived, want %d", len(got), lines*len(line))
	}
	if stdout.behind() {
		t.Error("a flushed stream is behind")
	}
}

// Of standard error, the latest lines are kept, and every gap is reported where it is.
func TestSlowReaderOfProgress(t *testing.T) {
	_, stderr, _, err := pipes(t, false)
	for range 3000 {
		fmt.Fprint(stderr, line)
	}
	fmt.Fprintln(stderr, "pushpull: the error at the end")
	stderr.queue.mu.Lock()
	if stderr.waiting > backlog {
		t.Errorf("%d bytes are waiting, more than %d", stderr.waiting, backlog)
	}
	stderr.queue.mu.Unlock()
	lines := strings.Split(strings.TrimSuffix(readAll(t, stderr, err), "\n"), "\n")
	gaps, left := 0, 0
	for _, l := range lines {
		n := 0
		if found, _ := fmt.Sscanf(l, "pushpull: warning: %d lines are left out here", &n); found == 1 {
			gaps++
			left += n
		}
	}
	if last := lines[len(lines)-1]; last != "pushpull: the error at the end" {
		t.Errorf("the last line is %q", last)
	}
	if gaps == 0 || len(lines)-1-gaps+left != 3000 {
		t.Errorf("%d lines arrived, and %d gaps report %d lines", len(lines), gaps, left)
	}
}

// One slow reader doesn't keep the other from reading; a reader of both sees the lines in their order.
func TestTwoReaders(t *testing.T) {
	stdout, stderr, out, _ := pipes(t, false)
	for range 300 {
		fmt.Fprint(stderr, line)
	}
	fmt.Fprintln(stdout, "the table")
	if got := readAll(t, stdout, out); got != "the table\n" {
		t.Errorf("standard output is %q", got)
	}

	stdout, stderr, out, _ = pipes(t, true)
	var want bytes.Buffer
	for i := range 1000 {
		to := stdout
		if i%3 == 0 {
			to = stderr
		}
		fmt.Fprintf(io.MultiWriter(to, &want), "line %d\n", i)
	}
	if got := readAll(t, stdout, out); got != want.String() {
		t.Errorf("the lines have another order:\n%.300s", got)
	}
}

// A reader that is gone is no error, and ends the printing.
func TestReaderGone(t *testing.T) {
	stdout, _, out, _ := pipes(t, false)
	out.Close()
	for range 2 {
		if n, err := fmt.Fprint(stdout, line); n != len(line) || err != nil {
			t.Errorf("Write returns %d, %v", n, err)
		}
		if err := stdout.flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if !stdout.gone {
		t.Error("the stream still writes")
	}
}

// Any other error is one, of standard output, and nothing follows the gap.
func TestUnwritable(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		stdout, stderr, out, _ := pipes(t, true)
		s := stdout
		if lossy {
			s = stderr
		}
		file := s.file
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		s.file = r // can't be written to
		fmt.Fprintln(s, "lost")
		if err := s.flush(t.Context()); err == nil {
			t.Error("flush returns no error")
		}
		r.Close()
		s.file = file
		fmt.Fprintln(s, "after")
		if err := s.flush(t.Context()); err == nil {
			t.Error("flush forgets the error")
		}
		stdout.err = nil // readAll expects none
		want := ""
		if lossy {
			stderr.err = nil
			want = "after\n"
		}
		if got := readAll(t, s, out); got != want {
			t.Errorf("lossy %v: %q arrived, want %q", lossy, got, want)
		}
	}
}

// The live line of a terminal that is stopped doesn't pile up: it shows the latest state when it goes on.
func TestStoppedTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	_, stderr, _, err := pipes(t, false)
	stderr.terminal, stderr.sequences = true, true
	show := newProgress(stderr, false, false, colourAuto)
	for range 200 {
		fmt.Fprint(stderr, line)
	}
	now := loadgen.Progress{Window: 1, Windows: 1, Round: 1, Rounds: 1, Users: 2, Joined: 2, Planned: 9}
	for range 100 {
		show.update(now)
	}
	show.end()
	printed := readAll(t, stderr, err)
	if n := strings.Count(printed, "round 1/1"); n != 0 {
		t.Errorf("%d states are waiting", n)
	}
	if !strings.HasSuffix(printed, line) { // nothing was drawn that has to be removed
		t.Errorf("the end is %q", printed[max(0, len(printed)-100):])
	}
}
