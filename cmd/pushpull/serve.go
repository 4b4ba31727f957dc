package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/transports"
	"pushpull/transports/server"
	"pushpull/transports/store"
)

// storeVariable is the environment variable by which a run gives its servers the address of their store.
// Unlike arguments, other users of the machine can't read it.
const storeVariable = "PUSHPULL_STORE"

type serveOptions struct {
	listen         string
	store          string
	storeFrom      string // the environment variable that holds store instead
	securing       securing
	token          string
	tokenFrom      string // the environment variable that holds token instead
	retention      int
	maxRooms       int
	roomIdle       time.Duration
	maxLog         int
	limits         transports.Limits
	maxConnections int
	untilEOF       bool
	slow           server.Slowness
	results        string
	pprof          profilesOptions
}

func newServeCommand() *cobra.Command {
	var opts serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server alone, with its pages",
		Long: `Run the server alone, until SIGINT, SIGTERM or SIGHUP. The page at its address lets you try the
transports, and /results shows the runs in --results.

Once it accepts connections, it prints a line like "listening on http://127.0.0.1:8080". Warnings
go to standard error. On a signal the server answers held polls, closes WebSockets and ends within
5 seconds; on a second SIGINT or SIGTERM it ends at once, with exit code 1.

--store names the store of the messages:

` + store.Usage() + `

--tls serves https and wss alone. Without --cert and --key a certificate is made for localhost, the
addresses of loopback and the host of --listen; with 0.0.0.0 for all names and addresses of this
machine. A second line then prints its file, like "certificate in /tmp/pushpull-1/certificate.pem",
for pushpull run --target https://... --ca FILE, curl --cacert FILE or a browser. It is removed when
the server ends.

Without --token everybody who reaches the server is served. With it a request needs the header
Authorization: Bearer TOKEN, or ?token=TOKEN in its address, as browsers' WebSockets and EventSources
can send no header; else the answer is 401. A page opened with ?token=TOKEN gets a cookie, so that
its links work. GET /healthz needs none. Others on this machine can see arguments: --token-from names
an environment variable instead. Beyond loopback a token needs --tls, here or at a proxy, or whoever
listens on the way has it. Keep --pprof from others, as it asks for no token.

The server listens beyond loopback only if --listen names the address, such as 0.0.0.0:8080. On loopback it
answers only requests whose Host is a name or address of loopback, the host of --listen or that of an
--allow-origin, as the page of any site can let its name lead to loopback. A proxy on this machine
that passes its public Host on needs --allow-origin https://chat.example here, or there:
proxy_set_header Host localhost;

--pprof serves CPU and heap profiles of the server on a port of its own, and prints where in a
second line, like "profiles on http://127.0.0.1:6060/debug/pprof/". Whoever reaches that port can
slow down the server and look into its memory, so keep it on loopback.

Users don't see the errors of the store. They are logged, each at most once a second.`,
		Example: `  pushpull serve
  pushpull serve --listen 0.0.0.0:8080 --store sqlite:chat.db
  pushpull serve --listen 0.0.0.0:8443 --tls --token-from PUSHPULL_TOKEN`,
		Args: operands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(cmd.Context(), cmd, opts)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *serveOptions) addFlags(f *pflag.FlagSet) {
	limits := transports.Limits{}.WithDefaults()
	grouped(f, groupServers, func(f *pflag.FlagSet) {
		f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`ADDRESS` where to listen; the default host is loopback, port 0 is any free one")
		f.StringVar(&o.store, "store", store.Default, "`ADDRESS` where to keep messages, see below")
		f.StringVar(&o.storeFrom, "store-from", "", "`VARIABLE` environment variable with the address of the store")
		o.securing.addFlags(f)
		f.StringVar(&o.token, "token", "", "`TOKEN` what a client must know: letters, digits and - . _ ~ + / =")
		f.StringVar(&o.tokenFrom, "token-from", "", "`VARIABLE` environment variable with the token, which others can't see as they can see arguments")
		f.StringArrayVar(&o.limits.Origins, "allow-origin", nil, "`ORIGIN` a site whose pages may send and connect, and whose host is served, like https://chat.example; may be repeated")
		f.StringVar(&o.results, "results", "results", "`DIR` runs that are shown at /results")
		o.pprof.addFlag(f)
		f.BoolVar(&o.untilEOF, "until-eof", false, "stop when standard input ends")
		durationVar(f, &o.slow.Burn, "debug-burn", 0, "`TIME` waste so much CPU for each response and frame")
		durationVar(f, &o.slow.Delay, "debug-delay", 0, "`TIME` wait so long before each response and frame")
	})
	grouped(f, groupLimits, func(f *pflag.FlagSet) {
		intVar(f, &o.retention, "retention", transports.DefaultRetention, "`N` messages that a room keeps; the oldest are removed")
		intVar(f, &o.maxRooms, "max-rooms", 50_000, "`N` most rooms that messages are sent to; messages to others are refused")
		durationVar(f, &o.roomIdle, "room-idle", transports.DefaultIdle, "`TIME` a room that nobody writes to or reads for so long leaves memory, and makes room for another one")
		intVar(f, &o.maxLog, "max-log", transports.DefaultBytes, "`BYTES` most bytes of all messages in memory, beyond which the oldest of the largest rooms are removed, or of a SQLite file, if given")
		intVar(f, &o.limits.MessageBytes, "max-message", limits.MessageBytes, "`BYTES` size of the largest message")
		intVar(f, &o.limits.Batch, "max-batch", limits.Batch, "`N` most messages in one response")
		durationVar(f, &o.limits.Hold, "max-hold", limits.Hold, "`TIME` longest time that a poll is held")
		durationVar(f, &o.limits.MinScan, "min-scan", limits.MinScan, "`TIME` shortest scan interval of a held poll; shorter ones are refused")
		intVar(f, &o.limits.Frames, "max-frames", limits.Frames, "`N` most frames a second that a user may send on a WebSocket; one that sends more is held back, then cut off")
		durationVar(f, &o.limits.WriteTimeout, "write-timeout", limits.WriteTimeout, "`TIME` a client that takes longer to read an answer is cut off")
		durationVar(f, &o.limits.Heartbeat, "heartbeat", limits.Heartbeat, "`TIME` between two pings on a WebSocket, or comments in a stream of events; a connection ends after two without an answer")
		intVar(f, &o.maxConnections, "max-connections", 20_000, "`N` most connections at a time; fewer if ulimit -n allows no more")
	})
	for _, hidden := range []string{
		"until-eof", "store-from", // to end with the process that started the server, and to hide its password
		"debug-burn", "debug-delay", // to make a check fail
	} {
		_ = f.MarkHidden(hidden) // fails only for unknown flags
	}
}

// listenAddress returns the address to listen on, with loopback for a missing host. flag is the name
// of the flag, for the error.
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

// server returns the server that the flags describe, without its store.
func (o *serveOptions) server(f *pflag.FlagSet, logger *slog.Logger) (*server.Server, error) {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"retention", int64(o.retention)},
		{"max-rooms", int64(o.maxRooms)},
		{"room-idle", int64(o.roomIdle)},
		{"max-log", int64(o.maxLog)},
		{"max-message", int64(o.limits.MessageBytes)},
		{"max-batch", int64(o.limits.Batch)},
		{"max-hold", int64(o.limits.Hold)},
		{"min-scan", int64(o.limits.MinScan)},
		{"max-frames", int64(o.limits.Frames)},
		{"write-timeout", int64(o.limits.WriteTimeout)},
		{"heartbeat", int64(o.limits.Heartbeat)},
		{"max-connections", int64(o.maxConnections)},
	} {
		if f.value <= 0 {
			return nil, fmt.Errorf("bad --%s: use more than 0", f.name)
		}
	}
	if err := store.Validate(o.store); err != nil {
		return nil, fmt.Errorf("bad --store: %w", err)
	}
	pages, err := pages(o.results)
	if err != nil {
		return nil, err
	}
	connections := o.maxConnections
	if !f.Changed("max-connections") {
		connections = 0 // as many as the process may have, without a warning if that is almost the default
	}
	host, _, _ := net.SplitHostPort(o.listen) // listenAddress has checked it
	if err := o.securing.validate(); err != nil {
		return nil, err
	}
	token, err := o.secret(f)
	if err != nil {
		return nil, err
	}
	s := &server.Server{Limits: o.limits, Token: token, Hosts: []string{host}, Connections: connections, Rooms: o.maxRooms, RoomIdle: o.roomIdle, Slow: o.slow, Logger: logger, Pages: pages.Handler()}
	return s, s.Validate()
}

// secret returns the token; "": none is asked for.
func (o *serveOptions) secret(f *pflag.FlagSet) (string, error) {
	switch {
	case f.Changed("token") && f.Changed("token-from"):
		return "", errors.New("--token and --token-from name the same: use one of them")
	case !f.Changed("token-from"):
		return o.token, nil
	}
	token := os.Getenv(o.tokenFrom)
	if token == "" {
		return "", fmt.Errorf("bad --token-from %q: set that environment variable to the token", o.tokenFrom)
	}
	return token, nil
}

func runServe(ctx context.Context, cmd *cobra.Command, opts serveOptions) error {
	logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	address, err := listenAddress("listen", opts.listen)
	if err != nil {
		return usageError(err)
	}
	if opts.storeFrom != "" {
		opts.store = os.Getenv(opts.storeFrom)
	}
	s, err := opts.server(cmd.Flags(), logger)
	if err != nil {
		return usageError(err)
	}
	profiles, stopProfiles, err := opts.pprof.serve(cmd.Flags())
	if err != nil {
		return err
	}
	defer stopProfiles()
	if info, err := os.Stat(opts.results); cmd.Flags().Changed("results") && (err != nil || !info.IsDir()) {
		return usageError(fmt.Errorf("bad --results %q: name a directory with results of pushpull run", opts.results))
	}
	host, _, _ := net.SplitHostPort(address)
	secure, certificate, removeCertificate, err := opts.securing.open(host)
	if err != nil {
		return err
	}
	s.TLS = secure
	defer removeCertificate()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%w: use --listen with another address or port", err)
	}
	if !cmd.Flags().Changed("retention") {
		opts.retention = 0 // an existing log keeps the retention it has
	}
	if !cmd.Flags().Changed("max-log") {
		opts.maxLog = 0 // a file may fill its disk
	}
	kept, err := store.Open(ctx, opts.store, transports.StoreOptions{
		Retention: opts.retention, Bytes: int64(opts.maxLog), Idle: opts.roomIdle, Logger: logger,
	})
	if err != nil {
		l.Close()
		return err
	}
	s.Store = kept
	scheme := "http"
	if s.TLS != nil {
		scheme = "https"
	}
	lines := fmt.Sprintf("listening on %s://%s\n%s", scheme, l.Addr(), profiles)
	if certificate != "" {
		lines += fmt.Sprintf("certificate in %s\n", certificate)
	}
	if opts.untilEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		cancelAtEOF(cmd.InOrStdin(), cancel)
	}
	// The kernel accepts from here on.
	fmt.Fprint(cmd.OutOrStdout(), lines)
	if err := flush(cmd.OutOrStdout()); err != nil {
		l.Close()
		return errors.Join(fmt.Errorf("printing the address: %w", err), kept.Close())
	}
	return errors.Join(s.Serve(ctx, l), kept.Close())
}
