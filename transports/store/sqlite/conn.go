package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A conn is a connection to the file, for one goroutine at a time. It is the driver's own:
// database/sql would copy every body once more, and take twice as long to read a page of messages.
type conn struct {
	driver.Conn
	stmts []*stmt
}

// A stmt is a prepared statement of a connection.
type stmt struct {
	driver.StmtQueryContext
	close func() error
	args  []driver.NamedValue
	row   []driver.Value
}

// dsn is how the driver spells an address.
func dsn(address string) (string, error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(address, "sqlite:"), "?")
	if path == "" || path == ":memory:" {
		return "", errors.New("it names no file: write sqlite:PATH, or memory: to keep nothing")
	}
	path = filepath.Clean(path)
	if isDir(path) {
		return "", fmt.Errorf("%s is a directory: name a file in it", path)
	}
	if dir := filepath.Dir(path); !isDir(dir) {
		return "", fmt.Errorf("there is no directory %s: make it first", dir)
	}
	// As a URI, so that SQLite, too, sees the query. What comes first in that is what counts.
	escaped := (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	return "file:" + escaped + "?" + query + "&_busy_timeout=2000&_error_rc=1", nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func dial(name string) (*conn, error) {
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// prepare sets the statements to those of the queries. They are closed with the connection.
func (c *conn) prepare(all map[string]**stmt) error {
	for query, to := range all {
		s, err := c.Prepare(query)
		if err != nil {
			return err
		}
		*to = &stmt{StmtQueryContext: s.(driver.StmtQueryContext), close: s.Close}
		c.stmts = append(c.stmts, *to)
	}
	return nil
}

// exec runs statements that are needed once.
func (c *conn) exec(script string) error {
	_, err := c.Conn.(driver.ExecerContext).ExecContext(context.Background(), script, nil)
	return err
}

// ask returns the one value that a query has.
func (c *conn) ask(query string) (value driver.Value, err error) {
	var s *stmt
	if err := c.prepare(map[string]**stmt{query: &s}); err != nil {
		return nil, err
	}
	err = s.run(func(row []driver.Value) { value = row[0] })
	return value, err
}

// Close closes the statements, too: one that is open would keep the file open.
func (c *conn) Close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}

// run runs the statement to its end. each may be nil; a row is valid until it returns, what is in
// it for good. A context would cost a goroutine each time; none waits for longer than the busy
// timeout.
func (s *stmt) run(each func(row []driver.Value), args ...driver.Value) error {
	s.args = s.args[:0]
	for i, arg := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	rows, err := s.QueryContext(context.Background(), s.args)
	clear(s.args) // the body among them
	if err != nil {
		return err
	}
	if s.row == nil {
		s.row = make([]driver.Value, len(rows.Columns()))
	}
	for err = rows.Next(s.row); err == nil; err = rows.Next(s.row) {
		each(s.row)
	}
	clear(s.row)
	closing := rows.Close() // says the same as err
	if err == io.EOF {
		return closing
	}
	return err
}

// busy says whether the file is locked by somebody else.
func busy(err error) bool {
	broken, ok := errors.AsType[*sqlite.Error](err)
	return ok && broken.Code()&0xff == sqlite3.SQLITE_BUSY
}

// explain puts what a person can do about an error before it.
func explain(err error) error {
	broken, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	hint := ""
	switch broken.Code() & 0xff { // what is above says more than a person can use
	case sqlite3.SQLITE_BUSY:
		hint = "another process keeps the file locked, let it finish and try again"
	case sqlite3.SQLITE_FULL:
		hint = "there is no space left, make some"
	case sqlite3.SQLITE_READONLY:
		hint = "the file can't be written to, look at its permissions and those of its directory"
	case sqlite3.SQLITE_CANTOPEN:
		hint = "the file can't be opened, look at its permissions and those of its directory"
	case sqlite3.SQLITE_NOTADB:
		hint = "it is not a SQLite file, name another one"
	case sqlite3.SQLITE_CORRUPT:
		hint = "the file is damaged, put a copy in its place"
	case sqlite3.SQLITE_IOERR:
		hint = "the disk can't be read or written, look at the system's log"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", hint, err)
}
