//go:build unix

package main

import "testing"

// The locale says whether there is UTF-8: the first of its variables that is set.
func TestShowsUTF8(t *testing.T) {
	for _, c := range []struct {
		all, kind, lang string
		want            bool
	}{
		{"", "", "", false},
		{"", "", "C", false},
		{"", "", "en_GB.UTF-8", true},
		{"", "", "C.utf8", true},
		{"", "de_DE.ISO-8859-1", "de_DE.UTF-8", false},
		{"", "UTF-8", "C", true},
		{"C", "", "en_GB.UTF-8", false},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_CTYPE", c.kind)
		t.Setenv("LANG", c.lang)
		if got := showsUTF8(); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// Colours are for terminals, unless the flag or the environment says otherwise: https://no-color.org.
func TestColouring(t *testing.T) {
	for _, c := range []struct {
		when     colouring
		terminal bool
		term     string
		noColour string
		want     bool
	}{
		{"", true, "xterm", "", true},
		{colourAuto, true, "xterm", "", true},
		{colourAuto, true, "dumb", "", false},
		{colourAuto, true, "", "", false},
		{colourAuto, true, "xterm", "1", false},
		{colourAuto, false, "xterm", "", false},
		{colourNever, true, "xterm", "", false},
		{colourAlways, true, "dumb", "1", true},
		{colourAlways, false, "", "1", true},
	} {
		t.Setenv("TERM", c.term)
		t.Setenv("NO_COLOR", c.noColour)
		stdout, _, _, _ := pipes(t, false)
		stdout.terminal = c.terminal
		stdout.sequences = c.terminal && takesSequences(stdout.file)
		on := c.when.screen(stdout)
		if on.Colour != c.want || on.Width() != 80 {
			t.Errorf("%+v: colour %t, %d columns", c, on.Colour, on.Width())
		}
	}
}
