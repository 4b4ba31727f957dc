package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pushpull/loadgen/input"
	"pushpull/loadgen/proxy"
	"pushpull/transports/typo"
)

// aboutAccess is the part of a command's help on how users reach the servers, of a command that compares nothing.
var aboutAccess = `--tls makes the servers that are started speak TLS, with a certificate that is made for the measurement and that
users trust alone. Users that join again resume the sessions of before. --http 2 makes each user speak HTTP/2 on one
connection, on which there is no WebSocket. --via starts a proxy before each server, a program from the PATH; with --tls
it is the proxy that users speak TLS with. Its CPU and memory are in no figure.

` + aboutProxies()

// accessOptions are the flags that say how users reach the servers: over TLS, through a proxy, by a version of HTTP.
type accessOptions struct {
	several bool // values are compared, so a flag may have several
	tls     string
	via     []string
	http    []string
}

// The values of --tls of a command that compares.
const (
	tlsBoth = "both" // without a value
	tlsOnly = "only"
)

// noProxy is the value of --via for users that connect to the server itself.
const noProxy = "none"

// proxies returns the values of --via.
func proxies() []string { return append([]string{noProxy}, proxy.Names()...) }

// The versions of HTTP that users may speak.
const http1, http2 = "1.1", "2"

func (o *accessOptions) addFlags(f *pflag.FlagSet) {
	about := [...]string{
		"speak TLS between users and servers",
		"`PROXY` a proxy between users and server: " + strings.Join(proxies(), ", "),
		"`VERSION` that users speak, 1.1 (the default) or 2",
	}
	usual, secure, version := tlsOnly, "bool", "version"
	if o.several {
		about[0] = "`both|only` measure with TLS too, beside the same without it, or only with it"
		about[1] += "; repeat it to compare"
		about[2] += "; 1.1,2 compares them"
		usual, secure, version = tlsBoth, "string", "versions"
	}
	f.Var(&value[string]{&o.tls, o.readTLS, func(text string) string { return text }, secure}, "tls", about[0])
	f.Lookup("tls").NoOptDefVal = usual
	f.StringArrayVar(&o.via, "via", nil, about[1])
	f.Var(&value[[]string]{&o.http, o.readHTTP, func(versions []string) string { return strings.Join(versions, ",") }, version}, "http", about[2])
}

func (o *accessOptions) readTLS(text string) (string, error) {
	switch {
	case text == tlsOnly, text == tlsBoth && o.several:
		return text, nil
	case o.several:
		return "", errors.New("write --tls to compare with and without, or --tls=only")
	}
	return "", errors.New("write --tls alone, or leave it out")
}

func (o *accessOptions) readHTTP(text string) ([]string, error) {
	versions, err := input.List(text)
	for i, version := range versions {
		switch {
		case version != http1 && version != http2 && o.several:
			return nil, fmt.Errorf("must be %s, %s or both with a comma, not %q", http1, http2, version)
		case version != http1 && version != http2:
			return nil, fmt.Errorf("must be %s or %s, not %q", http1, http2, version)
		case slices.Contains(versions[:i], version):
			return nil, fmt.Errorf("names %s twice", version)
		case i > 0 && !o.several:
			return nil, errors.New("takes one version: only pushpull run compares them")
		}
	}
	return versions, err
}

// validate checks the flags. own says that pushpull's own servers are measured, and target that they run already.
func (o *accessOptions) validate(own, target bool) error {
	for i, name := range o.via {
		_, ok := proxy.Find(name)
		switch {
		case slices.Contains(o.via[:i], name):
			return fmt.Errorf("--via %s stands there twice: leave out one", name)
		case i > 0 && !o.several:
			return errors.New("--via can be given once: only pushpull run compares proxies")
		case name != noProxy && !ok:
			return fmt.Errorf("bad --via: %w", typo.Unknown("proxy", name, proxies()))
		}
	}
	switch {
	case target && o.tls != "":
		return errors.New("--tls is for servers that are started: leave it out, and write https:// in the address of the running one")
	case target && o.proxied():
		return errors.New("--via is for servers that are started: leave it out, and give the address of the proxy for that of the running server")
	case !own && o.tls != "":
		return errors.New("--tls is for pushpull's own server, which is not measured: leave it out")
	case !own && o.proxied():
		return errors.New("--via is for pushpull's own server, which is not measured: leave it out")
	}
	return nil
}

// proxied reports whether there is a proxy.
func (o *accessOptions) proxied() bool {
	return slices.ContainsFunc(o.via, func(name string) bool { return name != noProxy })
}

// variant returns the only variant of a command that compares nothing.
func (o *accessOptions) variant() variant { return variantsOf(o.choices())[0] }

// choices returns what variants differ in because of the flags.
func (o *accessOptions) choices() []choice {
	secured := []bool{o.tls == tlsOnly}
	if o.tls == tlsBoth {
		secured = []bool{false, true}
	}
	return []choice{
		{"tls", len(secured), func(v *variant, i int) string {
			v.tls = secured[i]
			return map[bool]string{false: "plain", true: "tls"}[v.tls]
		}},
		{"via", max(1, len(o.via)), func(v *variant, i int) string {
			if len(o.via) == 0 || o.via[i] == noProxy {
				return "direct"
			}
			v.via = o.via[i]
			return v.via
		}},
		{"http", max(1, len(o.http)), func(v *variant, i int) string {
			if len(o.http) == 0 {
				return ""
			}
			if o.http[i] != http1 {
				v.http = o.http[i]
			}
			return "http-" + o.http[i]
		}},
	}
}
