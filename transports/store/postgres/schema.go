package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"pushpull/transports"
)

// version is the version of the tables. It grows when an older pushpull can't use them.
const version = 3

// tables are the statements on the tables of one schema.
type tables struct {
	append, appendOnce, after, oldest, trim string
	prune                                   pruning
	channel                                 string // of the notifications of appends
}

// An append locks the room's row from the moment it counts up to the commit. So messages become
// visible in the order of their seqs. These follow the clock: a log that has lost its end, as one
// restored from an older dump, doesn't use those of the end again. first is the seq of the room's first
// message, kept how many messages it has.
const (
	create = `
SELECT pg_advisory_xact_lock(hashtext('pushpull'));
CREATE TABLE IF NOT EXISTS {schema}.pushpull_rooms (
	room  text COLLATE "C" PRIMARY KEY,
	last  bigint NOT NULL,
	first bigint NOT NULL DEFAULT 1,
	kept  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50); -- half empty, so that an updated row stays on its page and the index as it is
CREATE TABLE IF NOT EXISTS {schema}.pushpull_messages (
	room text COLLATE "C",
	seq  bigint,
	body bytea NOT NULL,
	key  text COLLATE "C",
	PRIMARY KEY (room, seq)
);
CREATE UNIQUE INDEX IF NOT EXISTS pushpull_keys ON {schema}.pushpull_messages (room, key) WHERE key IS NOT NULL;
CREATE TABLE IF NOT EXISTS {schema}.pushpull_version (version integer NOT NULL);
INSERT INTO {schema}.pushpull_version SELECT {version} WHERE NOT EXISTS (SELECT FROM {schema}.pushpull_version)`

	// In version 1 the seqs of a room were contiguous from 1, and first and kept were missing; in version 2, keys.
	migrate = `
SELECT pg_advisory_xact_lock(hashtext('pushpull'));
ALTER TABLE {schema}.pushpull_rooms
	ADD COLUMN IF NOT EXISTS first bigint NOT NULL DEFAULT 1,
	ADD COLUMN IF NOT EXISTS kept  bigint NOT NULL DEFAULT 0;
UPDATE {schema}.pushpull_rooms r
	SET kept = last + 1 - coalesce((SELECT min(seq) FROM {schema}.pushpull_messages m WHERE m.room = r.room), last + 1)
	WHERE EXISTS (SELECT FROM {schema}.pushpull_version WHERE version = 1);
ALTER TABLE {schema}.pushpull_messages ADD COLUMN IF NOT EXISTS key text COLLATE "C";
CREATE UNIQUE INDEX IF NOT EXISTS pushpull_keys ON {schema}.pushpull_messages (room, key) WHERE key IS NOT NULL;
UPDATE {schema}.pushpull_version SET version = {version} WHERE version < {version}`

	appendOne = `
WITH room AS (
	INSERT INTO {schema}.pushpull_rooms AS r (room, last, first, kept)
	SELECT $1, at, at, 1 FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at) clock
	ON CONFLICT (room) DO UPDATE SET last = greatest(r.last + 1, excluded.last), kept = r.kept + 1
	RETURNING last, kept
), message AS (
	INSERT INTO {schema}.pushpull_messages SELECT $1, last, $2 FROM room
)
SELECT last, kept FROM room, pg_notify('{channel}', $1)`

	// An append with the key $3. It returns the place of the message that has the key, and 0, if there is one. If
	// another transaction is adding it at the same time, it fails with unique_violation once that has committed.
	appendKeyed = `
WITH known AS (
	SELECT seq FROM {schema}.pushpull_messages WHERE room = $1 AND key = $3
), room AS (
	INSERT INTO {schema}.pushpull_rooms AS r (room, last, first, kept)
	SELECT $1, at, at, 1 FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at) clock
	WHERE NOT EXISTS (SELECT FROM known)
	ON CONFLICT (room) DO UPDATE SET last = greatest(r.last + 1, excluded.last), kept = r.kept + 1
	RETURNING last, kept
), message AS (
	INSERT INTO {schema}.pushpull_messages SELECT $1, last, $2, $3 FROM room
)
SELECT last, kept FROM room, pg_notify('{channel}', $1) UNION ALL SELECT seq, 0 FROM known`

	// The message at $2, without its body, and those that follow it, up to {bytes}. The length of a
	// body is known without reading it.
	after = `
SELECT r.first, r.last, coalesce(m.seq, 0), m.body
FROM {schema}.pushpull_rooms r LEFT JOIN LATERAL (
	SELECT seq, CASE WHEN seq > $2 THEN body END AS body FROM (
		SELECT seq, body, sum(CASE WHEN seq > $2 THEN octet_length(body) ELSE 0 END)
			OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - octet_length(body) AS before
		FROM (
			SELECT seq, body FROM {schema}.pushpull_messages
			WHERE room = r.room AND seq >= $2 ORDER BY seq LIMIT $3
		) next
	) sized WHERE before < {bytes}
) m ON true
WHERE r.room = $1`

	oldest = `
SELECT coalesce((SELECT min(seq) FROM {schema}.pushpull_messages WHERE room = r.room), r.last + 1)
FROM {schema}.pushpull_rooms r WHERE r.room = $1`

	// $2 messages leave, unless another process has let them leave.
	trim = `
WITH room AS (
	UPDATE {schema}.pushpull_rooms SET kept = kept - $2 WHERE room = $1 AND kept - $2 >= $3
	RETURNING (SELECT seq FROM {schema}.pushpull_messages WHERE room = $1 ORDER BY seq OFFSET $2 LIMIT 1) AS oldest
)
DELETE FROM {schema}.pushpull_messages WHERE room = $1 AND seq < (SELECT oldest FROM room)`
)

// makeTables creates missing tables, unless they must exist. Several processes may do so at the same time.
func makeTables(ctx context.Context, conn *pgx.Conn, existing bool) (tables, error) {
	var schema, channel string
	err := conn.QueryRow(ctx, `SELECT nspname, 'pushpull_' || oid FROM pg_namespace WHERE nspname = current_schema()`).Scan(&schema, &channel)
	if errors.Is(err, pgx.ErrNoRows) {
		return tables{}, errors.New("no schema of the search_path exists: run CREATE SCHEMA, or choose another search_path in the address")
	}
	if err != nil {
		return tables{}, err
	}
	fill := strings.NewReplacer("{schema}", pgx.Identifier{schema}.Sanitize(), "{channel}", channel, "{version}", fmt.Sprint(version), "{bytes}", fmt.Sprint(transports.BatchBytes)).Replace

	// A user without the privilege to create tables can use existing ones.
	var made bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, fill(`{schema}.pushpull_version`)).Scan(&made); err != nil {
		return tables{}, err
	}
	if !made && existing {
		return tables{}, fmt.Errorf("there are no tables of pushpull in schema %s: check the database and the search_path in the address", schema)
	}
	if !made {
		if _, err := conn.Exec(ctx, fill(create)); err != nil {
			return tables{}, fmt.Errorf("creating tables: %w", err)
		}
	}
	var theirs int
	if err := conn.QueryRow(ctx, fill(`SELECT version FROM {schema}.pushpull_version`)).Scan(&theirs); err != nil {
		return tables{}, fmt.Errorf("reading the version of the tables: %w", err)
	}
	if theirs > version {
		return tables{}, fmt.Errorf("the tables in schema %s are those of a newer pushpull (version %d, this one knows %d): use a newer pushpull, or another database or search_path", schema, theirs, version)
	}
	if theirs < version {
		if _, err := conn.Exec(ctx, fill(migrate)); err != nil {
			return tables{}, fmt.Errorf("bringing the tables of an older pushpull to version %d: %w", version, err)
		}
	}
	return tables{append: fill(appendOne), appendOnce: fill(appendKeyed), after: fill(after), oldest: fill(oldest), trim: fill(trim), prune: newPruning(fill), channel: channel}, nil
}
