package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/loadgen/selftest"
)

type selftestOptions struct {
	transports       []string
	printJSON, quiet bool

	run func(context.Context, selftest.Options, func(selftest.Line)) error // selftest.Run
}

func newSelftestCommand() *cobra.Command {
	opts := selftestOptions{run: selftest.Run}
	cmd := &cobra.Command{
		Use:   "selftest [CASE...]",
		Short: "Measure servers of known behaviour",
		Long: `Measure servers of known behaviour with the generator that run uses, on every transport,
and say line by line what is known, what was measured, and whether they agree. It also tells
what this machine can do: the round trip on loopback, how late the generator is, and how many
users can be connected, by which limit. It takes less than a minute.

The cases; without one named it is all of them:

` + selftestCases() + `
Exit code 4 says that something else was measured than is known: don't believe what run says
on this machine. Times can only be judged on a machine that is otherwise quiet.`,
		Example: `  pushpull selftest
  pushpull selftest stall lost --transports websocket`,
		Args: arguments(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSelftest(cmd.Context(), cmd, opts, args)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *selftestOptions) addFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringSliceVar(&o.transports, "transports", nil, "`list` like long-poll,websocket; all of them when none is named")
	f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the lines")
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
}

// selftestCases lists the cases.
func selftestCases() string {
	var b strings.Builder
	for _, c := range selftest.Cases() {
		fmt.Fprintf(&b, "  %-13s a server that %s\n", c.Name, c.About)
	}
	return b.String()
}

func runSelftest(ctx context.Context, cmd *cobra.Command, opts selftestOptions, args []string) error {
	o := selftest.Options{Cases: args, Transports: opts.transports}
	if err := o.Validate(); err != nil {
		return usageError(cmd, err)
	}
	if !opts.quiet {
		o.Progress = func(now selftest.Progress) {
			fmt.Fprintf(cmd.ErrOrStderr(), "case %d/%d  a server that %s, about %s left\n", now.Done+1, now.Cases, now.Case.About, clock(now.Left))
		}
	}
	out := cmd.OutOrStdout()
	if !opts.printJSON {
		printColumns(out, "case", "transport", "verdict", "expected", "measured")
	}
	var lines []selftest.Line
	judged, differ := 0, 0
	err := opts.run(ctx, o, func(l selftest.Line) {
		lines = append(lines, l)
		if l.Verdict != "" {
			judged++
		}
		if l.Verdict == selftest.Differs {
			differ++
		}
		if !opts.printJSON {
			printLine(out, l)
		}
	})
	if ctx.Err() != nil {
		err = errors.New("interrupted: the lines that are missing were not judged")
	}
	if err != nil {
		return err
	}
	if opts.printJSON {
		if err := writeLines(out, lines); err != nil {
			return err
		}
	}
	if differ > 0 {
		return exitWith(exitDoubtful, "%d of %d measurements differ from what is known: see the lines that say so", differ, judged)
	}
	return nil
}

// printLine prints a line as it is known: the widths of columns can't wait for the last one.
func printLine(out io.Writer, l selftest.Line) {
	expected, measured := l.Says()
	printColumns(out, l.Case, l.Transport, l.Verdict, expected, measured)
	for _, note := range l.Notes {
		fmt.Fprintf(out, "! %s: %s: %s\n", l.Case, l.Transport, note)
	}
}

func printColumns(out io.Writer, columns ...any) {
	fmt.Fprintf(out, "%-13s %-19s %-8s %-61s %s\n", columns...)
}

// writeLines prints what was found as the one object of --json.
func writeLines(out io.Writer, lines []selftest.Line) error {
	return json.NewEncoder(out).Encode(struct {
		Schema      int                `json:"schema"`
		Environment result.Environment `json:"environment"`
		Lines       []selftest.Line    `json:"lines"`
	}{result.Schema, loadgen.Environment(), lines})
}
