package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	application      = 0x70757368      // "push", in the file's header
	version          = 2               // of the schema
	establishTimeout = 5 * time.Second // how long establish tries while other processes lock the file
)

// The schema of version 1. All rooms share one sequence of seqs, so a single number finds the new messages of
// any of them; it follows the clock. So seq needs no AUTOINCREMENT, which would write one page more, even though the
// newest message may leave, with its room. A room's messages up to trimmed have left the log; kept counts the others.
const schema = `
	CREATE TABLE rooms (
		id      INTEGER PRIMARY KEY,
		name    TEXT NOT NULL UNIQUE,
		last    INTEGER NOT NULL,
		kept    INTEGER NOT NULL,
		trimmed INTEGER NOT NULL DEFAULT 0
	) STRICT;
	CREATE TABLE messages (
		seq  INTEGER PRIMARY KEY,
		room INTEGER NOT NULL,
		body BLOB NOT NULL
	) STRICT;
	CREATE INDEX messages_of_room ON messages (room, seq);`

// withKeys brings the schema of version 1 to version 2, in which a message may have a key. One without is not in the
// index.
const withKeys = `
	ALTER TABLE messages ADD COLUMN key TEXT;
	CREATE UNIQUE INDEX keys_of_room ON messages (room, key) WHERE key IS NOT NULL;`

// establish creates the schema if the file is empty, and refuses a file with another schema.
// Several processes may do so at the same time. It tries again while the file is locked: SQLite
// doesn't wait for the lock when two processes switch to WAL mode.
func establish(ctx context.Context, c *conn) error {
	ctx, cancel := context.WithTimeout(ctx, establishTimeout)
	defer cancel()
	for {
		err := migrate(c)
		if err == nil {
			err = writeAhead(c)
		}
		if !busy(err) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func migrate(c *conn) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := makeSchema(c)
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		_ = c.exec("ROLLBACK") // fails if SQLite has rolled back already
	}
	return err
}

func makeSchema(c *conn) error {
	var header [3]int64
	for i, query := range []string{"PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema"} {
		value, err := c.ask(query)
		if err != nil {
			return err
		}
		header[i] = value.(int64)
	}
	script := ""
	switch {
	case header == [3]int64{}:
		script = schema + withKeys
	case header[0] != application:
		return errors.New("the file belongs to another program: use another one")
	case header[1] > version:
		return fmt.Errorf("the file was created by a newer pushpull (schema %d, this one knows %d): use that pushpull, or another file", header[1], version)
	case header[1] < version:
		script = withKeys
	}
	// Writing the version again finds a read-only file now, and not at the first message.
	return c.exec(script + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, version))
}

// writeAhead turns on WAL mode, in which readers don't wait for the writer.
func writeAhead(c *conn) error {
	mode, err := c.ask("PRAGMA journal_mode")
	if err == nil && mode != "wal" {
		mode, err = c.ask("PRAGMA journal_mode = WAL")
	}
	if err == nil && mode != "wal" {
		err = errors.New("the file can't be used in SQLite's WAL mode: use a file on a local disk")
	}
	return err
}
