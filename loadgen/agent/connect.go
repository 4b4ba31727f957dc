package agent

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A Place is a NATS server, or several of a cluster, and how to be let in.
type Place struct {
	URL       string // like nats://HOST:4222, also several with commas; it may hold a user and password, or a token
	Creds     string // file with a user's JWT and seed; empty: none
	NKey      string // file with the seed of an nkey; empty: none
	CA        string // file with the authorities of the server, PEM; empty: those of the system
	Cert, Key string // files with the certificate of this client and its private key, PEM; empty: none

	// What only contexts have (PlaceOf); empty: none.
	User, Password string
	Token          string
	JWT, Seed      string // of a user
	InboxPrefix    string // of the subjects of answers; empty: _INBOX
	TLSFirst       bool   // TLS begins before the server says anything
}

// Connect connects to NATS. If the connection breaks, it is made again, without an end. The caller must call done, which
// closes it.
func Connect(p Place, name string) (conn *nats.Conn, done func(), err error) {
	var handlers sync.WaitGroup
	handlers.Add(1)
	options := []nats.Option{
		nats.Name(name),
		nats.Timeout(answerTime * 3),
		nats.PingInterval(answerTime), // a link that is cut is found by it
		nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.ReconnectBufSize(-1),                                         // requests are repeated: what can't be sent now must not be sent later
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // what is lost is asked for again
		nats.ClosedHandler(func(*nats.Conn) { handlers.Done() }),
	}
	letIn, err := p.options()
	if err != nil {
		return nil, nil, err
	}
	options = append(options, letIn...)
	if conn, err = nats.Connect(p.URL, options...); err != nil {
		if bad, ok := errors.AsType[*url.Error](err); ok {
			err = bad.Err // the address may hold a password
		}
		hint := ""
		if errors.Is(err, nats.ErrNoServers) {
			hint = ": start nats-server there, or name another one"
		}
		return nil, nil, fmt.Errorf("connecting to NATS at %s: %w%s", withoutUser(p.URL), err, hint)
	}
	return conn, func() {
		conn.Close()
		handlers.Wait()
	}, nil
}

// withoutUser returns addresses without the users, passwords and tokens in them.
func withoutUser(addresses string) string {
	var all []string
	for address := range strings.SplitSeq(addresses, ",") {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(address), "://")
		if !ok {
			scheme, rest = "nats", address
		}
		all = append(all, scheme+"://"+rest[strings.LastIndex(rest, "@")+1:])
	}
	return strings.Join(all, ",")
}

// Shown returns the addresses of p as they may be shown.
func (p Place) Shown() string { return withoutUser(p.URL) }
