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
store, and says what each costs: how long a message takes, how many requests and bytes,
how much CPU and memory.

Exit codes: 0 fine, 1 it could not be done, 2 wrong usage or a bad scenario,
3 a regression, 4 measured but not to be believed.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return exitWith(exitUsage, "unknown command %q (see %s --help)", args[0], cmd.CommandPath())
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

// usageError makes a wrong use of cmd an error that says where to read on.
func usageError(cmd *cobra.Command, err error) error {
	return exitWith(exitUsage, "%w (see %s --help)", err, cmd.CommandPath())
}

// arguments turns what cobra finds wrong with the arguments into a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(cmd, err)
		}
		return nil
	}
}

// noArguments is cobra.NoArgs, which would call an argument an unknown command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, not %q", cmd.Name(), args[0])
	}
	return nil
}

// version is that of the module, as the toolchain stamped it into the binary.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
