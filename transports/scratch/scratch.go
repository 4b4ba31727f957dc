// Package scratch makes temporary directories, and removes those that killed processes have left behind.
//
// A process holds a lock on each of its directories, which the system releases when the process ends,
// however it ends. Make removes the directories of the same prefix whose lock is free.
//
// It never goes by the name or the age of a directory alone, follows no link, and removes nothing of
// another user. So a directory without a lock stays, as do those of processes that run.
package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A directory holds the lock and, beside it, the files, so that the files may be given to another user.
// The files' directory is made once the lock is held: a directory without one may belong to a process
// that is about to take the lock.
const (
	lockName  = "lock"
	filesName = "files"
)

// A Dir is a temporary directory of this process.
type Dir struct {
	Path string // of an empty directory, which only this user can enter

	outer string
	lock  *os.File // nil: the file system has no locks
}

// Make makes a directory in os.TempDir, in one whose name begins with prefix and a dash. The caller must
// remove it. Directories of killed processes that can't be removed are left, without an error.
func Make(prefix string) (*Dir, error) {
	removeAbandoned(os.TempDir(), prefix+"-")
	d, err := newDir(prefix + "-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	return d, nil
}

func newDir(prefix string) (*Dir, error) {
	outer, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	d := &Dir{outer: outer, Path: filepath.Join(outer, filesName)}
	lock, err := os.OpenFile(filepath.Join(outer, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, errors.Join(err, d.Remove())
	}
	d.lock = lock
	if !tryLock(lock) {
		// The file system has no locks. Without the file nobody takes the directory for abandoned.
		d.lock = nil
		_ = lock.Close()
		os.Remove(lock.Name())
	}
	if err := os.Mkdir(d.Path, 0o700); err != nil {
		return nil, errors.Join(err, d.Remove())
	}
	return d, nil
}

// Share lets other users enter the directory, as far as the permissions of the files allow.
func (d *Dir) Share() error { return os.Chmod(d.outer, 0o711) }

// Remove removes the directory with everything in it. What can't be removed is left to the next process
// that makes a directory with the same prefix.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	if d.lock != nil {
		_ = d.lock.Close() // Windows removes no open file
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(d.outer)
}

// removeAbandoned removes the directories in parent whose names begin with prefix and whose process has
// ended.
func removeAbandoned(parent, prefix string) {
	root, err := os.OpenRoot(parent)
	if err != nil {
		return
	}
	defer root.Close()
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.IsDir() {
			removeIfAbandoned(root, e.Name())
		}
	}
}

func removeIfAbandoned(parent *os.Root, name string) {
	found, err := parent.Lstat(name)
	if err != nil || !found.IsDir() || !own(found) {
		return
	}
	dir, err := parent.OpenRoot(name)
	if err != nil {
		return
	}
	defer dir.Close()
	if opened, err := dir.Stat("."); err != nil || !os.SameFile(found, opened) {
		return // a link, put there since
	}
	if files, err := dir.Lstat(filesName); err != nil || !files.IsDir() {
		return
	}
	if lock, err := dir.Lstat(lockName); err != nil || !lock.Mode().IsRegular() {
		return
	}
	lock, err := dir.OpenFile(lockName, os.O_RDWR, 0)
	if err != nil {
		return
	}
	free := tryLock(lock)
	if free {
		err = dir.RemoveAll(filesName) // before the lock: a process that is killed here leaves the rest to the next one
	}
	_ = lock.Close() // nobody takes the lock again to use the directory, and Windows removes no open file
	if free && err == nil && dir.Remove(lockName) == nil {
		_ = parent.Remove(name)
	}
}
