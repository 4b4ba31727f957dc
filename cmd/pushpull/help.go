package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"pushpull/loadgen/result"
)

// Groups of flags, which are their headings in a command's help.
const (
	groupGrid        = "Grid"
	groupServers     = result.GroupTransports
	groupAgents      = "Agents"
	groupLoad        = result.GroupLoad
	groupMeasurement = result.GroupMeasurement
	groupSearch      = "Search"
	groupFaults      = "Faults"
	groupRegression  = "Regression"
	groupLimits      = "Limits"
	groupOutput      = "Output"
	groupCI          = "Files for CI systems"
	groupOther       = "Flags" // those without a group
)

// groups returns the groups in the order in which help shows them.
func groups() []string {
	return []string{
		groupSearch, groupGrid, groupFaults, groupServers, groupAgents, groupLoad, groupMeasurement, groupRegression, groupLimits, groupOutput, groupCI, groupOther,
	}
}

// Annotations of a flag.
const (
	inGroup     = "pushpull group"
	placeholder = "pushpull placeholder"
)

// grouped adds to f the flags that the functions add, as members of a group. The usage of a flag that has a
// value begins with what stands for the value, in backquotes: "`FILE` write a summary in Markdown". A value that is one of a few words is written like
// `auto|always|never`, which completes it too.
func grouped(f *pflag.FlagSet, group string, add ...func(*pflag.FlagSet)) {
	f.SortFlags = false
	members := pflag.NewFlagSet(group, pflag.ContinueOnError)
	members.SortFlags = false
	for _, add := range add {
		add(members)
	}
	members.VisitAll(func(flag *pflag.Flag) { classify(flag, group) })
	f.AddFlagSet(members)
}

// quoted matches what a usage has in backquotes, and the rest.
var quoted = regexp.MustCompile("^`([^`]+)` (.+)$")

// classify makes a flag a member of group, and moves what stands for its value from its usage to an
// annotation.
func classify(flag *pflag.Flag, group string) {
	if flag.Annotations == nil {
		flag.Annotations = map[string][]string{}
	}
	flag.Annotations[inGroup] = []string{group}
	if parts := quoted.FindStringSubmatch(flag.Usage); parts != nil {
		flag.Annotations[placeholder] = parts[1:2]
		flag.Usage = parts[2]
	}
}

// groupOf returns the group of a flag.
func groupOf(flag *pflag.Flag) string {
	if group := flag.Annotations[inGroup]; len(group) > 0 {
		return group[0]
	}
	return groupOther
}

// written returns a flag as it is written on the command line, like "--users N", or "--tls[=only]" if its value may be left
// out.
func written(flag *pflag.Flag) string {
	if stands := flag.Annotations[placeholder]; flag.NoOptDefVal != "" && len(stands) > 0 {
		return fmt.Sprintf("--%s[=%s]", flag.Name, stands[0])
	}
	return strings.Join(append([]string{"--" + flag.Name}, flag.Annotations[placeholder]...), " ")
}

// Widths of help in columns. A terminal that is narrower than the least gets its lines wrapped.
const (
	leastWidth = 40
	mostWidth  = 80
	narrow     = 70 // below, a description stands under what it describes instead of beside it
)

// helpWidth returns the width of help that is printed to w.
func helpWidth(w io.Writer) int {
	s, ok := w.(*stream)
	if !ok || !s.terminal {
		return mostWidth
	}
	width, _, err := term.GetSize(int(s.file.Fd()))
	if err != nil {
		return mostWidth
	}
	return min(max(width, leastWidth), mostWidth)
}

// helpOf returns the function that prints the help of a command. commands are those of the root, in the order
// in which its help lists them.
func helpOf(commands []*cobra.Command) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, _ []string) {
		out := cmd.OutOrStdout()
		fmt.Fprint(out, helpText(cmd, commands, helpWidth(out)))
	}
}

// helpText returns the help of a command: the first paragraph of its Long, how it is used, its flags, and
// then the details, which are the rest of Long.
func helpText(cmd *cobra.Command, commands []*cobra.Command, width int) string {
	p := page{width: width}
	about, details, _ := strings.Cut(cmd.Long, "\n\n")
	p.text(about)
	p.paragraph()
	flags, usage := helpFlags(cmd), usageOf(cmd)
	if len(flags) > 0 {
		usage += " [flags]"
	}
	p.wrap("Usage: ", "    ", units(usage), "")
	if cmd.HasParent() {
		commands = cmd.Commands()
	}
	if len(commands) > 0 {
		p.heading("Commands")
		p.commands(commands)
	}
	if cmd.Example != "" {
		p.heading("Examples")
		for line := range strings.Lines(cmd.Example) {
			p.wrap("  ", "    ", units(line), ` \`)
		}
	}
	p.flags(flags)
	if details != "" {
		p.paragraph()
		p.text(details)
	}
	return p.String()
}

// helpFlags returns the flags that help shows. It doesn't show itself.
func helpFlags(cmd *cobra.Command) (flags []*pflag.Flag) {
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden && flag.Name != "help" {
			flags = append(flags, flag)
		}
	})
	return flags
}

// usageOf returns how a command is written, like "pushpull check BASE HEAD".
func usageOf(cmd *cobra.Command) string {
	_, operands, _ := strings.Cut(cmd.Use, " ")
	return strings.TrimRight(cmd.CommandPath()+" "+operands, " ")
}

// units returns the words of a command, each flag together with its value.
func units(command string) (units []string) {
	flag := false
	for word := range strings.FieldsSeq(command) {
		dashed := strings.HasPrefix(word, "--")
		if flag && !dashed {
			units[len(units)-1] += " " + word
		} else {
			units = append(units, word)
		}
		flag = dashed
	}
	return units
}

// A page is a text whose lines are not longer than its width, unless a word is.
type page struct {
	strings.Builder
	width int // columns
}

// paragraph begins a new paragraph.
func (p *page) paragraph() { p.WriteString("\n") }

func (p *page) heading(text string) {
	p.paragraph()
	fmt.Fprintf(p, "%s:\n", text)
}

// text writes paragraphs. The lines of one are joined, except for those that are indented: each is a line of
// its own, and what follows two blanks in it is a description.
func (p *page) text(text string) {
	var joined []string
	end := func() {
		if len(joined) > 0 {
			p.wrap("", "", strings.Fields(strings.Join(joined, " ")), "")
			joined = nil
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		item, indented := strings.CutPrefix(line, "  ")
		switch {
		case indented:
			end()
			term, description, _ := strings.Cut(item, "  ")
			described := strings.TrimLeft(description, " ")
			p.describe(term, described, utf8.RuneCountInString(line)-utf8.RuneCountInString(described))
		case line == "":
			end()
			p.paragraph()
		default:
			joined = append(joined, line)
		}
	}
	end()
}

// commands writes a line for each command. Help doesn't show itself.
func (p *page) commands(commands []*cobra.Command) {
	column := 0
	for _, cmd := range commands {
		column = max(column, 4+len(cmd.Name()))
	}
	for _, cmd := range commands {
		if !cmd.Hidden && cmd.Name() != "help" {
			p.describe(cmd.Name(), cmd.Short, column)
		}
	}
}

// flags writes flags by group.
func (p *page) flags(flags []*pflag.Flag) {
	const most = 24 // columns of a flag that has its description beside it
	byGroup := map[string][]*pflag.Flag{}
	column := 0
	for _, flag := range flags {
		byGroup[groupOf(flag)] = append(byGroup[groupOf(flag)], flag)
		column = max(column, 4+min(most, len(written(flag))))
	}
	for _, group := range groups() {
		if len(byGroup[group]) > 0 {
			p.heading(group)
		}
		for _, flag := range byGroup[group] {
			description := flag.Usage
			if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, flag.DefValue) {
				description += " (default " + flag.DefValue + ")"
			}
			p.describe(written(flag), description, column)
		}
	}
}

// describe writes a term and its description, which begins at the column.
func (p *page) describe(term, description string, column int) {
	below := strings.Repeat(" ", column)
	switch {
	case description == "":
		p.wrap("  ", "    ", strings.Fields(term), "")
	case p.width < narrow:
		p.wrap("  ", "    ", strings.Fields(term), "")
		p.wrap("      ", "      ", strings.Fields(description), "")
	case 2+utf8.RuneCountInString(term) >= column:
		p.wrap("  ", "    ", strings.Fields(term), "")
		p.wrap(below, below, strings.Fields(description), "")
	default:
		p.wrap(fmt.Sprintf("  %-*s", column-2, term), below, strings.Fields(description), "")
	}
}

// wrap writes words in lines, of which the first begins with first and all others with others. A line that
// is continued ends with more.
func (p *page) wrap(first, others string, words []string, more string) {
	line, empty := first, true
	for _, word := range words {
		if !empty && utf8.RuneCountInString(line+" "+word+more) > p.width {
			p.WriteString(line + more + "\n")
			line, empty = others, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.WriteString(line + "\n")
}
