package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// smallest is the size of the smallest database: one page.
const smallest = 512

// A file is the file that the connections have open, by its path. SQLite doesn't look at the path
// again: without a check it goes on writing to a file that was removed or replaced.
type file struct {
	path string
	log  string // of the write-ahead log, without which the newest messages are lost; "": there is none
	was  os.FileInfo
	logs os.FileInfo
}

// Files returns the paths of the files of the log at an address, some of which may be missing.
func Files(address string) []string {
	path, _, err := dsn(address)
	if err != nil {
		return nil
	}
	return []string{path, path + "-wal", path + "-shm"}
}

// opened returns the file at path, which the connections have just opened.
func opened(path string) (f file, err error) {
	f.path = path
	if f.was, err = os.Stat(path); err != nil {
		return f, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return f, err
	}
	if f.logs, err = os.Stat(real + "-wal"); err == nil {
		f.log = real + "-wal"
	}
	return f, nil
}

// there returns an error if the file at the path is no longer the one that was opened.
func (f *file) there() error { return same(f.path, f.was, smallest) }

// whole is there for the write-ahead log, too.
func (f *file) whole() error {
	if f.log != "" {
		if err := same(f.log, f.logs, 0); err != nil {
			return err
		}
	}
	return f.there()
}

func same(path string, was os.FileInfo, least int64) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the file %s isn't there any more: put it back, or start the server again with a new one", path)
	case err != nil:
		return fmt.Errorf("the file can't be found any more: %w", err)
	case !os.SameFile(info, was):
		return fmt.Errorf("another file is in the place of %s: put the first one back, or start the server again with this one", path)
	case info.Size() < least:
		return fmt.Errorf("the file %s was truncated: put a copy of it in its place, and start the server again", path)
	}
	return nil
}
