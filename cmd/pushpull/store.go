package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pushpull/transports/store"
)

func newStoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store COMMAND",
		Short: "Look after a store: remove old rooms",
		Long: `Look after a store, while servers use it or not.

pushpull store COMMAND --help describes a command.`,
		Example: `  pushpull store prune sqlite:chat.db --older 720h --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return operands(cmd, args)
			}
			return usageError(unknownCommand(cmd, args[0]))
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // Args has refused whatever is no command
	}
	cmd.AddCommand(newStorePruneCommand(), newStoreEmbedCommand())
	return cmd
}

// newStoreEmbedCommand returns the command that runs an embedded store in a process of its own. A run
// starts it so that its servers can share the store.
func newStoreEmbedCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "embed ADDRESS",
		Short:  "Run an embedded store, like nats:, until standard input ends",
		Long:   "Run an embedded store, like nats:, until standard input ends.",
		Hidden: true,
		Args:   operands,
		RunE: func(cmd *cobra.Command, args []string) error {
			embedded, err := store.Embed(args[0])
			if err != nil {
				return usageError(err)
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			cancelAtEOF(cmd.InOrStdin(), cancel)
			fmt.Fprintf(cmd.OutOrStdout(), "listening on %s\n", embedded.URL())
			<-ctx.Done()
			return embedded.Close()
		},
	}
}

// cancelAtEOF calls cancel when in ends, so that a child process ends with its parent. Its goroutine
// may outlive the command, as a read of standard input can't be interrupted.
func cancelAtEOF(in io.Reader, cancel func()) {
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
}
