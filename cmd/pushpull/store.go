package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pushpull/transports/store"
)

// newStoreCommand makes the command by which a run gives its servers a store that is within the
// binary, in a process of its own.
func newStoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "store ADDRESS",
		Short:  "Run a store that is within this binary, like nats:, until standard input ends",
		Hidden: true,
		Args:   arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			embedded, err := store.Embed(args[0])
			if err != nil {
				return usageError(cmd, err)
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

// cancelAtEOF cancels when a parent has gone, which must not leave its children behind. Nobody waits
// for the goroutine: a read of standard input can't be called off.
func cancelAtEOF(in io.Reader, cancel func()) {
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
}
