package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/report/text"
	"pushpull/transports/store"
)

type pruneOptions struct {
	older time.Duration
	dry   bool
}

func newStorePruneCommand() *cobra.Command {
	var opts pruneOptions
	cmd := &cobra.Command{
		Use:   "prune ADDRESS",
		Short: "Remove the rooms whose newest message is old",
		Long: `Remove the rooms whose newest message is older than --older from a store, with all their
messages.

It works while servers use the store: it removes some messages at a time, and lets the servers write
in between. It prints how many rooms and messages it has removed, also if it is interrupted.

A user that comes back to a removed room gets a gap, as after the loss of messages, and never misses
one silently. A SQLite file doesn't become smaller: new messages use the space.

The stores are those whose messages have a time: sqlite:, postgres:// and redis://. Rooms to which
nobody has sent a message since a pushpull whose messages had no time stay.`,
		Example: `  pushpull store prune sqlite:chat.db --older 720h --dry-run
  pushpull store prune postgres://me@localhost/chat --older 720h`,
		Args:              operands,
		ValidArgsFunction: one(prunable),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPrune(cmd.Context(), cmd, opts, args[0])
		},
	}
	grouped(cmd.Flags(), groupServers, opts.addFlags)
	return cmd
}

func (o *pruneOptions) addFlags(f *pflag.FlagSet) {
	durationVar(f, &o.older, "older", 0, "`TIME` remove rooms whose newest message is older, like 720h")
	f.BoolVar(&o.dry, "dry-run", false, "remove nothing, and print what would be removed")
}

func runPrune(ctx context.Context, cmd *cobra.Command, opts pruneOptions, address string) error {
	if err := store.ValidatePrune(address); err != nil {
		return usageError(err)
	}
	if err := store.Validate(address); err != nil {
		return usageError(err)
	}
	switch {
	case !cmd.Flags().Changed("older"):
		return usageError(errors.New("how old must the newest message of a room be? write --older TIME, like --older 720h"))
	case opts.older <= 0:
		return usageError(errors.New("bad --older: use more than 0"))
	}
	pruned, err := store.Prune(ctx, address, time.Now().Add(-opts.older), opts.dry)
	if err != nil && pruned.Messages == 0 {
		return err
	}
	did := "removed"
	if opts.dry {
		did = "would remove"
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s %s with %s\n", did, text.Plural(pruned.Rooms, "room", "rooms"), text.Plural(pruned.Messages, "message", "messages"))
	if pruned.Undated > 0 {
		fmt.Fprintf(out, "%s, as the newest message is of an older pushpull and has no time\n", text.Plural(pruned.Undated, "room stays", "rooms stay"))
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted: start it again to remove the rest")
	}
	return err
}
