package main

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/term"

	"pushpull/report/text"
)

// A live keeps some lines at the end of a terminal's output up to date, by drawing over them.
type live struct {
	to    *stream
	drawn []string // the cursor stands behind the last one
}

// newLive returns nil unless s is a terminal on which the cursor can be moved.
func newLive(s *stream) *live {
	if !s.sequences {
		return nil
	}
	return &live{to: s}
}

// size returns the size of the terminal now, as its window may have changed.
func (l *live) size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(l.to.file.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// draw replaces the lines, none of which may be wider than the terminal, nor all of them higher. It leaves
// out what a stopped terminal could only show later, when it is out of date.
func (l *live) draw(lines []string) {
	if l.to.behind() {
		return
	}
	fmt.Fprint(l.to, l.start()+strings.Join(lines, "\x1b[K\n")+"\x1b[J")
	l.drawn = lines
}

// clear removes the lines, for output that stays.
func (l *live) clear() {
	if l.drawn == nil {
		return
	}
	erase := "\x1b[K"
	start := l.start()
	if start != "\r" {
		// Erased from its first row on, a screen would be kept in the history of tmux.
		erase += "\n\x1b[J\x1b[1A"
	}
	fmt.Fprint(l.to, start+erase)
	l.drawn = nil
}

// start returns the sequence that moves the cursor to the start of the first line. A terminal that has
// become narrower since has wrapped the lines, so that they take more rows.
func (l *live) start() string {
	columns, rows := l.size()
	up := -1
	for _, line := range l.drawn {
		up += max(1, (width(line)+columns-1)/columns)
	}
	if up = min(up, rows-1); up > 0 {
		return fmt.Sprintf("\r\x1b[%dA", up)
	}
	return "\r"
}

// inks matches the control sequences of text.Screen.Paint.
var inks = regexp.MustCompile("\x1b\\[[0-9]*m")

// width returns the number of columns of a painted line.
func width(line string) int { return text.Width(inks.ReplaceAllString(line, "")) }
