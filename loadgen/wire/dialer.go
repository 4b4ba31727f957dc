package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"pushpull/transports"
)

// A Dialer opens the connections of many users to one server, and holds what each of their requests
// carries because of the server's address: the Host, the credentials and the query. It is safe for
// concurrent use once its fields are set.
type Dialer struct {
	Counts *Counts

	// Stream says that a GET opens a stream, as transports.Way.Stream does: an opening that succeeds
	// counts as a handshake, its bytes up to the end of the response's head included.
	Stream bool

	// HTTP2 says that each user makes all its requests on one connection over HTTP/2.
	HTTP2 bool

	// Departures are closed when the users have gone; dialers may share them.
	Departures *Departures

	// Through is the host and port of a relay that passes the connections on to the server; "": they go to the server
	// itself. What requests say, and the name in a TLS handshake, is the server's either way.
	Through string

	// Sources are where connections come from; nil: the system chooses. Dialers to the same destination may share them.
	Sources *Sources

	// Connect opens a connection to a host and port. nil: over TCP, within transports.AnswerTime. A test in
	// virtual time has a network of its own.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)

	base    *url.URL
	address string
	query   string      // without the question mark
	header  string      // lines of every request's header
	tls     *tls.Config // nil for plain HTTP
	http2   func() *http.Transport
	limit   time.Duration // for a connection to be taken, and for a TLS handshake
}

// NewDialer returns a Dialer to the server at an address, like those of ParseAddress, that counts
// into counts.
func NewDialer(address *url.URL, counts *Counts) *Dialer {
	host, port := address.Hostname(), address.Port()
	d := &Dialer{Counts: counts, Departures: &Departures{}, query: address.RawQuery, limit: transports.AnswerTime}
	named, _, _ := strings.Cut(host, "%") // a zone names an interface of this machine alone (RFC 6874, section 1)
	if address.Scheme == "https" {
		// crypto/tls leaves an IP address and the dot at the end of a name out of the SNI (RFC 6066, section 3).
		d.tls = &tls.Config{ServerName: named, NextProtos: []string{"http/1.1"}}
	}
	d.base = &url.URL{Scheme: address.Scheme, Host: named, Path: address.Path, RawPath: address.RawPath}
	if strings.Contains(named, ":") {
		d.base.Host = "[" + named + "]"
	}
	if port != "" {
		d.base.Host += ":" + port
	}
	if d.base.Path == "" {
		d.base.Path = "/"
	}
	d.address = HostPort(address)
	if name, password := credentials(address); name != "" || password != "" {
		pair := base64.StdEncoding.EncodeToString([]byte(name + ":" + password)) // RFC 7617, section 2
		d.header = "Authorization: Basic " + pair + "\r\n"
	}
	d.http2 = sync.OnceValue(d.newTransport)
	return d
}

// HostPort returns the host and port of an address, like those of ParseAddress.
func HostPort(address *url.URL) string {
	port := cmp.Or(address.Port(), map[string]string{"http": "80", "https": "443"}[address.Scheme])
	return net.JoinHostPort(address.Hostname(), port)
}

// Base returns the URL that requests are made for. It holds no secret: the connections add the
// credentials and the query.
func (d *Dialer) Base() *url.URL { return d.base }

// Trust sets the authorities whose certificates are accepted; nil: those of the system. It must be
// called before the Dialer is used.
func (d *Dialer) Trust(authorities *x509.CertPool) {
	if d.tls != nil {
		d.tls.RootCAs = authorities
	}
}

// Counting returns a Dialer to the same server that counts into counts.
func (d *Dialer) Counting(counts *Counts) *Dialer {
	other := *d
	other.Counts = counts
	return &other
}

// connect makes a TCP connection.
func (d *Dialer) connect(ctx context.Context) (net.Conn, error) {
	d.Departures.reset()
	connect := d.Connect
	if connect == nil {
		// A probe of each silent connection every 15 s, which is the default, is no traffic of a user.
		dialer := net.Dialer{Timeout: d.limit, KeepAlive: -1}
		if d.Sources != nil {
			dialer.Control = d.Sources.control
		}
		connect = dialer.DialContext
	}
	plain, err := connect(ctx, "tcp", cmp.Or(d.Through, d.address))
	if err != nil {
		return nil, d.late(ctx, portError(err), "take a connection")
	}
	d.Counts.connections.Add(1)
	return plain, nil
}

// dial makes a connection of a user, who resumes one of the sessions; nil: there are none.
func (d *Dialer) dial(ctx context.Context, user *carried, sessions *Sessions) (*conn, error) {
	plain, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(plain, d.Counts, user)
	if d.tls != nil {
		plain.SetDeadline(time.Now().Add(d.limit)) // until the first exchange sets its own
		secure := c.secure(sessions.config(d.tls))
		if err := secure.HandshakeContext(ctx); err != nil {
			c.close()
			return nil, d.late(ctx, err, "finish the TLS handshake")
		}
		d.Counts.secured(secure.ConnectionState())
	}
	return c, nil
}

// Touch makes a TCP connection to the server and closes it again. It returns the time until the server has taken
// it, which is a round trip. Counts leave it out.
func (d *Dialer) Touch(ctx context.Context) (time.Duration, error) {
	plain := *d
	plain.tls, plain.Counts = nil, &Counts{}
	begun := time.Now()
	c, err := plain.dial(ctx, &carried{}, nil)
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	c.close()
	return took, nil
}

// late returns a *transports.TimeoutError if err means that dialing took too long, else err.
func (d *Dialer) late(ctx context.Context, err error, part string) error {
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() && ctx.Err() == nil {
		return &transports.TimeoutError{Part: part, Limit: d.limit}
	}
	return err
}
