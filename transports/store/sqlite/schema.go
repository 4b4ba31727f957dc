package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	application = 0x70757368 // "push", in the file's header
	version     = 1          // of the schema
	patience    = 5 * time.Second
)

// The schema. A seq is the place of a message among those of all rooms, so that what is new in any
// of them is found by one number. It needs no AUTOINCREMENT, which would write one page more: the
// newest message never leaves. A room's messages up to trimmed have left, kept is the number of
// those that have not.
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

// establish makes the schema if the file is empty, and refuses a file that has another one.
// Several processes may do so at once: SQLite gives up at once, without waiting, where two of them
// change how the log of writes is kept.
func establish(ctx context.Context, c *conn) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
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
		_ = c.exec("ROLLBACK") // SQLite may have done so by itself
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
	switch {
	case header == [3]int64{}:
		return c.exec(schema + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, version))
	case header[0] != application:
		return errors.New("the file is another program's: name another one")
	case header[1] > version:
		return fmt.Errorf("a newer pushpull has made the file, with schema %d where this one knows %d: use that pushpull, or another file", header[1], version)
	}
	// It says what it said: that it can't be written is found out now, not by the first message.
	return c.exec(fmt.Sprintf("PRAGMA user_version = %d", version))
}

// writeAhead has readers not wait for the writer.
func writeAhead(c *conn) error {
	mode, err := c.ask("PRAGMA journal_mode")
	if err == nil && mode != "wal" {
		mode, err = c.ask("PRAGMA journal_mode = WAL")
	}
	if err == nil && mode != "wal" {
		err = errors.New("readers would wait for the writer: use a file on a local disk, in SQLite's WAL mode")
	}
	return err
}
