package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report/text"
)

// A progress shows the progress of a run on standard error: on a terminal in one line that is
// overwritten, elsewhere in a line for each window, or each pair of a duet, that begins. Except in a
// duet, a line remains for each window that has ended.
type progress struct {
	w     io.Writer // nil: quiet
	live  *stream   // w, if it is a terminal
	duet  bool      // rounds are pairs, and windows are too short for a line each
	begun int       // the last window, or pair, whose line was printed
	ended bool      // stopping has printed its line

	joining int           // the last window of which slow looked at the users that join
	said    time.Duration // how long they have to wait until slow says so again
}

func newProgress(w io.Writer, quiet, duet bool) *progress {
	p := &progress{duet: duet}
	if quiet {
		return p
	}
	p.w = w
	if s, ok := w.(*stream); ok && s.terminal && os.Getenv("TERM") != "dumb" {
		p.live = s
	}
	return p
}

// update shows the progress of the run.
func (p *progress) update(now loadgen.Progress) {
	switch {
	case p.w == nil || p.ended:
	case p.live != nil:
		if !p.live.behind() { // a stopped terminal shows the latest state when it goes on, not all of them
			fmt.Fprintf(p.w, "\r\x1b[K%s", p.fit(now))
		}
	default:
		p.line(now)
		p.slow(now)
	}
}

// line prints the line of a window, or a pair, once.
func (p *progress) line(now loadgen.Progress) {
	switch {
	case p.duet:
		if now.Round != p.begun {
			p.begun = now.Round
			fmt.Fprintf(p.w, "pair %d/%d, about %s left\n", now.Round, now.Rounds, clock(now.Left))
		}
	case now.Window != p.begun:
		p.begun = now.Window
		server := "the target"
		for i, pid := range now.ServerPIDs {
			if i == 0 {
				server = fmt.Sprintf("server %d", pid)
			} else {
				server += fmt.Sprintf(" and %d", pid)
			}
		}
		fmt.Fprintf(p.w, "%s  %d users, %d messages on %s, about %s left\n",
			heading(now), now.Users, now.Planned, server, clock(now.Left))
	}
}

// slowJoin is how long users may take to join until the progress says what they wait for.
const slowJoin = 3 * time.Second

// slow prints what the users of a window wait for, if they take long to join, and again each time they have
// waited for twice as long.
func (p *progress) slow(now loadgen.Progress) {
	if now.Window != p.joining {
		p.joining, p.said = now.Window, slowJoin
	}
	if now.Waiting == "" || now.In < p.said {
		return
	}
	p.said *= 2
	where := heading(now)
	if p.duet {
		where = fmt.Sprintf("pair %d/%d  %s of %s", now.Round, now.Rounds, now.Transport, side(now))
	}
	fmt.Fprintf(p.w, "%s  %d of %d users have joined after %v: %s\n", where, now.Joined, now.Users, now.In.Round(time.Second), now.Waiting)
}

// side names the side of a duet.
func side(now loadgen.Progress) string {
	if now.Head {
		return "head"
	}
	return "base"
}

// few prints that a duet has fewer pairs than it takes to judge timings.
func (p *progress) few(pairs, needed int) {
	if p.w != nil {
		fmt.Fprintf(p.w, "pushpull: warning: timings can't be judged in fewer than %d pairs, and this duet has %d: use --rounds %d\n", needed, pairs, needed)
	}
}

// stopping prints, once, that the run is about to end early.
func (p *progress) stopping() {
	if p.w == nil || p.ended {
		return
	}
	p.ended = true
	p.clear()
	fmt.Fprintln(p.w, "stopping, what was measured is kept; Ctrl-C once more ends at once")
}

// window prints the line of a window that has ended. at has its round, transport and side.
func (p *progress) window(at loadgen.Progress, w *result.Window) {
	if p.w == nil || p.duet {
		return
	}
	p.clear()
	if w.Failed != "" {
		fmt.Fprintf(p.w, "%s  not measured: %s\n", heading(at), text.Clean(w.Failed))
		return
	}
	fmt.Fprintf(p.w, "%s  delivered %d/%d, p50 %v, p99 %v\n", heading(at),
		w.Delivered, w.Expected, brief(w.Latency.Quantile(.5)), brief(w.Latency.Quantile(.99)))
}

// again prints that the suspects, transports that look worse, are measured again.
func (p *progress) again(suspects []string) {
	p.begun = 0
	if p.w == nil {
		return
	}
	p.clear()
	if len(suspects) == 1 {
		fmt.Fprintf(p.w, "%s looks worse: measuring it again before it fails\n", suspects[0])
	} else {
		fmt.Fprintf(p.w, "%s look worse: measuring them again before they fail\n", strings.Join(suspects, ", "))
	}
}

// kept prints where the result is.
func (p *progress) kept(dir string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "the result and its report are in %s\n", dir)
	}
}

// end clears the line of the terminal for the output that follows.
func (p *progress) end() {
	if p.w != nil {
		p.clear()
	}
}

func (p *progress) clear() {
	if p.live != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// fit returns the fullest line that fits the terminal, as a wrapped line could not be overwritten. It
// leaves room for the ^C that a terminal shows.
func (p *progress) fit(now loadgen.Progress) string {
	width, _, err := term.GetSize(int(p.live.file.Fd()))
	if err != nil {
		width = 80
	}
	room := max(0, width-3)
	line := ""
	for _, line = range p.status(now) {
		if utf8.RuneCountInString(line) <= room {
			return line
		}
	}
	runes := []rune(line)
	return string(runes[:min(room, len(runes))])
}

func heading(now loadgen.Progress) string {
	transport := now.Transport
	if now.Side != "" {
		transport += " on " + now.Side
	}
	return fmt.Sprintf("round %d/%d  %-16s", now.Round, now.Rounds, transport)
}

// status returns versions of the live line, the fullest one first.
func (p *progress) status(now loadgen.Progress) []string {
	const cells = 12
	full := cells * (now.Window - 1) / now.Windows
	bar := strings.Repeat("#", full) + strings.Repeat("-", cells-full)
	users := fmt.Sprintf("%d users", now.Users)
	if now.Joined < now.Users {
		users = fmt.Sprintf("%d/%d users", now.Joined, now.Users)
	}
	left, head := clock(now.Left), heading(now)
	if p.duet {
		pair := fmt.Sprintf("pair %d/%d", now.Round, now.Rounds)
		return []string{
			fmt.Sprintf("%s  %s %s  %s  %-16s", left, bar, pair, side(now), now.Transport),
			left + "  " + pair,
		}
	}
	// Growing numbers are padded, so that the text after them doesn't move.
	counts := fmt.Sprintf("sent %*d/%d  delivered %d", len(strconv.Itoa(now.Planned)), now.Sent, now.Planned, now.Delivered)
	if now.Waiting != "" && now.In >= slowJoin {
		counts = now.Waiting
	}
	short := fmt.Sprintf("%s  %d/%d %s  ", left, now.Round, now.Rounds, now.Transport)
	if now.Joined < now.Users {
		short += users
	} else {
		short += counts
	}
	return []string{
		fmt.Sprintf("%s  %s %s  %-10s  %s  %s", left, bar, head, now.Phase, users, counts),
		fmt.Sprintf("%s  %s  %-10s  %s  %s", left, head, now.Phase, users, counts),
		fmt.Sprintf("%s  %s  %s  %s", left, head, users, counts),
		short,
	}
}

// clock formats a remaining time like 1:05.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// brief rounds a latency to three digits.
func brief(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
