// Package redis keeps the log of every room in Redis, one stream per room, which any number of
// processes may share. It needs Redis 7 or a compatible server like Valkey.
//
// The log is as durable as Redis is: a Redis that is killed loses acknowledged messages unless it
// runs with appendonly yes and appendfsync always, and one that evicts keys (maxmemory-policy other
// than noeviction) loses whole rooms. Redis trims a stream by whole nodes, which is cheap, so a room may
// keep up to stream-node-max-entries (100) messages more than its retention; a retention below 1,000 is
// kept exactly. The place of a message that was trimmed is none: its reader gets a gap, even if nothing
// follows that has left the stream.
//
// The package never sends a message twice by itself: after an error, only the sender can decide
// whether a duplicate would do harm.
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

// DefaultPrefix begins the keys if the address has no prefix.
const DefaultPrefix = "pushpull"

// version is the version of the log's layout, and is kept under the key named version.
const version = 2

// answerTimeout is how long Redis may take for an answer before the connection is closed.
const answerTimeout = 3 * time.Second

// A Store is a transports.Store in Redis.
type Store struct {
	transports.Bell
	client    rueidis.Client
	keys      keys
	retention string
	appending *rueidis.Lua
	reading   *rueidis.Lua
	logger    *slog.Logger

	stop      context.CancelFunc
	listening sync.WaitGroup
}

var _ transports.Store = (*Store)(nil)

// keys is the prefix of all keys. It is a hash tag: a cluster keeps all of them on one node, so one
// script may use several.
type keys string

func (k keys) version() string         { return string(k) + "version" }
func (k keys) wake() string            { return string(k) + "wake" }
func (k keys) room(name string) string { return string(k) + "room:" + name }

// sent is the key of the place of a message with a key of its own, which has no spaces.
func (k keys) sent(room string, key transports.Key) string {
	return string(k) + "sent:" + string(key) + " " + room
}

// The place of an entry is the second half of its id: 0-1795919781771843. It follows the clock of Redis,
// so a stream that was lost, or has lost its end, doesn't use the same places again. In version 1 of
// the layout Redis counted them from 1.
const (
	openScript = `
if not redis.REDIS_VERSION_NUM then
	return redis.error_reply('ERR pushpull needs Redis 7 or later')
end
redis.call('SETNX', KEYS[1], ARGV[1])
local made = redis.call('GET', KEYS[1])
if tonumber(made) and tonumber(made) < tonumber(ARGV[1]) then
	redis.call('SET', KEYS[1], ARGV[1])
end
return made`

	// An entry r in the wake stream names a room that has grown, an entry a begins the stream. KEYS[3] is missing if
	// the message has no key; else its place is kept there for ARGV[4] seconds. A node of a stream, see the package doc,
	// would be a large part of a small retention.
	appendScript = `
local known = KEYS[3] and redis.call('GET', KEYS[3])
if known then
	return known
end
local time = redis.call('TIME')
local now = string.format('0-%d%06d', time[1], time[2])
local function add(key, most, name, value)
	local about = tonumber(most) < 1000 and '=' or '~'
	local id = redis.pcall('XADD', key, 'MAXLEN', about, most, now, name, value)
	if type(id) == 'table' and id.err and string.find(id.err, 'equal or smaller', 1, true) then
		return redis.pcall('XADD', key, 'MAXLEN', about, most, '0-*', name, value)
	end
	return id
end
local id = add(KEYS[1], ARGV[1], 'b', ARGV[2])
if type(id) == 'table' and id.err then
	return id
end
if redis.call('EXISTS', KEYS[2]) == 0 then
	add(KEYS[2], 10000, 'a', '')
end
add(KEYS[2], 10000, 'r', ARGV[3])
if KEYS[3] then
	redis.call('SET', KEYS[3], id, 'EX', ARGV[4])
end
return id`

	// It returns the entries after the place ARGV[1], each as its id and its value, up to ARGV[2]
	// entries and ARGV[3] bytes. If ARGV[1] is not a place in the stream, it returns the oldest id.
	readScript = `
local place, limit, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local found, n, size = {}, 0, 0
local from, page = '0-' .. place, 32
repeat
	local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', math.min(limit - n + 1, page))
	if from == '0-' .. place then
		local first, whole = entries[1] and entries[1][1], false
		if place == '0' then
			whole = not first
			if first then
				local info, about = redis.call('XINFO', 'STREAM', KEYS[1]), {}
				for i = 1, #info, 2 do
					about[info[i]] = info[i + 1]
				end
				whole = about['entries-added'] == about['length']
			end
		end
		if not whole and first ~= from and first ~= '0-' .. ARGV[4] then
			local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
			return oldest and oldest[1] or ''
		end
	end
	for _, entry in ipairs(entries) do
		local id, fields = entry[1], entry[2]
		if #fields ~= 2 then
			return redis.error_reply('ERR the stream holds an entry that is not from pushpull: use another database or prefix')
		end
		if id ~= from then
			n, size = n + 1, size + #fields[2]
			found[2 * n - 1], found[2 * n] = id, fields[2]
			if n == limit or size >= most then
				return found
			end
		end
		from = id
	end
until #entries < page
return found`
)

// Open opens the log at an address like "redis://user:password@host:6379/0?prefix=pushpull", or
// rediss:// for TLS. The prefix begins all keys, so one database can hold several logs; see
// rueidis.ParseURL for the rest. Open takes some seconds to fail if Redis is unreachable.
func Open(ctx context.Context, address string, o transports.StoreOptions) (*Store, error) {
	o = o.WithDefaults()
	option, prefix, err := options(address)
	if err != nil {
		return nil, fmt.Errorf("parsing the address of Redis: %w", err)
	}
	s := &Store{
		keys:      keys("{" + prefix + "}:"),
		retention: strconv.Itoa(o.Retention),
		appending: rueidis.NewLuaScript(appendScript),
		reading:   rueidis.NewLuaScriptReadOnly(readScript),
		logger:    o.Logger,
	}
	if s.client, err = rueidis.NewClient(option); err != nil {
		return nil, fmt.Errorf("connecting to Redis at %s: %w: check the address, and that Redis is running there", option.InitAddress[0], err)
	}
	last, err := s.prepare(ctx, o.Existing)
	if err != nil {
		s.client.Close()
		return nil, fmt.Errorf("opening Redis at %s: %w", option.InitAddress[0], err)
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.listening.Go(func() { s.listen(ctx, last) })
	return s, nil
}

// options reads an address. Its errors never hold the password.
func options(address string) (option rueidis.ClientOption, prefix string, err error) {
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
	option.DisableRetry = true // a message sent again could be stored twice
	option.DisableCache = true
	// Without pipelining, a request that exceeds its deadline closes the connection, and other
	// requests fail with it.
	option.AlwaysPipelining = true
	option.PipelineMultiplex = -1 // one connection beside the listening one, so that all requests fail or none
	option.Dialer.Timeout = cmp.Or(option.Dialer.Timeout, 2*time.Second)
	option.Dialer.KeepAlive = time.Second // between the pings that detect a server that hangs
	option.ConnWriteTimeout = cmp.Or(option.ConnWriteTimeout, answerTimeout)
	return option, prefix, nil
}

// prepare creates the log if it is missing, unless it must exist, and returns the newest entry of its wake stream.
func (s *Store) prepare(ctx context.Context, existing bool) (last uint64, err error) {
	if existing {
		there, err := s.client.Do(ctx, s.client.B().Exists().Key(s.keys.version()).Build()).AsBool()
		if err == nil && !there {
			err = fmt.Errorf("there is no log of pushpull, as the key %s is missing: check the database and the prefix in the address", s.keys.version())
		}
		if err != nil {
			return 0, err
		}
	}
	made, err := rueidis.NewLuaScript(openScript).
		Exec(ctx, s.client, []string{s.keys.version()}, []string{strconv.Itoa(version)}).AsInt64()
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, fmt.Errorf("the key %s was not set by pushpull: use another database or prefix", s.keys.version())
	case err != nil:
		return 0, err
	case made > version:
		return 0, fmt.Errorf("the log was created by a newer pushpull (version %d, this one knows %d): use a newer pushpull, or another database or prefix", made, version)
	}
	return s.newest(ctx)
}

// Append implements transports.Store.
func (s *Store) Append(ctx context.Context, room string, body []byte, key transports.Key) (uint64, error) {
	streams := []string{s.keys.room(room), s.keys.wake()}
	// The body is copied: rueidis may still send a request after its context has ended.
	args := []string{s.retention, string(body), room}
	if key != "" {
		streams = append(streams, s.keys.sent(room, key))
		args = append(args, strconv.Itoa(int(transports.KeyTime/time.Second)))
	}
	for {
		id, err := s.appending.Exec(ctx, s.client, streams, args).ToString()
		if othersFault(ctx, err) {
			continue
		}
		if refused, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(refused.Error(), "OOM") {
			err = fmt.Errorf("%w: raise maxmemory of Redis: %w", transports.ErrFull, err)
		}
		if err != nil {
			return 0, fmt.Errorf("appending to Redis: %w", err)
		}
		return parseID(id)
	}
}

// After implements transports.Store. It runs one script, which sees one state of the stream.
func (s *Store) After(ctx context.Context, room string, seq uint64, limit int) ([]transports.Message, error) {
	stream := []string{s.keys.room(room)}
	args := []string{
		strconv.FormatUint(seq, 10), strconv.Itoa(limit), strconv.Itoa(transports.BatchBytes),
		strconv.FormatUint(seq+1, 10), // the first message at the place before the oldest
	}
	for {
		answer, err := s.reading.Exec(ctx, s.client, stream, args).ToMessage()
		if othersFault(ctx, err) {
			continue
		}
		if err == nil && answer.IsString() {
			return nil, gap(answer)
		}
		var messages []transports.Message
		if err == nil {
			messages, err = parse(answer)
		}
		if err != nil {
			return nil, fmt.Errorf("reading from Redis: %w", err)
		}
		return messages, nil
	}
}

// gap returns the *GapError of a stream, whose oldest id is the answer, or none.
func gap(answer rueidis.RedisMessage) error {
	id, err := answer.ToString()
	if err != nil || id == "" {
		return cmp.Or[error](err, &transports.GapError{Oldest: 1})
	}
	oldest, err := parseID(id)
	if err != nil {
		return fmt.Errorf("reading from Redis: %w", err)
	}
	return &transports.GapError{Oldest: oldest}
}

// parse reads the ids and values of entries in turn.
func parse(answer rueidis.RedisMessage) ([]transports.Message, error) {
	entries, err := answer.ToArray()
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	messages := make([]transports.Message, len(entries)/2)
	for i := range messages {
		id, err := entries[2*i].ToString()
		if err != nil {
			return nil, err
		}
		if messages[i].Seq, err = parseID(id); err != nil {
			return nil, err
		}
		if messages[i].Body, err = entries[2*i+1].AsBytes(); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// othersFault reports whether a request failed without being sent, because the context of another
// request ended while that one was connecting for both.
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

func formatID(at uint64) string { return "0-" + strconv.FormatUint(at, 10) }

func parseID(id string) (uint64, error) {
	at, err := strconv.ParseUint(strings.TrimPrefix(id, "0-"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the entry id %q is not from pushpull: use another database or prefix", id)
	}
	return at, nil
}
