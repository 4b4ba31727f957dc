package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"pushpull/report"
	"pushpull/report/text"
)

// A look is how results are printed for people.
type look struct {
	full   bool
	colour colouring
}

func (l *look) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&l.full, "full", false, "print all tables: the store, theory, sending and the load generator too")
	l.colour.addFlag(f)
}

// print prints runs to out.
func (l look) print(out io.Writer, runs ...report.Run) error {
	on := l.colour.screen(out)
	err := report.Table(out, on, runs...)
	if err == nil && l.full {
		fmt.Fprintln(out)
		err = report.Details(out, on, runs...)
	}
	return err
}

// A colouring is the flag --color: when text is coloured. The zero value is auto.
type colouring string

const (
	colourAuto   colouring = "auto"
	colourAlways colouring = "always"
	colourNever  colouring = "never"
)

var _ pflag.Value = (*colouring)(nil)

func (c *colouring) addFlag(f *pflag.FlagSet) {
	f.Var(c, "color", "`auto|always|never` when to use colours; auto: on a terminal, unless NO_COLOR is set")
}

func (c *colouring) Set(s string) error {
	switch when := colouring(s); when {
	case colourAuto, colourAlways, colourNever:
		*c = when
		return nil
	}
	return fmt.Errorf("choose %s, %s or %s", colourAuto, colourAlways, colourNever)
}

func (c *colouring) String() string { return string(cmp.Or(*c, colourAuto)) }

func (*colouring) Type() string { return "choice" }

// screen returns what w can show. It looks at the width of a terminal anew, as people change it.
func (c colouring) screen(w io.Writer) text.Screen {
	on := text.Screen{UTF8: showsUTF8(), Colour: c == colourAlways}
	s, ok := w.(*stream)
	if !ok || !s.terminal {
		return on
	}
	if width, _, err := term.GetSize(int(s.file.Fd())); err == nil && width > 0 {
		on.Columns = width
	}
	if cmp.Or(c, colourAuto) == colourAuto {
		// https://no-color.org: any value but an empty one
		on.Colour = os.Getenv("NO_COLOR") == "" && s.sequences
	}
	return on
}

// complain prints the error that ends a command: in lines that fit a terminal, elsewhere in one line, which
// programs and people search for.
func complain(w *stream, words string) {
	on := colourAuto.screen(w)
	lines := []string{on.Text(words)}
	if w.terminal {
		lines = on.Wrap(lines[0], 2)
	}
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}
