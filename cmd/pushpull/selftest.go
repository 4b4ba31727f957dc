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
		Long: `Measure servers of known behaviour with the generator of pushpull run, on every transport, and
print what is expected, what was measured, and whether they agree. It takes less than a minute.

The self-test also reports what this machine can do: the round trip on loopback, how late the
generator is, how many users can connect, and which limit they reach.

The cases, which all run if none is named:

` + selftestCases() + `
Exit code 4 means that a measurement differs from the known value: don't believe pushpull run
on this machine. Times can only be judged on an otherwise idle machine.`,
		Example: `  pushpull selftest
  pushpull selftest stall lost --transports websocket`,
		Args:              operands,
		ValidArgsFunction: completeCase,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSelftest(cmd.Context(), cmd, opts, args)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *selftestOptions) addFlags(f *pflag.FlagSet) {
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		listVar(f, &o.transports, "transports", "`LIST` which transports, like long-poll,websocket (default all)")
	})
	grouped(f, groupOutput, func(f *pflag.FlagSet) {
		f.BoolVar(&o.printJSON, "json", false, "print one JSON object instead of the lines")
		f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	})
}

// selftestCases returns the list of the cases, a line each.
func selftestCases() string {
	var b strings.Builder
	for _, c := range selftest.Cases() {
		fmt.Fprintf(&b, "  %-13s a server that %s\n", c.Name, c.About)
	}
	return b.String()
}

func runSelftest(ctx context.Context, cmd *cobra.Command, opts selftestOptions, args []string) error {
	o := selftest.Options{Cases: args, Transports: opts.transports, Relay: relayCommand()}
	if err := o.Validate(); err != nil {
		return usageError(err)
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
		err = errors.New("interrupted: the missing lines were not measured")
	}
	if opts.printJSON && (err == nil || len(lines) > 0) {
		err = errors.Join(err, writeLines(out, lines))
	}
	if err != nil {
		return err
	}
	if differ > 0 {
		return exitWith(exitDoubtful, "%d of %d measurements differ from the known values: see the lines marked %s", differ, judged, selftest.Differs)
	}
	return nil
}

// printLine prints a line at once. The columns have fixed widths, as later lines are not known yet.
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

// writeLines prints all lines as the object of --json.
func writeLines(out io.Writer, lines []selftest.Line) error {
	return json.NewEncoder(out).Encode(struct {
		Schema      int                `json:"schema"`
		Environment result.Environment `json:"environment"`
		Lines       []selftest.Line    `json:"lines"`
	}{result.Schema, loadgen.Environment(), lines})
}
