// Package redis keeps the log of every room in a Redis, as a stream each, for any number of
// processes at once. It needs Redis 7 or what is compatible with it, like Valkey.
//
// It keeps what Redis keeps: a Redis that is killed forgets what it has acknowledged unless it runs
// with appendonly yes and appendfsync always, and one that evicts keys (maxmemory-policy other than
// noeviction) forgets whole rooms. Redis trims a stream by whole nodes, so that a room may hold up
// to stream-node-max-entries (100) messages more than its retention.
//
// It never sends a message again by itself: after an error only its sender knows whether it may be
// there twice.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"pushpull/transports"
)

// DefaultRetention is how many messages a room keeps when Options.Retention is 0.
const DefaultRetention = 10_000

// DefaultPrefix begins the keys when the address has no prefix.
const DefaultPrefix = "pushpull"

// version is what this package makes of a database, under the key named version.
const version = 1

// Options are the options of Open. Each zero value is a default.
type Options struct {
	Retention int          // most messages kept per room, the oldest leave first; 0: DefaultRetention
	Log       *slog.Logger // told when Redis is lost and found again; nil: nothing is logged
}

// A Store is a transports.Store in Redis. It is safe for concurrent use, and so is its log by
// several processes.
type Store struct {
	transports.Bell
	client    rueidis.Client
	keys      keys
	retention string
	appending *rueidis.Lua
	log       *slog.Logger

	stop      context.CancelFunc
	listening sync.WaitGroup
}

var _ transports.Store = (*Store)(nil)

// keys begins all keys. It is a hash tag, so that a cluster keeps them in one place and one script
// may use several.
type keys string

func (k keys) version() string         { return string(k) + "version" }
func (k keys) wake() string            { return string(k) + "wake" }
func (k keys) room(name string) string { return string(k) + "room:" + name }

// Both streams count by themselves, in the second half of their ids: 0-1, 0-2, ... A count that is
// contiguous shows what is missing, and can't be lost without its stream.
const (
	openScript = `
if not redis.REDIS_VERSION_NUM then
	return redis.error_reply('ERR pushpull needs Redis 7 or later')
end
redis.call('SETNX', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])`

	appendScript = `
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '0-*', 'b', ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '0-*', 'r', ARGV[3])
return id`
)

// Open opens the log at an address like "redis://user:password@host:6379/0?prefix=pushpull", or
// rediss:// for TLS. The prefix begins all keys, so that a database has room for several logs;
// the rest is as rueidis.ParseURL takes it. It may take some seconds when Redis is out of reach.
func Open(ctx context.Context, address string, o Options) (*Store, error) {
	option, prefix, err := parse(address)
	if err != nil {
		return nil, fmt.Errorf("parsing the address of redis: %w", err)
	}
	s := &Store{
		keys:      keys("{" + prefix + "}:"),
		retention: strconv.Itoa(cmp.Or(max(o.Retention, 0), DefaultRetention)),
		appending: rueidis.NewLuaScript(appendScript),
		log:       cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
	}
	if s.client, err = rueidis.NewClient(option); err != nil {
		return nil, fmt.Errorf("connecting to redis at %s: %w (is it running there, and the address right?)", option.InitAddress[0], err)
	}
	last, err := s.prepare(ctx)
	if err != nil {
		s.client.Close()
		return nil, fmt.Errorf("opening redis at %s: %w", option.InitAddress[0], err)
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.listening.Go(func() { s.listen(ctx, last) })
	return s, nil
}

// parse reads an address, and never repeats the password that it may hold.
func parse(address string) (option rueidis.ClientOption, prefix string, err error) {
	u, err := url.Parse(address)
	if err == nil {
		prefix = cmp.Or(u.Query().Get("prefix"), DefaultPrefix)
		option, err = rueidis.ParseURL(address)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if err != nil {
		return option, "", fmt.Errorf(`%w: use one like "redis://user:password@host:6379/0?prefix=pushpull"`, err)
	}
	option.DisableRetry = true // a message that is sent again may be there twice
	option.DisableCache = true
	// Without it a request whose deadline passes takes the connection with it, and with that the
	// requests of others.
	option.AlwaysPipelining = true
	option.PipelineMultiplex = -1 // one connection beside the listening one: either all works or nothing
	option.Dialer.Timeout = cmp.Or(option.Dialer.Timeout, 2*time.Second)
	option.Dialer.KeepAlive = time.Second // between the pings that find a server that hangs
	option.ConnWriteTimeout = cmp.Or(option.ConnWriteTimeout, patience)
	return option, prefix, nil
}

// patience is how long Redis may take for an answer before the connection is given up.
const patience = 3 * time.Second

// prepare makes the log unless there is one, and returns the newest entry of its wake stream.
func (s *Store) prepare(ctx context.Context) (last uint64, err error) {
	made, err := rueidis.NewLuaScript(openScript).
		Exec(ctx, s.client, []string{s.keys.version()}, []string{strconv.Itoa(version)}).AsInt64()
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, fmt.Errorf("the key %s isn't pushpull's: use another database or prefix", s.keys.version())
	case err != nil:
		return 0, err
	case made > version:
		return 0, fmt.Errorf("a newer pushpull has made what is there (version %d, this one knows %d): use a newer pushpull, or another database or prefix", made, version)
	}
	return s.newest(ctx)
}

// Append implements transports.Store.
func (s *Store) Append(ctx context.Context, room string, body []byte) (uint64, error) {
	streams := []string{s.keys.room(room), s.keys.wake()}
	// The body is copied: a request that is given up may still be sent.
	args := []string{s.retention, string(body), room}
	for {
		id, err := s.appending.Exec(ctx, s.client, streams, args).ToString()
		if othersFault(ctx, err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("appending to redis: %w", err)
		}
		return parseID(id)
	}
}

// After implements transports.Store.
//
// Seqs are contiguous from 1 and leave from the front. So one range that begins with seq itself
// tells whether something is missing: it is unless the range begins with seq or the one after it.
func (s *Store) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	messages, err := s.read(ctx, room, seq, limit+1)
	switch {
	case err != nil:
		return nil, err
	case len(messages) == 0 && seq == 0:
		return nil, nil
	case len(messages) == 0: // beyond the end; the log starts with its oldest or is empty
		oldest := uint64(1)
		if messages, err = s.read(ctx, room, 0, 1); err != nil {
			return nil, err
		}
		if len(messages) > 0 {
			oldest = messages[0].Seq
		}
		return nil, &transports.GapError{Oldest: oldest}
	case messages[0].Seq == seq:
		return messages[1:], nil
	case messages[0].Seq != seq+1:
		return nil, &transports.GapError{Oldest: messages[0].Seq}
	}
	n := min(limit, len(messages))
	return messages[:n:n], nil
}

// read returns at most count messages from seq on.
func (s *Store) read(ctx context.Context, room string, seq uint64, count int) ([]transports.Message, error) {
	get := s.client.B().Xrange().Key(s.keys.room(room)).Start(formatID(seq)).End("+").Count(int64(count)).Build()
	for {
		entries, err := s.client.Do(ctx, get).ToArray()
		if othersFault(ctx, err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading from redis: %w", err)
		}
		if len(entries) == 0 {
			return nil, nil
		}
		messages := make([]transports.Message, len(entries))
		for i := range entries {
			at, value, err := parseEntry(&entries[i])
			if err != nil {
				return nil, fmt.Errorf("reading from redis: %w", err)
			}
			messages[i] = transports.Message{Seq: at, Body: value}
		}
		return messages, nil
	}
}

// othersFault says whether a request failed without being sent, because that of somebody else ended
// while it was making the connection for both.
func othersFault(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && ctx.Err() == nil
}

// Close stops listening and closes the connections.
func (s *Store) Close() error {
	s.stop()
	s.listening.Wait()
	s.client.Close()
	return nil
}

// parseEntry reads an entry of a stream: its id, and its one field and value.
func parseEntry(entry *rueidis.RedisMessage) (at uint64, value []byte, err error) {
	pair, err := entry.ToArray()
	if err != nil {
		return 0, nil, err
	}
	if len(pair) == 2 {
		id, err := pair[0].ToString()
		if err != nil {
			return 0, nil, err
		}
		if at, err = parseID(id); err != nil {
			return 0, nil, err
		}
		fields, err := pair[1].ToArray()
		if err != nil {
			return 0, nil, err
		}
		if len(fields) == 2 {
			value, err = fields[1].AsBytes()
			return at, value, err
		}
	}
	return 0, nil, errors.New("the stream has entries that aren't pushpull's: use another database or prefix")
}

func formatID(at uint64) string { return "0-" + strconv.FormatUint(at, 10) }

func parseID(id string) (uint64, error) {
	at, err := strconv.ParseUint(strings.TrimPrefix(id, "0-"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q isn't an id of pushpull's: use another database or prefix", id)
	}
	return at, nil
}
