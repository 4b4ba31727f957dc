// Package nats keeps the log of every room in a JetStream stream of a NATS server, which several
// processes may share.
//
// All rooms share one stream and its sequence numbers, so the seqs of a room are not contiguous; see
// placeOf for their tags. A room is a subject. The stream keeps one message per subject more than the log has: if more
// messages than the retention follow a cursor, some have left the log. So an append needs not know
// the message before it, and one request is enough for a read. This relies on direct reads being
// consistent, as they are since version 2.12 of the server.
//
// The package never repeats an append. It refuses streams with replicas, as a replica that is
// behind may answer a direct read. The server syncs to disk every few minutes unless its
// sync_interval says otherwise: acknowledged messages survive a crash of the server, not one of the
// machine.
package nats

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"pushpull/transports"
)

const (
	// DefaultStream is the stream of an address that names none.
	DefaultStream = "PUSHPULL"

	// withinProcess is the address, without its options, of a server that Open starts itself.
	withinProcess = "nats:"

	// answerTimeout is how long a request waits for the server's answer.
	answerTimeout = 3 * time.Second

	// The server disconnects a client that is 64 MiB behind. So maxReads limits the reads under
	// way, and maxBytes the answer to each.
	maxReads, maxBytes = 32, 512 << 10

	// maxRoom is the length of the longest room name in bytes. A longer one would exceed the
	// longest line of the protocol, and the server would close the connection.
	maxRoom = 1024
)

// A Store is a transports.Store in a JetStream stream.
type Store struct {
	transports.Bell
	conn      *nats.Conn
	calls     *calls
	stream    string
	direct    string // the subject of direct reads
	retention uint64
	reads     chan struct{} // holds a value for each read under way
	reached   atomic.Pointer[reached]
	embedded  *Embedded // nil: the server runs elsewhere
	working   sync.WaitGroup
}

var _ transports.Store = (*Store)(nil)

// Open opens the stream at an address like "nats://host:port?stream=NAME", and creates it if it is
// missing. The address may hold a user and password or a token, in the form of NATS. "nats:" starts
// a server within this process; closing the store stops it and removes the log.
//
// A stream that keeps more messages per room than o.Retention is left as it is. One that keeps
// fewer is refused: it could no longer show which messages have left the log.
func Open(ctx context.Context, address string, o transports.StoreOptions) (*Store, error) {
	servers, stream, err := parse(address)
	if err != nil {
		return nil, err
	}
	var embedded *Embedded
	if servers == withinProcess {
		if embedded, err = Embed(address); err != nil {
			return nil, err
		}
		servers = embedded.server.ClientURL()
	}
	s := &Store{
		calls:    &calls{inbox: nats.NewInbox() + ".", open: map[string]*call{}},
		stream:   stream,
		direct:   "$JS.API.DIRECT.GET." + stream,
		reads:    make(chan struct{}, maxReads),
		embedded: embedded,
	}
	s.reached.Store(new(reached))
	if err := s.connect(ctx, servers, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func parse(address string) (servers, stream string, err error) {
	servers, query, _ := strings.Cut(address, "?")
	wrong := func(what string) (string, string, error) {
		return "", "", fmt.Errorf("parsing the address of NATS: %s: use nats://host:4222, nats://host:4222?stream=NAME, or nats: to start a server", what)
	}
	if rest, ok := strings.CutPrefix(servers, "nats:"); !ok || rest != "" && (!strings.HasPrefix(rest, "//") || rest == "//") {
		return wrong("no server")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return wrong("a bad query")
	}
	stream = DefaultStream
	for key, value := range values {
		if key != "stream" {
			return wrong(fmt.Sprintf("unknown option %q", key))
		}
		stream = value[0]
	}
	if stream == "" || strings.Trim(stream, letters) != "" {
		return wrong(fmt.Sprintf("the stream %q is not made of letters, digits, - and _", stream))
	}
	return servers, stream, nil
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// withoutUser returns the host and port of servers, without the password or token before them.
func withoutUser(servers string) string {
	return strings.TrimPrefix(servers[strings.LastIndex(servers, "@")+1:], "nats://")
}

func (s *Store) connect(ctx context.Context, servers string, o transports.StoreOptions) error {
	logger, where := o.WithDefaults().Logger, withoutUser(servers)
	s.working.Add(1)
	conn, err := nats.Connect(servers,
		nats.Name("pushpull"),
		nats.Timeout(answerTimeout),
		nats.FlusherTimeout(answerTimeout),
		nats.PingInterval(5*time.Second), // detects a connection that is dead without an error
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(100*time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.ReconnectBufSize(-1), // a message that can't be sent now must not be sent later
		nats.DisconnectErrHandler(func(conn *nats.Conn, err error) {
			if !conn.IsClosed() {
				logger.Warn("lost the connection to NATS", "server", where, "error", err)
			}
			s.calls.fail(errors.New("the connection to NATS was lost: the request may have been carried out nevertheless"))
			s.lost()
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			logger.Info("reconnected to NATS", "server", where)
			s.RingAll() // the subscription is renewed: a read from now on misses nothing
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			logger.Error("NATS reports an error", "server", where, "error", err)
			s.lost()
		}),
		nats.ClosedHandler(func(*nats.Conn) { s.working.Done() }), // the last handler to be called
	)
	if err != nil {
		s.working.Done()
		if bad, ok := errors.AsType[*url.Error](err); ok {
			err = bad.Err // the address may hold a password
		}
		hint := ""
		if errors.Is(err, nats.ErrNoServers) {
			hint = ": start nats-server -js there, or use nats: to start one within this binary"
		}
		return fmt.Errorf("connecting to NATS at %s: %w%s", where, err, hint)
	}
	s.conn, s.calls.conn = conn, conn
	if s.retention, err = openStream(ctx, conn, s.stream, o.Retention, logger); err != nil {
		return err
	}
	if err := s.subscribe(s.calls.inbox+"*", s.calls.answer); err != nil {
		return err
	}
	if err := s.subscribe(created+s.stream, func(*nats.Msg) { s.lost() }); err != nil {
		return err
	}
	return s.subscribe(s.stream+".*"+stored, s.ring())
}

func (s *Store) subscribe(subject string, handle nats.MsgHandler) error {
	sub, err := s.conn.Subscribe(subject, handle)
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", subject, err)
	}
	s.working.Add(1)
	sub.SetClosedHandler(func(string) { s.working.Done() })
	return nil
}

// ring returns the handler of the notices about stored messages. They arrive in the order of the
// stream: one that doesn't follow the last shows that some were missed. The numbers of a new stream may
// happen to continue those of the last, hence the subscription to created.
func (s *Store) ring() nats.MsgHandler {
	var last uint64
	return func(m *nats.Msg) {
		seq, err := number(m, nats.JSSequence)
		if err != nil || last != 0 && seq != last+1 {
			s.lost()
		}
		last = seq
		token := m.Subject[len(s.stream)+1+len(roomMark) : len(m.Subject)-len(stored)]
		if room, err := base64.RawURLEncoding.DecodeString(token); err == nil {
			s.Ring(string(room))
		}
	}
}

// lost is called when notices may have been missed; the log itself may be a new one.
func (s *Store) lost() {
	s.reached.Store(new(reached))
	s.RingAll()
}

// Close closes the connection, and stops the server that Open started.
func (s *Store) Close() error {
	s.conn.Close()
	s.working.Wait()
	if s.embedded != nil {
		return s.embedded.Close()
	}
	return nil
}

// subject returns the subject of a room. Room names may hold any bytes, so it is encoded.
func (s *Store) subject(room string) (string, error) {
	if len(room) > maxRoom {
		return "", fmt.Errorf("the name of the room is longer than %d bytes: use a shorter one", maxRoom)
	}
	return s.stream + "." + roomMark + base64.RawURLEncoding.EncodeToString([]byte(room)), nil
}
