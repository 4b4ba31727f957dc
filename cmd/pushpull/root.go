package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/transports"
	"pushpull/transports/typo"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "pushpull COMMAND",
		Short: "Compare short polling, long polling and WebSockets",
		Long: `Compare short polling, long polling and WebSockets: how late, and at what cost.

pushpull COMMAND --help describes a command.

Exit codes, of every command:

  0  fine
  1  it could not be done
  2  wrong usage, or a bad scenario
  3  a regression
  4  measured but not to be believed, or not judged

A command whose output nobody reads any more goes on to its end, with the exit code it would have
had.`,
		Example: `  pushpull run
  pushpull run rooms --users 500 --open
  pushpull report results/a results/b`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(unknownCommand(cmd, args[0]))
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return emptyFlag(cmd.Flags()) },
	}
	help := newHelpCommand()
	commands := []*cobra.Command{
		newRunCommand(),
		newChooseCommand(),
		newSweepCommand(),
		newCapacityCommand(),
		newFaultsCommand(),
		newClaimsCommand(),
		newReportCommand(),
		newCheckCommand(),
		newDuetCommand(),
		newScenariosCommand(),
		newDialectCommand(),
		newServeCommand(),
		newAgentCommand(),
		newSelftestCommand(),
		newStoreCommand(),
		newRelayCommand(),
		newProxyCommand(),
		newCompletionCommand(),
		help,
	}
	root.AddCommand(commands...)
	root.SetHelpCommand(help)
	root.SetHelpFunc(helpOf(commands))
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.InitDefaultVersionFlag()
	root.Flags().Lookup("version").Usage = "print the version, the commit and the Go that built it"
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	completeFlags(root)
	return root
}

func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND...]",
		Short:             "Describe a command",
		Long:              `Describe a command, as pushpull COMMAND --help does.`,
		Example:           `  pushpull help run`,
		Args:              operands,
		ValidArgsFunction: completeCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Root().Help()
			}
			about, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return usageError(unknownCommand(cmd.Root(), args[0]))
			case len(rest) > 0 && !about.HasSubCommands():
				return usageError(fmt.Errorf("%q is one argument too many: write pushpull help %s", rest[0], args[0]))
			case len(rest) > 0:
				return usageError(unknownCommand(about, rest[0]))
			}
			return about.Help()
		},
	}
}

// usageError returns an error that ends the process with the exit code of wrong usage. complaint adds where
// to read on.
func usageError(err error) error { return exitWith(exitUsage, "%w", err) }

func unknownCommand(root *cobra.Command, name string) error {
	var known []string
	for _, cmd := range root.Commands() {
		if !cmd.Hidden {
			known = append(known, cmd.Name())
		}
	}
	return typo.Unknown("command", transports.Redacted(name), known) // an address may be in the wrong place
}

// operands checks the arguments of a command against those that its Use names: as many as possible of the
// last if that ends with "...", none or one if it is in brackets, else one. Flags in Use are no arguments.
func operands(cmd *cobra.Command, args []string) error {
	words, usage := strings.Fields(cmd.Use), usageOf(cmd)
	for i, n := 1, 0; ; i++ {
		switch {
		case i == len(words) && n < len(args):
			return usageError(fmt.Errorf("%q is one argument too many: write %s", args[n], usage))
		case i == len(words):
			return nil
		case strings.HasPrefix(strings.TrimPrefix(words[i], "["), "--"):
			i++ // the next word stands for the value of the flag
		case n == len(args) && !strings.HasPrefix(words[i], "["):
			return usageError(fmt.Errorf("%s is missing: write %s", strings.TrimSuffix(words[i], "..."), usage))
		case strings.Contains(words[i], "..."):
			return nil
		case n < len(args):
			n++
		}
	}
}

// emptyFlag returns an error for a flag with a text that was set to an empty one: a variable that a script
// left empty must not pass for a flag that wasn't given.
func emptyFlag(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(flag *pflag.Flag) {
		texts := []string{flag.Value.String()}
		if several, ok := flag.Value.(pflag.SliceValue); ok {
			texts = several.GetSlice()
		}
		for _, text := range texts {
			if text == "" {
				err = usageError(fmt.Errorf("--%s is empty: write %s, or leave it out", flag.Name, written(flag)))
			}
		}
	})
	return err
}

// flagError puts the errors of pflag into words.
func flagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + unknown.GetSpecifiedName()
		if several := unknown.GetSpecifiedShortnames(); several != "" { // a long name after one dash
			name, _, _ = strings.Cut(several, "=")
			name = "-" + shortNames(cmd) + name
		}
		return usageError(unknownFlag(cmd, transports.Redacted(name)))
	}
	if bad, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		name, _, _ := strings.Cut(bad.GetSpecifiedFlag(), "=")
		return usageError(unknownFlag(cmd, transports.Redacted(name)))
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usageError(fmt.Errorf("--%s needs a value: write %s", missing.GetFlag().Name, written(missing.GetFlag())))
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag, cause := invalid.GetFlag(), invalid.Unwrap()
		if flag.Value.Type() == "bool" {
			cause = fmt.Errorf("write --%s alone, or leave it out", flag.Name)
		}
		return usageError(fmt.Errorf("bad --%s %q: %w", flag.Name, invalid.GetValue(), cause))
	}
	return usageError(err)
}

// shortNames returns the short names of the flags that were set: pflag takes the h of -head for --help.
func shortNames(cmd *cobra.Command) (names string) {
	cmd.Flags().Visit(func(flag *pflag.Flag) { names += flag.Shorthand })
	return names
}

func unknownFlag(cmd *cobra.Command, name string) error {
	var known []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			known = append(known, "--"+flag.Name)
		}
	})
	if meant := typo.Nearest(name, known); meant == "" {
		known = nil // all of them would be too many to read
	}
	return typo.Unknown("flag", name, known)
}
