// Package nats keeps the log of every room in a JetStream stream of a NATS server, which several
// processes may share.
//
// All rooms share one stream and its count, so that a room's seqs have gaps. A room is a subject,
// of which the stream keeps one message more than the log has: when more messages follow a cursor
// than the retention, some have left. So neither needs an append to know what came before it, nor
// a read to be asked twice. It relies on the server's reading at one moment, as it does since 2.12.
//
// It never repeats an append, and keeps no stream with replicas: a direct read of one may be
// answered by a server that is behind. The server writes to its disk every few minutes unless it is
// configured otherwise (sync_interval): what is acknowledged survives its end, not that of the
// machine.
package nats

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"pushpull/transports"
)

const (
	// DefaultRetention is how many messages a room of a new stream keeps when Options.Retention
	// is 0.
	DefaultRetention = 10_000

	// DefaultStream is the stream of an address that names none.
	DefaultStream = "PUSHPULL"

	// patience is how long the server may take for an answer.
	patience = 3 * time.Second

	// A server cuts a client off that is 64 MiB behind: at most so many reads are under way, and
	// get so many bytes at a time.
	maxReads, maxBytes = 32, 512 << 10

	// maxRoom is the length of the longest name of a room: a longer one would make a line of the
	// protocol too long, and end the connection of all.
	maxRoom = 1024
)

// Options are those of a Store.
type Options struct {
	// Retention is how many messages a room keeps, the oldest leave first; 0: what the stream
	// keeps already, or DefaultRetention in a new one. A stream that keeps more stays as it is;
	// one that keeps fewer is refused, as what has left it could not be told any more.
	Retention int
	Log       *slog.Logger // nil: nothing is logged
}

// A Store is a transports.Store in a JetStream stream.
type Store struct {
	transports.Bell
	conn      *nats.Conn
	calls     *calls
	stream    string
	direct    string // the subject of direct reads
	retention uint64
	reads     chan struct{} // one for each that is under way
	places    atomic.Pointer[places]
	embedded  *Embedded // nil: the server is somebody else's
	working   sync.WaitGroup
}

var _ transports.Store = (*Store)(nil)

// Open opens the stream at an address like "nats://host:port?stream=NAME", with user and password
// or a token as NATS has them in its addresses, and makes it when there is none. "nats:" starts a
// server within this process, whose log goes with it.
func Open(ctx context.Context, address string, o Options) (*Store, error) {
	servers, stream, err := parse(address)
	if err != nil {
		return nil, err
	}
	var embedded *Embedded
	if servers == "nats:" {
		if embedded, err = Embed(); err != nil {
			return nil, err
		}
		servers = embedded.URL()
	}
	s := &Store{
		calls:    &calls{inbox: nats.NewInbox() + ".", open: map[string]*call{}},
		stream:   stream,
		direct:   "$JS.API.DIRECT.GET." + stream,
		reads:    make(chan struct{}, maxReads),
		embedded: embedded,
	}
	s.places.Store(new(places))
	if err := s.connect(ctx, servers, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func parse(address string) (servers, stream string, err error) {
	servers, query, _ := strings.Cut(address, "?")
	wrong := func(what string) (string, string, error) {
		return "", "", fmt.Errorf("%s in the address of a NATS store: use nats://host:4222, nats://host:4222?stream=NAME, or nats: for a server of its own", what)
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
			return wrong(fmt.Sprintf("the unknown option %q", key))
		}
		stream = value[0]
	}
	if stream == "" || strings.Trim(stream, letters) != "" {
		return wrong(fmt.Sprintf("the stream %q, which is not made of letters, digits, - and _,", stream))
	}
	return servers, stream, nil
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (s *Store) connect(ctx context.Context, servers string, o Options) error {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	where := strings.TrimPrefix(servers[strings.LastIndex(servers, "@")+1:], "nats://") // without a password
	s.working.Add(1)
	conn, err := nats.Connect(servers,
		nats.Name("pushpull"),
		nats.Timeout(patience),
		nats.FlusherTimeout(patience),
		nats.PingInterval(5*time.Second), // finds a connection that is dead and doesn't say so
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(100*time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.ReconnectBufSize(-1), // what can't be sent now is not sent later
		nats.DisconnectErrHandler(func(conn *nats.Conn, err error) {
			if !conn.IsClosed() {
				log.Warn("NATS is out of reach", "server", where, "err", err)
			}
			s.calls.fail(errors.New("the connection to NATS was lost: what was under way may have been done all the same"))
			s.lost()
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			log.Info("NATS is back", "server", where)
			s.RingAll() // who asks now does so behind the renewed subscription
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Error("NATS reports an error", "server", where, "err", err)
			s.lost()
		}),
		nats.ClosedHandler(func(*nats.Conn) { s.working.Done() }), // the last one it calls
	)
	if err != nil {
		s.working.Done()
		hint := ""
		if errors.Is(err, nats.ErrNoServers) {
			hint = ": is nats-server -js running there? nats: alone needs none"
		}
		return fmt.Errorf("connecting to NATS at %s: %w%s", where, err, hint)
	}
	s.conn, s.calls.conn = conn, conn
	if s.retention, err = openStream(ctx, conn, s.stream, o.Retention, log); err != nil {
		return err
	}
	if err := s.subscribe(s.calls.inbox+"*", s.calls.answer); err != nil {
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

// ring returns what hears of the messages that were stored. They come in the stream's order: one
// that doesn't follow the last shows that some were missed.
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

// lost is for when something may have been missed, even the loss of the log.
func (s *Store) lost() {
	s.places.Store(new(places))
	s.RingAll()
}

// Close ends the connection, and the server if it is the store's own.
func (s *Store) Close() error {
	s.conn.Close()
	s.working.Wait()
	if s.embedded != nil {
		return s.embedded.Close()
	}
	return nil
}

// subject is that of a room, whatever its name is made of.
func (s *Store) subject(room string) (string, error) {
	if len(room) > maxRoom {
		return "", fmt.Errorf("the name of the room is longer than %d bytes", maxRoom)
	}
	return s.stream + "." + roomMark + base64.RawURLEncoding.EncodeToString([]byte(room)), nil
}
