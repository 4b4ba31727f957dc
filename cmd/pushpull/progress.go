package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/report"
	"pushpull/report/text"
)

// A progress shows the progress of a run on standard error: on a terminal in a table whose figures are those
// of the windows that have ended, and below it one line, elsewhere in lines for each window that begins and
// ends. A duet has one line on a terminal, elsewhere a line for each pair that begins.
type progress struct {
	w      io.Writer // nil: quiet
	colour colouring
	live   *live        // nil unless w is a terminal
	duet   bool         // rounds are pairs, and windows are too short for a line each
	runs   []report.Run // in the table, one for each store; empty: there is no table
	begun  int          // the last window, or pair, whose line was printed
	ended  bool         // stopping has printed its line

	joining int           // the last window of which slow looked at the users that join
	said    time.Duration // how long they have to wait until slow says so again
}

func newProgress(w io.Writer, quiet, duet bool, colour colouring) *progress {
	p := &progress{duet: duet, colour: colour}
	if quiet {
		return p
	}
	p.w = w
	if s, ok := w.(*stream); ok {
		p.live = newLive(s)
	}
	return p
}

// update shows the progress of the run.
func (p *progress) update(now loadgen.Progress) {
	switch {
	case p.w == nil || p.ended:
	case p.live != nil:
		p.live.draw(p.picture(now))
	default:
		p.line(now)
		p.slow(now)
	}
}

// several shows the progress of windows that are measured at the same time, of which that many have ended. now is that of
// one of them.
func (p *progress) several(ended, parallel int, now loadgen.Progress) {
	if p.w == nil || p.ended || p.live == nil {
		return // lines are printed as windows end
	}
	columns, _ := p.live.size()
	counts := fmt.Sprintf("%d/%d windows", ended, now.Windows)
	p.live.draw([]string{fit([]string{
		fmt.Sprintf("%s left  %s %s, %d at a time  %s  %s", clock(now.Left), bar(ended, now.Windows), counts, parallel, heading(now), now.Phase),
		fmt.Sprintf("%s left  %s %s, %d at a time", clock(now.Left), bar(ended, now.Windows), counts, parallel),
		fmt.Sprintf("%s left  %s", clock(now.Left), counts),
	}, columns)})
}

// bar draws how many of all windows have ended.
func bar(ended, all int) string {
	const cells = 12
	full := cells * ended / all
	return strings.Repeat("#", full) + strings.Repeat("-", cells-full)
}

// shownServers is how many of many servers a line names.
const shownServers = 4

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
		if now.Targets > 1 {
			server = fmt.Sprintf("%d targets", now.Targets)
		}
		for i, pid := range now.ServerPIDs {
			switch {
			case i == 0:
				server = fmt.Sprintf("server %d", pid)
			case i == shownServers && len(now.ServerPIDs) > shownServers+1:
				server += fmt.Sprintf(" and %d more", len(now.ServerPIDs)-i)
			case i <= shownServers:
				server += fmt.Sprintf(" and %d", pid)
			}
		}
		fmt.Fprintf(p.w, "%s  %d users%s, %d messages on %s, about %s left\n",
			heading(now), now.Users, inAgents(now), now.Planned, server, clock(now.Left))
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
	fmt.Fprintf(p.w, "%s  %d of %d users have joined after %v: %s\n", where, now.Joined, now.Users, now.In.Round(time.Second), joining(now))
}

// joining says how fast users join, or what they wait for if none does.
func joining(now loadgen.Progress) string {
	if now.JoinedPerS < 1 {
		return now.Waiting
	}
	return fmt.Sprintf("%.0f join per second", now.JoinedPerS)
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

// window shows a window that has ended: its figures in the table, or its line. at has its round, transport
// and side, and runs the windows so far.
func (p *progress) window(at loadgen.Progress, w *result.Window, runs []report.Run) {
	p.runs = runs
	switch {
	case p.w == nil:
	case w.Failed != "":
		p.clear()
		fmt.Fprintf(p.w, "%s  not measured: %s\n", heading(at), text.Clean(w.Failed))
	case p.live == nil:
		quantile := func(q float64) string {
			return text.Duration(float64(w.Latency.Quantile(q))/float64(time.Millisecond), 3)
		}
		fmt.Fprintf(p.w, "%s  delivered %d/%d, p50 %s, p99 %s\n", heading(at),
			w.Delivered, w.Expected, p.on().Text(quantile(.5)), p.on().Text(quantile(.99)))
	}
}

// on returns what the terminal shows.
func (p *progress) on() text.Screen { return p.colour.screen(p.w) }

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
		p.live.clear()
	}
}

// picture returns the lines of the live view: the table, if the terminal is high enough, and the status.
func (p *progress) picture(now loadgen.Progress) []string {
	columns, rows := p.live.size()
	if len(p.runs) > 0 {
		on := p.on()
		on.Columns = max(1, columns-1) // in the last column a terminal may wrap
		run := slices.IndexFunc(p.runs, func(r report.Run) bool { return r.Name == now.Side })
		table := report.Live(on, run, now.Transport, p.runs...)
		if len(table)+2 < rows {
			return append(table, "", fit(p.status(now, true), columns))
		}
	}
	return []string{fit(p.status(now, false), columns)}
}

// fit returns the first version of a line that fits the terminal, or the beginning of the last. It leaves
// room for the ^C that a terminal shows.
func fit(versions []string, columns int) string {
	room := max(0, columns-3)
	i := slices.IndexFunc(versions, func(line string) bool { return text.Width(line) <= room })
	if i < 0 {
		return text.Fit(versions[len(versions)-1], room)
	}
	return versions[i]
}

func heading(now loadgen.Progress) string {
	transport := now.Transport
	if now.Side != "" {
		transport += " on " + now.Side
	}
	return fmt.Sprintf("round %d/%d  %-16s", now.Round, now.Rounds, transport)
}

// status returns versions of the live line, the fullest one first. Below a table, which marks the transport,
// they don't name it.
func (p *progress) status(now loadgen.Progress, table bool) []string {
	bar := bar(now.Window-1, now.Windows)
	left := clock(now.Left)
	if p.duet {
		pair := fmt.Sprintf("pair %d/%d", now.Round, now.Rounds)
		return []string{
			fmt.Sprintf("%s left  %s %s  %s  %-16s", left, bar, pair, side(now), now.Transport),
			left + " left  " + pair,
		}
	}
	head, short := heading(now), now.Transport
	if table {
		head, short = fmt.Sprintf("round %d/%d", now.Round, now.Rounds), now.Phase
		if len(p.runs) == 1 && now.Side != "" { // the table doesn't say which point of a survey it shows
			head += "  " + now.Side
		}
	}
	users := fmt.Sprintf("%d users%s", now.Users, inAgents(now))
	// Growing numbers are padded, so that the text after them doesn't move.
	counts := fmt.Sprintf("sent %*d/%d  delivered %d", len(strconv.Itoa(now.Planned)), now.Sent, now.Planned, now.Delivered)
	latest := counts
	if now.Joined < now.Users {
		latest = fmt.Sprintf("%d/%d users", now.Joined, now.Users)
		users = latest + inAgents(now)
	}
	if now.Waiting != "" && now.In >= slowJoin {
		counts = joining(now)
	}
	return []string{
		fmt.Sprintf("%s left  %s %s  %-10s  %s  %s", left, bar, head, now.Phase, users, counts),
		fmt.Sprintf("%s left  %s %s  %-10s  %s", left, bar, head, now.Phase, latest),
		fmt.Sprintf("%s left  %s  %-10s  %s", left, head, now.Phase, latest),
		fmt.Sprintf("%s left  %s  %s", left, head, latest),
		fmt.Sprintf("%s  %d/%d %s  %s", left, now.Round, now.Rounds, short, latest),
	}
}

// inAgents returns " of 6 agents", or nothing if this process has the users.
func inAgents(now loadgen.Progress) string {
	if now.Agents == 0 {
		return ""
	}
	return " of " + text.Plural(now.Agents, "agent", "agents")
}

// clock formats a remaining time like 1:05.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
