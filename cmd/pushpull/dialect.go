package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/report/text"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/rules"
	"pushpull/transports/dialect/servers"
)

func newDialectCommand() *cobra.Command {
	var keys, example bool
	cmd := &cobra.Command{
		Use:   "dialect [NAME]",
		Short: "What other servers speak, and how to teach pushpull another one",
		Long: `List the servers that pushpull can measure beside its own, or print what one of them speaks.

A dialect says how a server spells joining a room, sending a message and receiving one. It is a
YAML file. To make your own, begin with the example, or with the file of a server that is like
yours; try it with pushpull dialect try, and measure with pushpull run --dialect FILE --against
NAME=WHERE.`,
		Example: `  pushpull dialect
  pushpull dialect nchan > mine.yaml
  pushpull dialect --keys
  pushpull dialect try ./mine.yaml --against http://127.0.0.1:9000`,
		Args:              operands,
		ValidArgsFunction: one(func(cmd *cobra.Command) []cobra.Completion { return append(builtinDialects(), commandsOf(cmd)...) }),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			switch {
			case keys && example || (keys || example) && len(args) > 0:
				return usageError(errors.New("--keys, --example and NAME exclude each other: leave out all but one"))
			case keys:
				_, err := fmt.Fprint(out, keysTable(helpWidth(out)))
				return err
			case example:
				_, err := out.Write(rules.Example())
				return err
			case len(args) == 0:
				return listDialects(cmd)
			}
			source, err := servers.Source(args[0])
			if err != nil {
				return usageError(err)
			}
			_, err = out.Write(source)
			return err
		},
	}
	grouped(cmd.Flags(), groupOutput, func(f *pflag.FlagSet) {
		f.BoolVar(&keys, "keys", false, "print all keys of a file, with their meanings")
		f.BoolVar(&example, "example", false, "print an example with comments")
	})
	cmd.AddCommand(newDialectTryCommand())
	return cmd
}

func listDialects(cmd *cobra.Command) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, name := range servers.Names() {
		d, err := servers.Find(name)
		if err != nil {
			return err
		}
		about := d.About()
		untried := ""
		if about.Untried != "" {
			untried = "\tnever tried on the real server"
		}
		fmt.Fprintf(table, "%s\t%s\t%s%s\n", about.Name, about.Title, strings.Join(waysOf(d), ", "), untried)
	}
	return table.Flush()
}

// keysTable returns the table of the keys of a dialect, by what has them.
func keysTable(width int) string {
	p := page{width: width}
	where := ""
	for _, k := range rules.Keys() {
		if k.Where != where {
			if where != "" {
				p.paragraph()
			}
			where = k.Where
			p.WriteString("Keys of a " + where + ":\n")
		}
		p.describe(k.Name, k.Text+"; "+k.Type+", like "+k.Example, keyColumn)
	}
	return p.String()
}

// keyColumn is the column of the meaning of a key.
const keyColumn = 14

// waysOf returns the names of a server's transports.
func waysOf(d dialect.Dialect) (names []string) {
	for _, way := range d.Ways() {
		names = append(names, way.Transport)
	}
	return names
}

// builtinDialects returns the names of the built-in dialects.
func builtinDialects() (names []cobra.Completion) {
	for _, name := range servers.Names() {
		if d, err := servers.Find(name); err == nil {
			names = append(names, cobra.CompletionWithDesc(name, text.Clean(d.About().Title)))
		}
	}
	return names
}
