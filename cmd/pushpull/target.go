package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/transports"
)

// aboutURLs is the part of a command's help on the URLs of running servers.
const aboutURLs = `The URL of a running server may hold credentials, which every request carries (Basic), and a
query, which is added to that of every request. No file, page or message shows them. The server
is asked for GET /healthz before anything is measured; if that redirects, to https or a path,
the users ask the server that it leads to, and the report names both. --ca names a file with
certificates (PEM) of authorities to trust besides those of the system.`

// A target is a running server that a flag names.
type target struct {
	asked string   // its address, as it may be shown
	url   *url.URL // the address that its users ask: the same, or the one that it redirects to
	led   string   // the latter, as it may be shown; empty: the address doesn't redirect

	authorities *x509.CertPool // nil: those of the system
	pem         []byte         // of those besides the system's
}

// isURL reports whether the value of a flag is meant as the URL of a running server.
func isURL(named string) bool { return strings.Contains(named, "://") }

// reach returns the running server at the address in a flag, and checks that it answers.
func reach(ctx context.Context, flag, address string, authorities *x509.CertPool) (*target, error) {
	asked := transports.Redacted(address)
	u, err := loadgen.ParseTarget(address)
	if err != nil {
		return nil, exitWith(exitUsage, "bad --%s %q: %w", flag, asked, err)
	}
	t := &target{asked: asked, authorities: authorities}
	if t.url, err = loadgen.Reach(ctx, u, authorities); err != nil {
		return nil, err
	}
	if t.url.String() != u.String() {
		t.led = transports.Redacted(t.url.String())
	}
	return t, nil
}

// side returns the side of a run that measures the target.
func (t *target) side() loadgen.Side {
	return loadgen.Side{Target: t.url, Authorities: t.authorities, AuthoritiesPEM: t.pem, Program: new(loadgen.Program)}
}

// describe enters the target into the scenario that a result keeps. A nil target is none.
func (t *target) describe(s *result.Scenario) {
	if t != nil {
		targets{t}.describe(s)
	}
}

// authorities reads the file of --ca. It returns nil, the authorities of the system, if there is none.
func authorities(file string) (*x509.CertPool, error) {
	pool, _, err := readAuthorities(file)
	return pool, err
}

// readAuthorities is authorities. It returns the content of the file, too.
func readAuthorities(file string) (*x509.CertPool, []byte, error) {
	if file == "" {
		return nil, nil, nil
	}
	const most = 16 << 20 // bytes: hundreds of authorities take 200 KB
	wrong := func(err error) (*x509.CertPool, []byte, error) {
		return nil, nil, exitWith(exitUsage, "bad --ca: %w: name a file with certificates in PEM form", err)
	}
	f, err := os.Open(file)
	if err != nil {
		return wrong(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err := cmp.Or(err, f.Close()); err != nil {
		return wrong(err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // there is no other authority than those of the file
	}
	if !pool.AppendCertsFromPEM(text) {
		return wrong(fmt.Errorf("%s holds no certificate", file))
	}
	return pool, text, nil
}

var errNoURL = errors.New("--ca is for servers at a URL: leave it out")

// shown returns the value of a flag that names a server or a store as it may be shown. The name of a
// program or a file, as --base takes, is no address.
func shown(named string) string {
	if !isURL(named) {
		if _, err := exec.LookPath(named); err == nil {
			return named
		}
		if _, err := os.Lstat(named); err == nil {
			return named
		}
	}
	return transports.Redacted(named)
}

// addresses matches what is an address wherever it stands in a command line: a URL, or a part of one that
// holds user:password@host or a query. A transport like short-poll@5s is none.
var addresses = regexp.MustCompile(`://|(:|//)[^@]*@|\?.*=`)

// redact takes the secrets of addresses in args out of a text that may repeat them, as the errors of
// flags and of files do. An address may have come to a flag or place where none belongs.
func redact(text string, args []string) string {
	for _, arg := range args {
		words := []string{arg}
		if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
			words = append(words, value)
		}
		for _, word := range slices.Clip(words) {
			if strings.Contains(word, ",") { // a list of addresses
				words = append(words, strings.Split(word, ",")...)
			}
		}
		for _, word := range words {
			visible := shownPlace(word)
			if !addresses.MatchString(word) || strings.HasPrefix(word, "-") || visible == word {
				continue
			}
			quoted := strconv.Quote(word)
			text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], visible)
			if _, where, ok := strings.Cut(word, "="); ok && isPlace(word) {
				word, _, _ = cutPID(where)
			}
			text = transports.SecretsOf(word).Redact(text)
		}
	}
	return text
}
