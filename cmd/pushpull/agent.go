package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/agent"
	"pushpull/report/text"
)

// natsVariable is the environment variable by which a run gives its agents the address of NATS, with the token. Unlike
// arguments, other users of the machine can't read it.
const natsVariable = "PUSHPULL_NATS"

// aboutNATS is the part of a command's help on how to reach NATS.
const aboutNATS = `The URL of NATS is like nats://HOST:4222, or tls://HOST:4222; several servers of a cluster have commas
between them. It may hold a user and a password, or a token, which nothing shows. --nats-creds names the file
of a user of NATS, --nats-nkey that of an nkey's seed, --nats-ca certificates (PEM) of authorities to trust
in place of those of the system, and --nats-cert and --nats-key the certificate of this client. --nats-context takes
all of it from a context of NATS's own command line (nats context ls). The user needs the subjects pushpull.>, $SRV.> and
_INBOX.>, and no streams.`

// placeOptions are the flags that say where NATS is, and how to be let in.
type placeOptions struct {
	agent.Place
	context string                 // that Place is of; empty: of none
	given   func(flag string) bool // reports whether a flag was
}

func (o *placeOptions) addFlags(f *pflag.FlagSet) {
	o.given = f.Changed
	f.StringVar(&o.URL, "nats", "", "`URL` the NATS server where agents wait, like nats://HOST:4222")
	f.StringVar(&o.Creds, "nats-creds", "", "`FILE` user of NATS")
	f.StringVar(&o.NKey, "nats-nkey", "", "`FILE` seed of an nkey for NATS")
	f.StringVar(&o.CA, "nats-ca", "", "`FILE` certificates to trust for NATS")
	f.StringVar(&o.Cert, "nats-cert", "", "`FILE` certificate of this client for NATS")
	f.StringVar(&o.Key, "nats-key", "", "`FILE` private key of --nats-cert")
	f.Var(&value[string]{&o.context, o.readContext, func(name string) string { return name }, "string"}, "nats-context", "`NAME` context of the command line of NATS, in place of --nats and these flags")
}

// insteadOfContext are the flags that a context stands for.
var insteadOfContext = []string{"nats", "nats-creds", "nats-nkey", "nats-ca", "nats-cert", "nats-key"}

// once returns an error if a context would say again what other flags do.
func (o *placeOptions) once() error {
	if slices.ContainsFunc(insteadOfContext, o.given) {
		return errors.New("--nats-context says all that --nats and its other flags do: leave out either")
	}
	return nil
}

// readContext takes the place from a context.
func (o *placeOptions) readContext(name string) (string, error) {
	if err := o.once(); err != nil { // before the place of those flags is lost
		return "", err
	}
	p, err := agent.PlaceOf(name)
	if err != nil {
		return "", err
	}
	o.Place = p
	return name, nil
}

// flags returns the flags by which other processes find the place.
func (o *placeOptions) flags() string {
	if o.context != "" {
		return "--nats-context " + o.context
	}
	return "--nats " + o.Shown()
}

// validate checks the flags.
func (o *placeOptions) validate() error {
	if o.context != "" {
		if err := o.once(); err != nil {
			return err
		}
	}
	if o.URL == "" {
		if o.Creds+o.NKey+o.CA+o.Cert+o.Key != "" {
			return errors.New("--nats-creds, --nats-nkey, --nats-ca, --nats-cert and --nats-key are for --nats: add it")
		}
		return nil
	}
	for one := range strings.SplitSeq(o.URL, ",") {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(one), "://")
		if known := strings.Contains(" nats tls ws wss ", " "+scheme+" "); !ok || !known || rest == "" || strings.ContainsAny(rest, " ?") {
			if o.context != "" {
				return fmt.Errorf("bad --nats-context %q: its url is %q: write it like nats://HOST:4222", o.context, o.Shown())
			}
			return fmt.Errorf("bad --nats %q: write it like nats://HOST:4222", o.Shown())
		}
	}
	if (o.Cert == "") != (o.Key == "") {
		return errors.New("--nats-cert and --nats-key belong together: name both files, or neither")
	}
	for flag, file := range map[string]string{
		"nats-creds": o.Creds, "nats-nkey": o.NKey, "nats-ca": o.CA, "nats-cert": o.Cert, "nats-key": o.Key,
	} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("bad --%s: %w", flag, err)
		}
	}
	return nil
}

type agentOptions struct {
	place    placeOptions
	from     string // the environment variable that holds the URL of place instead
	name     string
	untilEOF bool
}

func newAgentCommand() *cobra.Command {
	var opts agentOptions
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run a load generator that waits for work",
		Long: `Run a load generator that waits at NATS for work, until SIGINT, SIGTERM or SIGHUP. A run with --agents on any
machine gives it users: pushpull run --nats nats://HOST:4222 --agents 6.

Once it can be found, it prints a line like "listening on nats://HOST:4222", and then its name and what it may
have. Runs that claim and release it are logged to standard error. One run has an agent at a time. The agent and the
run must be the same version of pushpull. An agent that does not hear of its run for ` + agent.Silence.String() + ` gives it up, and waits for
the next one. One that loses NATS waits until it is back. The users of an agent connect from its machine, so
the server that is measured must be within reach of it: pushpull run --target http://HOST:8080.

` + aboutNATS + `

nats micro info pushpull-agent, of the command line of NATS, lists the agents.`,
		Example: `  pushpull agent --nats nats://10.0.0.7:4222
  pushpull agent --nats tls://nats.example:4222 --nats-creds load.creds --name rack-2`,
		Args: operands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAgent(cmd.Context(), cmd, opts)
		},
	}
	grouped(cmd.Flags(), groupAgents, opts.place.addFlags, func(f *pflag.FlagSet) {
		f.StringVar(&opts.name, "name", "", "`NAME` of the agent in reports (default its process id)")
		f.StringVar(&opts.from, "nats-from", "", "`VARIABLE` environment variable with the URL of --nats, which others can't see as they can see arguments")
		f.BoolVar(&opts.untilEOF, "until-eof", false, "stop when standard input ends")
	})
	_ = cmd.Flags().MarkHidden("until-eof") // to end with the process that started the agent
	return cmd
}

func runAgent(ctx context.Context, cmd *cobra.Command, opts agentOptions) error {
	switch {
	case opts.from != "" && opts.place.URL != "":
		return usageError(errors.New("--nats-from names what --nats and --nats-context do: use one of them"))
	case opts.from != "":
		if opts.place.URL = os.Getenv(opts.from); opts.place.URL == "" {
			return usageError(fmt.Errorf("bad --nats-from %q: set that environment variable to the URL", opts.from))
		}
	case opts.place.URL == "":
		return usageError(errors.New("--nats is missing: write --nats nats://HOST:4222, or --nats-context NAME"))
	}
	if err := opts.place.validate(); err != nil {
		return usageError(err)
	}
	if name := opts.name; name != "" && (len(name) > 100 || text.Name(name) != name) {
		return usageError(fmt.Errorf("bad --name %q: use at most 100 letters and digits", name))
	}
	conn, done, err := agent.Connect(opts.place.Place, "pushpull agent "+opts.name)
	if err != nil {
		return err
	}
	defer done()
	level := slog.LevelInfo
	if opts.untilEOF {
		level = slog.LevelWarn // its parent reports what it does
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		cancelAtEOF(cmd.InOrStdin(), cancel)
	}
	o := agent.Options{
		Name: opts.name, Version: revision(),
		Logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level})),
	}
	var printing error
	err = agent.Serve(ctx, conn, o, func(name string) {
		files, _ := loadgen.Descriptors()
		fmt.Fprintf(cmd.OutOrStdout(), "listening on %s\nagent %s: %s, %s\n", opts.place.Shown(), name,
			text.Plural(runtime.GOMAXPROCS(0), "core", "cores"), text.Plural(files, "open file", "open files"))
		printing = flush(cmd.OutOrStdout())
	})
	if printing != nil {
		return fmt.Errorf("printing where the agent waits: %w", printing)
	}
	return err
}
