package loadgen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pushpull/loadgen/wire"
	"pushpull/transports"
	"pushpull/transports/dialect"
)

const (
	getTimeout = 5 * time.Second // for a response to GET /healthz or /stats
	mostHops   = 10              // that a target may redirect, as in net/http
	mostStats  = 1 << 20         // bytes of a response to GET /stats
	health     = "/healthz"
)

// ParseTarget parses the address of a running server, as wire.ParseAddress does.
func ParseTarget(address string) (*url.URL, error) { return wire.ParseAddress(address) }

// Reach asks the server at the side's Target for an answer that costs it little, as the function Reach does. That is
// the path that its dialect names; if it names none, a connection is all that is asked for. It returns nil for a side
// with a Command.
func (d *Side) Reach(ctx context.Context) (*url.URL, error) {
	switch path := d.health(); {
	case d.Target == nil:
		return nil, nil
	case path != "":
		return reach(ctx, d.Target, path, d.Authorities, d.Dialect != nil)
	}
	dialer := wire.NewDialer(d.Target, &wire.Counts{})
	dialer.Trust(d.Authorities)
	pool := &wire.Pool{Dialer: dialer}
	defer pool.Close()
	if err := pool.Open(ctx); err != nil {
		err = advise(ctx, d.Target, true, err)
		return nil, d.secrets().RedactError(fmt.Errorf("reaching the server at %s: %w", strings.TrimSuffix(transports.Redacted(d.Target.String()), "/"), err))
	}
	return d.Target, nil
}

// health returns the path of a small answer of the side's servers; "" if none is known.
func (d *Side) health() string { return healthOf(d.Dialect) }

func (w *window) health() string { return healthOf(w.dialect) }

func healthOf(d dialect.Dialect) string {
	if d == nil {
		return health
	}
	return d.About().Health
}

// Reach asks the server at target for GET /healthz, with the connections that users have, and
// returns the address that users are to be given: target, or where it redirects to. authorities are
// those whose certificates are accepted; nil: those of the system.
//
// Credentials and a query that the redirection doesn't replace go along to another port, but to no
// other host, and not from https to http. The error says what to do and holds no secret.
func Reach(ctx context.Context, target *url.URL, authorities *x509.CertPool) (*url.URL, error) {
	return reach(ctx, target, health, authorities, false)
}

// reach is Reach with the path of a small answer, on pushpull's own server or on a foreign one.
func reach(ctx context.Context, target *url.URL, health string, authorities *x509.CertPool, foreign bool) (*url.URL, error) {
	secrets := transports.SecretsOf(target.String())
	at := *target
	if at.Path == "" {
		at.Path = "/" // else JoinPath makes a relative path
	}
	at = *at.JoinPath(health)
	for hop := 0; ; hop++ {
		next, err := knock(ctx, &at, authorities, foreign)
		switch {
		case err != nil:
		case next == nil:
			if hop == 0 {
				return target, nil
			}
			if !strings.HasSuffix(at.EscapedPath(), health) {
				err = fmt.Errorf("it ends there, not at a path that ends in %s: name the server itself", health)
				break
			}
			at.Path, at.RawPath = strings.TrimSuffix(at.Path, health)+"/", strings.TrimSuffix(at.RawPath, health)
			if at.RawPath != "" {
				at.RawPath += "/"
			}
			return &at, nil
		case next.String() == at.String():
			err = errors.New("it redirects to itself: check its configuration")
		case hop == mostHops:
			err = fmt.Errorf("it redirects for the %dth time: name the server that it is to lead to", hop+1)
		}
		if err != nil {
			place := transports.Redacted(target.String())
			if hop > 0 {
				place += ", which redirects to " + transports.Redacted(at.String())
			}
			return nil, secrets.RedactError(fmt.Errorf("reaching the server at %s: %w", strings.TrimSuffix(place, "/"), err))
		}
		at = *next
	}
}

// knock sends one GET to an address and returns nil if the answer is a success, or the address that
// it redirects to.
func knock(ctx context.Context, at *url.URL, authorities *x509.CertPool, foreign bool) (next *url.URL, err error) {
	d := wire.NewDialer(at, &wire.Counts{})
	d.Trust(authorities)
	err = get(ctx, d, d.Base(), getTimeout, func(resp *http.Response) error {
		switch resp.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			next, err = follow(at, resp)
			return err
		}
		return refusalOf(resp)
	})
	if err != nil {
		return nil, advise(ctx, at, foreign, err)
	}
	return next, nil
}

// follow returns the address that a response of the server at an address redirects to
// (RFC 9110, section 10.2.2).
func follow(at *url.URL, resp *http.Response) (*url.URL, error) {
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, fmt.Errorf("the server answered %s without a Location: name the server that it is to lead to", resp.Status)
	}
	bare := *at
	bare.User = nil
	relative, err := url.Parse(location)
	if err == nil {
		relative.Fragment, relative.RawFragment = "", "" // for a page that the address shows
		relative, err = wire.ParseAddress(bare.ResolveReference(relative).String())
	}
	if err != nil {
		return nil, fmt.Errorf("the server answered %s, which leads to %q, no address of a server: name the server that it is to lead to",
			resp.Status, transports.Redacted(location))
	}
	next := relative
	if strings.EqualFold(next.Hostname(), at.Hostname()) && (next.Scheme == "https" || at.Scheme == "http") {
		if next.User == nil {
			next.User = at.User
		}
		if next.RawQuery == "" {
			next.RawQuery = at.RawQuery
		}
	}
	return next, nil
}

// get sends a GET for u on a connection like those of users, which is closed after it, and passes the
// response to read. The limit is that of both.
func get(ctx context.Context, d *wire.Dialer, u *url.URL, limit time.Duration, read func(*http.Response) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &transports.TimeoutError{Part: "answer", Limit: limit})
	defer cancel()
	pool := &wire.Pool{Dialer: d}
	defer pool.Close()
	resp, err := pool.RoundTrip(transports.NewRequest(ctx, http.MethodGet, u, http.Header{}, nil))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return read(resp)
}

// A refusal is the error of a response whose status is not the one that was hoped for.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return r.text }

func refusalOf(resp *http.Response) error {
	return &refusal{resp.StatusCode, fmt.Sprintf("the server answered %s to GET %s", resp.Status, resp.Request.URL.EscapedPath())}
}

// What servers report only on request, as it takes them some time: queries of readStats.
const (
	askProgram = "&program=1" // 100 ms the first time
	askInUse   = "&in-use=1"  // two garbage collections
)

// inUseTimeout is how long a server may take to count its memory in use, with so many users on all servers: each step of
// joining waits for it. Servers that share a machine share its cores: 13 of them took more than two seconds for 250,000.
func inUseTimeout(users int) time.Duration { return time.Duration(2+users/25_000) * time.Second }

// readStats reads the stats of a server, and what the query, made of the constants above, asks for, within a time. It
// returns an error if the server is not a pushpull server.
func readStats(ctx context.Context, d *wire.Dialer, query string, limit time.Duration) (*serverStats, error) {
	var stats serverStats
	u := d.Base().JoinPath("stats")
	u.RawQuery = "rooms=0" + query
	err := get(ctx, d, u, limit, func(resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return refusalOf(resp)
		}
		return json.NewDecoder(io.LimitReader(resp.Body, mostStats)).Decode(&stats)
	})
	if err != nil {
		return nil, err
	}
	if stats.Process.RSSBytes == 0 {
		return nil, errors.New("these are not the stats of a pushpull server")
	}
	return &stats, nil
}

// ProgramAt returns what identifies the program that the pushpull server at an address runs; "" if it doesn't say.
// authorities are as for Reach. The error says that it reports no stats.
func ProgramAt(ctx context.Context, address *url.URL, authorities *x509.CertPool) (string, error) {
	d := wire.NewDialer(address, &wire.Counts{})
	d.Trust(authorities)
	stats, err := readStats(ctx, d, askProgram, getTimeout)
	if err != nil {
		return "", transports.SecretsOf(address.String()).RedactError(err)
	}
	return stats.Process.Program, nil
}

// advise adds to an error of asking the server at an address what a person can do about it.
func advise(ctx context.Context, at *url.URL, foreign bool, err error) error {
	advice := "start it with pushpull serve, or check the URL"
	if foreign {
		advice = "start it, or check the URL"
	}
	code := 0 // of the answer; 0: there was none
	if r, ok := errors.AsType[*refusal](err); ok {
		code = r.code
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case is[x509.UnknownAuthorityError](err):
		advice = "name a file with the certificate of its authority in --ca FILE or SSL_CERT_FILE"
	case is[x509.HostnameError](err):
		advice = "write a name that its certificate has into the URL"
	case expired(err):
		advice = "renew its certificate, or check the clock of this machine"
	case is[*tls.CertificateVerificationError](err):
		advice = "check its certificate, or name one to trust in --ca FILE or SSL_CERT_FILE"
	case is[tls.RecordHeaderError](err):
		advice = "it speaks no TLS on this port, write http:// instead of https://"
	case at.Scheme == "http" && (code == 0 || code == http.StatusBadRequest) && speaksTLS(ctx, at, err):
		advice = "it speaks TLS on this port, write https:// instead of http://"
	case code == http.StatusUnauthorized && at.User == nil:
		advice = "write credentials for this host into the URL, as in " + at.Scheme + "://USER:PASSWORD@HOST"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		advice = "check the credentials and the query of the URL"
	}
	return fmt.Errorf("%w: %s", err, advice)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func expired(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

// speaksTLS reports whether the server at an address, where plain HTTP has met err, answers a TLS
// handshake. Such servers answer plain HTTP in different ways, or not at all.
func speaksTLS(ctx context.Context, at *url.URL, err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false // there is no server
	}
	secure := *at
	secure.Scheme, secure.User, secure.RawQuery = "https", nil, ""
	if secure.Port() == "" {
		secure.Host += ":80" // where http was tried
	}
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	pool := &wire.Pool{Dialer: wire.NewDialer(&secure, &wire.Counts{})}
	defer pool.Close()
	err = pool.Open(ctx)
	return err == nil || is[*tls.CertificateVerificationError](err)
}
