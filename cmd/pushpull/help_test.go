package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helped returns all commands, the root first.
func helped() []*cobra.Command {
	root := newRootCommand()
	return append([]*cobra.Command{root}, below(root)...)
}

// TestHelp checks that the help of every command fits its width, and that its first screen shows how the
// command is used.
func TestHelp(t *testing.T) {
	for _, cmd := range helped() {
		for _, width := range []int{mostWidth, 60, leastWidth} {
			text := helpText(cmd, cmd.Commands(), width)
			lines := strings.Split(text, "\n")
			for _, line := range lines {
				if utf8.RuneCountInString(line) > width {
					t.Errorf("%s at %d columns: %q", cmd.Name(), width, line)
				}
				if strings.HasSuffix(line, " ") || strings.Contains(line, "`") {
					t.Errorf("%s at %d columns ends with a blank, or has a backquote: %q", cmd.Name(), width, line)
				}
			}
			if width < mostWidth {
				continue
			}
			first := strings.Join(lines[:min(24, len(lines))], "\n")
			for _, want := range []string{"Usage: " + cmd.CommandPath(), "\nExamples:\n"} {
				if !cmd.Hidden && !strings.Contains(first, want) {
					t.Errorf("the first screen of the help of %s lacks %q:\n%s", cmd.Name(), want, first)
				}
			}
			for _, flag := range helpFlags(cmd) {
				if !strings.Contains(text, "\n  "+written(flag)) {
					t.Errorf("the help of %s lacks %s", cmd.Name(), written(flag))
				}
			}
		}
	}
}

// Every flag is in a group. What stands for its value is in capitals, and is no part of its description.
func TestFlagsAreGrouped(t *testing.T) {
	stands := regexp.MustCompile(`^[A-Z]+([-=][A-Z]+)*$|^[a-z]+(\|[a-z]+)+$`)
	eachFlag(t, func(cmd *cobra.Command, _ []string, flag *pflag.Flag) {
		if flag.Name == "help" {
			return
		}
		if group := groupOf(flag); !slices.Contains(groups(), group) || flag.Annotations[inGroup] == nil {
			t.Errorf("pushpull %s --%s is in group %q: add it within grouped, in one of %q", cmd.Name(), flag.Name, group, groups())
		}
		value := strings.Join(flag.Annotations[placeholder], "")
		if valueless := flag.Value.Type() == "bool"; valueless != (value == "") || !valueless && !stands.MatchString(value) || strings.Contains(flag.Usage, "`") {
			t.Errorf("pushpull %s --%s %s  %s: begin the usage with what stands for the value, like `FILE`, or a|b to choose from", cmd.Name(), flag.Name, value, flag.Usage)
		}
	})
}

// The examples in help are right usage, as far as that can be seen without running them.
func TestExamples(t *testing.T) {
	for _, cmd := range helped() {
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " >")
			words := strings.Fields(line)
			if words[0] != "pushpull" {
				continue
			}
			found, rest, err := newRootCommand().Find(words[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		width       int
		first, rest string
		text, more  string
		want        string
	}{
		{10, "", "", "", "", "\n"},
		{10, "", "", "one two three", "", "one two\nthree\n"},
		{10, "- ", "  ", "one two three", "", "- one two\n  three\n"},
		{10, "", "", "a-long-word-alone b", "", "a-long-word-alone\nb\n"},
		{16, "  ", "    ", "run --a b --c --d e", ` \`, "  run --a b \\\n    --c --d e\n"},
		{6, "", "", "日本 日本", "", "日本 日本\n"},
	} {
		p := page{width: c.width}
		p.wrap(c.first, c.rest, units(c.text), c.more)
		if p.String() != c.want {
			t.Errorf("%q in %d columns is\n%s\nwant\n%s", c.text, c.width, p.String(), c.want)
		}
	}
}

func TestText(t *testing.T) {
	p := page{width: 70}
	p.text("One line\nand another.\n\nA table:\n\n  term      is described, at some length that needs another line for the rest\n  - an item\nThe end.")
	const want = `One line and another.

A table:

  term      is described, at some length that needs another line for
            the rest
  - an item
The end.
`
	if p.String() != want {
		t.Errorf("got\n%s\nwant\n%s", p.String(), want)
	}
}
