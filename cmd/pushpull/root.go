package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "pushpull",
		Short: "Compare short polling, long polling and WebSockets",
		Long: `pushpull runs the same simulated users against every transport, on one server and one
store, and reports what each costs: message latency, requests and bytes, CPU and memory.

Exit codes: 0 fine, 1 a failure, 2 wrong usage or a bad scenario, 3 a regression,
4 measured but not to be believed, or not judged. A command whose output nobody reads any more
goes on to its end, with the exit code it would have had.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(cmd, fmt.Errorf("unknown command %q", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(usageError)
	root.AddCommand(
		newRunCommand(),
		newServeCommand(),
		newReportCommand(),
		newCheckCommand(),
		newDuetCommand(),
		newSelftestCommand(),
		newScenariosCommand(),
		newStoreCommand(),
	)
	return root
}

// usageError wraps a usage error of cmd with the exit code and a pointer to --help. No other function
// adds the pointer, so err has none.
func usageError(cmd *cobra.Command, err error) error {
	return exitWith(exitUsage, "%w (see %s --help)", err, cmd.CommandPath())
}

// arguments turns the errors of check into usage errors.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(cmd, err)
		}
		return nil
	}
}

// noArguments replaces cobra.NoArgs, whose error calls an argument an unknown command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, not %q", cmd.Name(), args[0])
	}
	return nil
}

// version returns the version of the module that the toolchain stamped into the binary.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
