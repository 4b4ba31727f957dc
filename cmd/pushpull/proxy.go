package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushpull/loadgen/proxy"
	"pushpull/transports/typo"
)

// newProxyCommand returns the command that runs a proxy. A run starts it between its users and a server.
func newProxyCommand() *cobra.Command {
	var front proxy.Front
	cmd := &cobra.Command{
		Use:       "proxy KIND HOST:PORT",
		Short:     "Run a proxy before a server, until standard input ends",
		Long:      "Run a proxy before a server, until standard input ends.\n\n" + aboutProxies(),
		Hidden:    true,
		Args:      operands,
		ValidArgs: proxy.Names(),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, ok := proxy.Find(args[0])
			if !ok {
				return usageError(typo.Unknown("proxy", args[0], proxy.Names()))
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			cancelAtEOF(cmd.InOrStdin(), cancel)
			front.Server = args[1]
			return kind.Serve(ctx, front, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	grouped(cmd.Flags(), groupServers, func(f *pflag.FlagSet) {
		f.StringVar(&front.Certificate, "cert", "", "`FILE` certificate and key, to speak TLS")
	})
	return cmd
}

// proxyCommand returns the arguments that start this binary as a proxy, which ends with its parent. The server's host and port
// must follow.
func proxyCommand(kind string) []string { return []string{os.Args[0], "proxy", kind} }

// aboutProxies lists the kinds of proxies for help.
func aboutProxies() string {
	var lines strings.Builder
	width := 0
	for _, name := range proxy.Names() {
		width = max(width, len(name))
	}
	for _, kind := range proxy.Kinds() {
		fmt.Fprintf(&lines, "  %-*s  %s\n", width, kind.Name, kind.About)
	}
	return strings.TrimSuffix(lines.String(), "\n")
}
