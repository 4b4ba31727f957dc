package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pushpull/loadgen"
)

func newScenariosCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scenarios [NAME]",
		Short: "List or print the built-in scenarios",
		Long: `List the built-in scenarios, or print one as YAML. To make your own, save one to a file,
change it, and pass the path to pushpull run.`,
		Example: `  pushpull scenarios chat > mine.yaml
  pushpull run ./mine.yaml`,
		Args:              operands,
		ValidArgsFunction: one(func(*cobra.Command) []cobra.Completion { return builtins() }),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listScenarios(cmd)
			}
			source, err := loadgen.Source(args[0])
			if err != nil {
				return usageError(err)
			}
			_, err = cmd.OutOrStdout().Write(source)
			return err
		},
	}
}

func listScenarios(cmd *cobra.Command) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, name := range loadgen.Builtins() {
		s, err := loadgen.Builtin(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\n", name, s.About)
	}
	return table.Flush()
}
