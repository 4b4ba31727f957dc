package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"pushpull/loadgen/relay"
)

// newRelayCommand returns the command that runs a relay. A run starts it between its users and its servers.
func newRelayCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "relay",
		Short:  "Run a relay between users and servers, until standard input ends",
		Long:   "Run a relay between users and servers, until standard input ends.",
		Hidden: true,
		Args:   operands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			cancelAtEOF(cmd.InOrStdin(), cancel)
			return relay.Serve(ctx, cmd.OutOrStdout())
		},
	}
}

// relayCommand returns the arguments that start this binary as a relay, which ends with its parent.
func relayCommand() []string { return []string{os.Args[0], "relay"} }
