package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/transports"
	"pushpull/transports/server"
	"pushpull/transports/store"
	"pushpull/transports/store/memory"
)

type serveOptions struct {
	listen         string
	store          string
	retention      int
	limits         transports.Limits
	maxConnections int
	untilEOF       bool
	slow           server.Slowness
	results        string
}

func newServeCommand() *cobra.Command {
	var opts serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server alone, with its pages",
		Long: `Run the server alone, until SIGINT or SIGTERM.

Once it accepts connections it prints one line, like "listening on http://127.0.0.1:8080". A
browser shows there how each transport feels, and at /results the runs in --results.
Warnings go to standard error. On a signal it answers held polls, closes WebSockets and
ends within 5 seconds; on a second one at once, with exit code 1.

Messages are kept where --store says:

` + store.Usage() + `

It authenticates nobody. It listens beyond loopback only when told an explicit address,
such as --listen 0.0.0.0:8080.`,
		Args: arguments(noArguments),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(cmd.Context(), cmd, opts)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *serveOptions) addFlags(f *pflag.FlagSet) {
	limits := transports.Limits{}.WithDefaults()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` to listen on; without a host loopback, port 0 is any free one")
	f.StringVar(&o.store, "store", store.Default, "`address` of the store, see above")
	f.IntVar(&o.retention, "retention", memory.DefaultRetention, "`messages` that a room keeps, the oldest leave first")
	f.IntVar(&o.limits.MessageBytes, "max-message", limits.MessageBytes, "largest message, in `bytes`")
	f.IntVar(&o.limits.Batch, "max-batch", limits.Batch, "most `messages` in one answer")
	f.DurationVar(&o.limits.Hold, "max-hold", limits.Hold, "longest `time` that a poll is held")
	f.DurationVar(&o.limits.WriteTimeout, "write-timeout", limits.WriteTimeout, "a user who takes nothing for this `time` is cut off")
	f.IntVar(&o.maxConnections, "max-connections", 20_000, "most `connections` at a time")
	f.StringArrayVar(&o.limits.Origins, "allow-origin", nil, "`origin` whose pages may send and connect, like https://chat.example; may be repeated")
	f.StringVar(&o.results, "results", "results", "`directory` whose runs are shown at /results")
	f.BoolVar(&o.untilEOF, "until-eof", false, "stop when standard input ends")
	f.DurationVar(&o.slow.Burn, "debug-burn", 0, "waste this `time` of CPU for each answer and frame")
	f.DurationVar(&o.slow.Delay, "debug-delay", 0, "wait for this `time` before each answer and frame")
	for _, hidden := range []string{
		"until-eof",                 // for a parent that must not leave its server behind
		"debug-burn", "debug-delay", // for whoever wants to see a check fail
	} {
		_ = f.MarkHidden(hidden) // fails only for unknown flags
	}
}

// listenAddress returns where to listen, with loopback for a host that isn't there. flag is the one
// that says it.
func listenAddress(flag, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return "", fmt.Errorf("bad --%s %q: write it like 127.0.0.1:8080", flag, address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// server makes the server that the flags describe, without its store.
func (o *serveOptions) server(log *slog.Logger) (*server.Server, error) {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"retention", int64(o.retention)},
		{"max-message", int64(o.limits.MessageBytes)},
		{"max-batch", int64(o.limits.Batch)},
		{"max-hold", int64(o.limits.Hold)},
		{"write-timeout", int64(o.limits.WriteTimeout)},
		{"max-connections", int64(o.maxConnections)},
	} {
		if f.value <= 0 {
			return nil, fmt.Errorf("bad --%s: use more than 0", f.name)
		}
	}
	if err := store.Validate(o.store); err != nil {
		return nil, fmt.Errorf("bad --store: %w", err)
	}
	pages, err := pages(o.limits, o.results)
	if err != nil {
		return nil, err
	}
	s := &server.Server{Limits: o.limits, Connections: o.maxConnections, Slow: o.slow, Log: log, Pages: pages.Handler()}
	return s, s.Validate()
}

func runServe(ctx context.Context, cmd *cobra.Command, opts serveOptions) error {
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	address, err := listenAddress("listen", opts.listen)
	if err != nil {
		return usageError(cmd, err)
	}
	s, err := opts.server(log)
	if err != nil {
		return usageError(cmd, err)
	}
	if info, err := os.Stat(opts.results); cmd.Flags().Changed("results") && (err != nil || !info.IsDir()) {
		return usageError(cmd, fmt.Errorf("bad --results %q: name a directory, as pushpull run fills one", opts.results))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%w: use --listen with another address or port", err)
	}
	if !cmd.Flags().Changed("retention") {
		opts.retention = 0 // what there is already may have one of its own
	}
	kept, err := store.Open(ctx, opts.store, store.Options{Retention: opts.retention, Log: log})
	if err != nil {
		l.Close()
		return err
	}
	s.Store = kept
	if opts.untilEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		cancelAtEOF(cmd.InOrStdin(), cancel)
	}
	// The kernel accepts from here on. Standard output is not buffered.
	fmt.Fprintf(cmd.OutOrStdout(), "listening on http://%s\n", l.Addr())
	return errors.Join(s.Serve(ctx, l), kept.Close())
}
