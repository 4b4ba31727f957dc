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

	"pushpull/transports"
)

// A conn is a connection to the file, for one goroutine at a time. It uses the driver directly:
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

// dsn returns the path of an address, and the address in the form of the driver.
func dsn(address string) (path, name string, err error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(address, "sqlite:"), "?")
	if path == "" || path == ":memory:" {
		return "", "", errors.New("the address names no file: use sqlite:PATH, or memory: to keep nothing")
	}
	if path, err = filepath.Abs(path); err != nil { // the working directory may change
		return "", "", err
	}
	if isDir(path) {
		return "", "", fmt.Errorf("%s is a directory: name a file in it", path)
	}
	if dir := filepath.Dir(path); !isDir(dir) {
		return "", "", fmt.Errorf("there is no directory %s: create it first", dir)
	}
	// SQLite itself reads the query of a URI. The first of several equal parameters counts.
	escaped := (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	return path, "file:" + escaped + "?" + query + "&_busy_timeout=2000&_error_rc=1", nil
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

// prepare prepares each query and stores its statement. They are closed with the connection.
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

// exec runs statements without preparing them.
func (c *conn) exec(script string) error {
	_, err := c.Conn.(driver.ExecerContext).ExecContext(context.Background(), script, nil)
	return err
}

// ask returns the value of a query for a single one.
func (c *conn) ask(query string) (value driver.Value, err error) {
	var s *stmt
	if err := c.prepare(map[string]**stmt{query: &s}); err != nil {
		return nil, err
	}
	err = s.run(func(row []driver.Value) bool { value = row[0]; return true })
	return value, err
}

// Close closes the statements too: an open one would keep the file open.
func (c *conn) Close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}

// run runs the statement and calls each for every row until it returns false; each may be nil for a
// statement without rows. A row is valid until each returns, its values stay valid. run takes no context, which would
// cost a goroutine per call: a statement waits no longer than the busy timeout.
func (s *stmt) run(each func(row []driver.Value) (more bool), args ...driver.Value) error {
	s.args = s.args[:0]
	for i, arg := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	rows, err := s.QueryContext(context.Background(), s.args)
	clear(s.args) // or they would keep the body in memory
	if err != nil {
		return err
	}
	if s.row == nil {
		s.row = make([]driver.Value, len(rows.Columns()))
	}
	for err = rows.Next(s.row); err == nil; err = rows.Next(s.row) {
		if !each(s.row) {
			err = io.EOF
			break
		}
	}
	clear(s.row)
	closing := rows.Close() // after an error of Next it returns the same one
	if err == io.EOF {
		return closing
	}
	return err
}

// busy reports whether another connection keeps the file locked.
func busy(err error) bool {
	broken, ok := errors.AsType[*sqlite.Error](err)
	return ok && broken.Code()&0xff == sqlite3.SQLITE_BUSY
}

// explain puts before an error what a person can do about it.
func explain(err error) error {
	broken, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	hint := ""
	switch broken.Code() & 0xff { // the higher bits hold details that don't change the advice
	case sqlite3.SQLITE_BUSY:
		hint = "another process keeps the file locked, let it finish and try again"
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: free some of the disk, or raise --max-log: %w", transports.ErrFull, err)
	case sqlite3.SQLITE_READONLY:
		hint = "the file can't be written to, check its permissions and those of its directory"
	case sqlite3.SQLITE_CANTOPEN:
		hint = "the file can't be opened, check its permissions and those of its directory"
	case sqlite3.SQLITE_NOTADB:
		hint = "it is not a SQLite file, use another one"
	case sqlite3.SQLITE_CORRUPT:
		hint = "the file is damaged, restore a copy of it"
	case sqlite3.SQLITE_IOERR:
		hint = "the disk can't be read or written, check the system's messages"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", hint, err)
}
