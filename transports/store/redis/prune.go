package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"pushpull/transports"
)

// pruneScript removes the streams KEYS whose newest entry is older than the place ARGV[1], unless ARGV[3]
// is 1. It returns how many rooms and messages these are, and how many streams end before the place
// ARGV[2], from which on places are times. Redis frees the memory in the background.
const pruneScript = `
local rooms, messages, undated = 0, 0, 0
for _, key in ipairs(KEYS) do
	local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
	local place = last and tonumber(string.match(last[1], '^0%-(%d+)$'))
	if place and place < tonumber(ARGV[2]) then
		undated = undated + 1
	elseif place and place < tonumber(ARGV[1]) then
		rooms, messages = rooms + 1, messages + redis.call('XLEN', key)
		if ARGV[3] ~= '1' then
			redis.call('UNLINK', key)
		end
	end
end
return {rooms, messages, undated}`

// pruneKeys is about how many streams one script looks at.
const pruneKeys = 500

// Prune removes the rooms whose newest message was stored before a given time, by the clock of Redis,
// together with their messages; if dry, it only counts them. Readers of these rooms get a gap, even once
// somebody writes to them again: the places of new messages follow the clock.
//
// Other processes may use Redis meanwhile: Prune looks at some rooms at a time. A room that is looked at
// twice, as Redis may list a key more than once, is counted twice if dry. If ctx ends, or after an error,
// what was removed is returned with it.
func (s *Store) Prune(ctx context.Context, before time.Time, dry bool) (pruned transports.Pruned, err error) {
	pattern := literally.Replace(s.keys.room("")) + "*"
	// All keys are on one node, but a cluster doesn't say on which.
	for _, node := range s.client.Nodes() {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			listed, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(pattern).Count(pruneKeys).Type("stream").Build()).AsScanEntry()
			if err != nil {
				return pruned, fmt.Errorf("listing the rooms in Redis: %w", err)
			}
			if err := s.pruneSome(ctx, listed.Elements, before, dry, &pruned); err != nil {
				return pruned, fmt.Errorf("removing old rooms from Redis: %w", err)
			}
			cursor = listed.Cursor
		}
	}
	return pruned, nil
}

// literally makes a pattern of a name that matches that name.
var literally = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`)

func (s *Store) pruneSome(ctx context.Context, keys []string, before time.Time, dry bool, pruned *transports.Pruned) error {
	if len(keys) == 0 {
		return nil
	}
	args := []string{strconv.FormatUint(transports.FirstSeq(before), 10), strconv.FormatUint(transports.ClockSeq, 10), "0"}
	if dry {
		args[2] = "1"
	}
	counts, err := rueidis.NewLuaScript(pruneScript).Exec(ctx, s.client, keys, args).AsIntSlice()
	if err != nil {
		return err
	}
	pruned.Rooms += int(counts[0])
	pruned.Messages += int(counts[1])
	pruned.Undated += int(counts[2])
	return nil
}
