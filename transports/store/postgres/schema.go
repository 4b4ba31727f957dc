package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// version is that of the tables, and grows when an older pushpull can't use them.
const version = 1

// tables are the statements on the tables of one schema.
type tables struct {
	append, after, trim string
	channel             string // where their appends are notified
}

// A room's row is locked from the moment it counts to the commit: its messages are seen in the
// order of their seqs, and none is missing between two of them.
const (
	create = `
SELECT pg_advisory_xact_lock(hashtext('pushpull'));
CREATE TABLE IF NOT EXISTS {schema}.pushpull_rooms (
	room text COLLATE "C" PRIMARY KEY,
	last bigint NOT NULL
) WITH (fillfactor = 50); -- half empty: a row that counts stays on its page and out of the index
CREATE TABLE IF NOT EXISTS {schema}.pushpull_messages (
	room text COLLATE "C",
	seq  bigint,
	body bytea NOT NULL,
	PRIMARY KEY (room, seq)
);
CREATE TABLE IF NOT EXISTS {schema}.pushpull_version (version integer NOT NULL);
INSERT INTO {schema}.pushpull_version SELECT {version} WHERE NOT EXISTS (SELECT FROM {schema}.pushpull_version)`

	appendOne = `
WITH room AS (
	INSERT INTO {schema}.pushpull_rooms AS r VALUES ($1, 1)
	ON CONFLICT (room) DO UPDATE SET last = r.last + 1 RETURNING last
), message AS (
	INSERT INTO {schema}.pushpull_messages SELECT $1, last, $2 FROM room
)
SELECT last FROM room, pg_notify('{channel}', $1)`

	after = `
SELECT r.last,
	CASE WHEN $2 <= r.last THEN 0 ELSE
		coalesce((SELECT min(seq) FROM {schema}.pushpull_messages WHERE room = r.room), r.last + 1)
	END,
	coalesce(m.seq, 0), m.body
FROM {schema}.pushpull_rooms r LEFT JOIN LATERAL (
	SELECT seq, body FROM {schema}.pushpull_messages
	WHERE room = r.room AND seq > $2 ORDER BY seq LIMIT $3
) m ON true
WHERE r.room = $1`

	// No more at once than is soon done, or a retention that was lowered would never be reached.
	trim = `
DELETE FROM {schema}.pushpull_messages WHERE room = $1 AND seq <= least($2, 10000 +
	(SELECT min(seq) FROM {schema}.pushpull_messages WHERE room = $1))`
)

// makeTables makes the tables where there are none, whoever else does so at the same time.
func makeTables(ctx context.Context, conn *pgx.Conn) (tables, error) {
	var schema, channel string
	err := conn.QueryRow(ctx, `SELECT nspname, 'pushpull_' || oid FROM pg_namespace WHERE nspname = current_schema()`).Scan(&schema, &channel)
	if errors.Is(err, pgx.ErrNoRows) {
		return tables{}, errors.New("there is no schema of the search_path: CREATE SCHEMA, or name another one in the address")
	}
	if err != nil {
		return tables{}, err
	}
	fill := strings.NewReplacer("{schema}", pgx.Identifier{schema}.Sanitize(), "{channel}", channel, "{version}", fmt.Sprint(version)).Replace

	// Who may not make tables may use those that are there.
	var made bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, fill(`{schema}.pushpull_version`)).Scan(&made); err != nil {
		return tables{}, err
	}
	if !made {
		if _, err := conn.Exec(ctx, fill(create)); err != nil {
			return tables{}, fmt.Errorf("making tables: %w", err)
		}
	}
	var theirs int
	if err := conn.QueryRow(ctx, fill(`SELECT version FROM {schema}.pushpull_version`)).Scan(&theirs); err != nil {
		return tables{}, fmt.Errorf("reading the version of the tables: %w", err)
	}
	if theirs > version {
		return tables{}, fmt.Errorf("the tables in schema %s are those of a newer pushpull, version %d, and this one knows %d: use a newer pushpull, or another database or search_path", schema, theirs, version)
	}
	return tables{append: fill(appendOne), after: fill(after), trim: fill(trim), channel: channel}, nil
}
