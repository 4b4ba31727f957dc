package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/loadgen/wire"
	"pushpull/report/text"
	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/dialect/servers"
	"pushpull/transports/typo"
)

// Limits of a trial. Together they keep it below a quarter of a minute.
const (
	trialJoin  = 4 * time.Second        // for a user to join
	trialCalm  = 250 * time.Millisecond // between the last step of joining and the message
	trialHear  = 5 * time.Second        // for the message to come and to be acknowledged
	trialTwice = 200 * time.Millisecond // for the message to come once more
	trialEvery = 200 * time.Millisecond // between polls, unless --transport names another time
)

type dialectTryOptions struct {
	against, transport, ca string
}

func newDialectTryCommand() *cobra.Command {
	var opts dialectTryOptions
	cmd := &cobra.Command{
		Use:   "try FILE|NAME --against WHERE",
		Short: "Send one message through a dialect, and show each step",
		Long: `Try a dialect on a server: two users join a room, one of them says a message, and the other one
listens. Each step is shown: what was sent, what came, and which rule of the dialect took it. The
last line says whether the message came back, and was acknowledged, or which rule is missing.

FILE is the path of a dialect, NAME the name of a built-in one. WHERE is a URL, or a command that
starts the server, as for pushpull run. Bodies are shortened; secrets of the URL, of headers, and of
variables of the environment are not shown. It takes at most a quarter of a minute.

Exit codes: 0 the message came back, and was acknowledged if the server does that; 1 it did not;
2 wrong usage, or a bad file.`,
		Example: `  pushpull dialect try ./mine.yaml --against http://127.0.0.1:9000
  pushpull dialect try nchan --against http://127.0.0.1:8900 --transport sse`,
		Args: operands,
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			found, _ := begun(once(args, builtinDialects()), typed)
			return found, cobra.ShellCompDirectiveDefault // or a file
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runDialectTry(cmd.Context(), cmd, opts, args[0]) },
	}
	grouped(cmd.Flags(), groupServers, func(f *pflag.FlagSet) {
		f.StringVar(&opts.against, "against", "", "`WHERE` the server: its URL, or a command that starts it")
		f.StringVar(&opts.transport, "transport", "", "`TRANSPORT` which one, like long-poll (default the first of the dialect)")
		f.StringVar(&opts.ca, "ca", "", "`FILE` certificates to trust, for a URL")
	})
	return cmd
}

func runDialectTry(ctx context.Context, cmd *cobra.Command, opts dialectTryOptions, named string) error {
	d, err := opts.dialect(named)
	if err != nil {
		return usageError(err)
	}
	if opts.against == "" {
		return usageError(errors.New("a trial needs --against: the URL of the server, or a command that starts it"))
	}
	side := loadgen.Side{Name: d.About().Name, Dialect: d}
	if err := locate(&side, opts.against); err != nil {
		return exitWith(exitUsage, "bad --against %q: %w", shownWhere(opts.against), err)
	}
	spec, err := trialSpec(d, opts.transport)
	if err != nil {
		return usageError(err)
	}
	if err := speaks(d, spec); err != nil {
		return usageError(err)
	}
	if side.Authorities, err = authorities(opts.ca); err != nil {
		return err
	}
	if err := reachForeign(ctx, &side); err != nil {
		return err
	}
	t := &trial{
		out: cmd.OutOrStdout(), spec: spec, dialect: d, room: "try-" + strings.ToLower(rand.Text()[:8]), begun: time.Now(), last: time.Now(),
		secrets: trialSecrets(named, opts.against),
	}
	if side.Target == nil {
		server, err := side.Start(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = server.Stop() }() // the trial is over
		side.Target = server.Base
	}
	t.dialer = wire.NewDialer(side.Target, &wire.Counts{})
	t.dialer.Trust(side.Authorities)
	fmt.Fprintf(t.out, "%s/%s at %s, in the room %s\n\n", text.Clean(d.About().Name), spec, transports.Redacted(side.Target.String()), t.room)
	said, err := t.run(ctx)
	if err != nil {
		return errors.New(t.hide(err.Error()))
	}
	_, err = fmt.Fprintf(t.out, "\n%s\n", said)
	return err
}

// dialect returns the built-in dialect of that name, or that of a file.
func (o *dialectTryOptions) dialect(named string) (dialect.Dialect, error) {
	if slices.Contains(servers.Names(), named) {
		return servers.Find(named)
	}
	known, err := (&dialectOptions{files: []string{named}}).open()
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(named, `./\`) {
		return nil, typo.Unknown("dialect", named, servers.Names())
	}
	if err != nil {
		return nil, err
	}
	return known.read[0], nil
}

// trialSpec returns the transport of a trial. Users that poll on a timer do so often, unless it says how often.
func trialSpec(d dialect.Dialect, named string) (string, error) {
	if named == "" {
		named = waysOf(d)[0]
	}
	client, err := dialect.Client(d, named)
	if err != nil {
		return "", fmt.Errorf("bad --transport: %w", err)
	}
	if client.Way().Every > 0 && !strings.Contains(named, "@") {
		named += "@" + trialEvery.String()
	}
	return named, nil
}

// trialSecrets returns what a trial must not show: the secrets of an address, and the values of the variables of the
// environment that a dialect names.
func trialSecrets(named, address string) *trialHidden {
	h := &trialHidden{address: transports.SecretsOf(strings.SplitN(address, ",pid=", 2)[0])}
	source, err := servers.Source(named)
	if err != nil {
		source, _ = os.ReadFile(named) // it was read before
	}
	for _, found := range variables.FindAllSubmatch(source, -1) {
		if value := os.Getenv(string(found[1])); len(value) > 3 { // a shorter one is no secret, and part of many words
			h.values = append(h.values, value, hidden)
		}
	}
	return h
}
