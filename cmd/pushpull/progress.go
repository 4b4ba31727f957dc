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
)

// A progress tells on standard error how far a run is: on a terminal in one line that is written
// over and over, elsewhere in a plain line as each window begins. Each window that ends leaves a
// line.
type progress struct {
	w     io.Writer // nil: quiet
	fd    int       // of the terminal
	live  bool      // it is one
	duet  bool      // rounds are pairs, of windows too short for a line each
	begun int       // the window, or the pair, that was last said to have begun
	ended bool      // it was said that the run stops early
	last  loadgen.Progress
}

func newProgress(w io.Writer, quiet, duet bool) *progress {
	p := &progress{duet: duet}
	if quiet {
		return p
	}
	p.w = w
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.fd, p.live = int(f.Fd()), true
	}
	return p
}

// update shows how far the run is.
func (p *progress) update(now loadgen.Progress) {
	p.last = now
	switch {
	case p.w == nil || p.ended:
	case p.live:
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.fit(now))
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

// stopping says, once, that the run ends early and takes a moment for it.
func (p *progress) stopping() {
	if p.w == nil || p.ended {
		return
	}
	p.ended = true
	p.clear()
	fmt.Fprintln(p.w, "stopping, what was measured is kept; Ctrl-C once more ends at once")
}

// window leaves a line for a window that has ended.
func (p *progress) window(w *result.Window) {
	if p.w == nil || p.duet {
		return
	}
	p.clear()
	fmt.Fprintf(p.w, "%s  delivered %d/%d, p50 %v, p99 %v\n", heading(p.last),
		w.Delivered, w.Expected, brief(w.Latency.Quantile(.5)), brief(w.Latency.Quantile(.99)))
}

// again says that transports that look worse are measured once more.
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

// kept says where the result is.
func (p *progress) kept(dir string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "the result and its report are in %s\n", dir)
	}
}

// end leaves the terminal as the table wants it.
func (p *progress) end() {
	if p.w != nil {
		p.clear()
	}
}

func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// fit returns the fullest line that the terminal has room for: a longer one could not be written
// over. Room is left for the ^C that a terminal shows.
func (p *progress) fit(now loadgen.Progress) string {
	width, _, err := term.GetSize(p.fd)
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

// status is the line of the live view, the fullest one first.
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
		side := "base"
		if now.Head {
			side = "head"
		}
		pair := fmt.Sprintf("pair %d/%d", now.Round, now.Rounds)
		return []string{
			fmt.Sprintf("%s  %s %s  %s  %-16s", left, bar, pair, side, now.Transport),
			left + "  " + pair,
		}
	}
	// What grows is padded, so that what follows stays where it is.
	counts := fmt.Sprintf("sent %*d/%d  delivered %d", len(strconv.Itoa(now.Planned)), now.Sent, now.Planned, now.Delivered)
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

// clock writes a time left as 1:05.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// brief writes a latency with three digits.
func brief(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
